from __future__ import annotations

import sys

import numpy as np
import pytest
from laws.contents import changed, contents, random_states

import s3rl as s3
from s3rl.errors import CoordinatesError, MissingExtraError, MissingKeyError, ParameterError, StoreError

pytest.importorskip("plotly")


@pytest.fixture
def aligned(grid):
    grid.obsm["spatial_aligned"] = grid.obsm["spatial"]
    return grid


def test_one_trace_for_each_domain_at_the_height_of_its_slice(aligned):
    figure = s3.pl.stack(aligned, "half", gap=70, save=None)
    assert [trace.name for trace in figure.data] == ["0", "1", "2"]
    assert [trace.marker.color for trace in figure.data] == aligned.uns["s3rl_domain_colors"]
    for trace in figure.data:
        rows = (aligned.obs["s3rl_domain"] == trace.name).to_numpy()
        xy = aligned.obsm["spatial"][rows]
        assert np.array_equal(trace.x, xy[:, 0])
        assert np.array_equal(trace.y, xy[:, 1])
        assert np.array_equal(trace.z, np.where(aligned.obs["half"][rows] == "right", 70, 0))
        assert trace.text[0].split("<br>")[0] == aligned.obs_names[rows][0]


def test_spots_without_a_name_are_grey(aligned):
    figure = s3.pl.stack(aligned, "half", key="truth", save=None)
    assert figure.data[-1].name == "unlabelled"
    assert len(figure.data[-1].x) == aligned.obs["truth"].isna().sum()


@pytest.mark.parametrize("gap", [None, 1.0, 5000.0])
def test_one_unit_is_as_long_in_all_directions(aligned, gap):
    scene = s3.pl.stack(aligned, "half", gap=gap, save=None).layout.scene
    lengths = [abs(np.diff(axis.range)[0]) for axis in (scene.xaxis, scene.yaxis, scene.zaxis)]
    ratio = [scene.aspectratio.x, scene.aspectratio.y, scene.aspectratio.z]
    assert scene.aspectmode == "manual"
    np.testing.assert_allclose(np.divide(ratio, lengths), ratio[0] / lengths[0])
    assert scene.yaxis.range[0] > scene.yaxis.range[1]


def test_the_order_is_that_of_the_alignment_or_of_the_user(aligned):
    aligned.uns["spatial_aligned"] = {"order": np.array(["right", "left"])}
    notes = s3.pl.stack(aligned, "half", save=None).layout.scene.annotations
    assert [note.text for note in sorted(notes, key=lambda note: note.z)] == ["right", "left"]
    notes = s3.pl.stack(aligned, "half", order=["left", "right"], save=None).layout.scene.annotations
    assert [note.text for note in sorted(notes, key=lambda note: note.z)] == ["left", "right"]


def test_the_page_needs_no_network_and_is_the_same_every_time(aligned, tmp_path):
    for name in ("one.html", "two.html"):
        s3.pl.stack(aligned, "half", save=tmp_path / name)
    page = (tmp_path / "one.html").read_bytes()
    assert page == (tmp_path / "two.html").read_bytes()
    assert len(page) > 1_000_000
    assert b"<script src=" not in page
    assert b"scatter3d" in page[-200_000:]


def test_the_table_stays_as_it_was(aligned):
    before, states = contents(aligned), random_states()
    s3.pl.stack(aligned, "half", save=None)
    assert changed(before, contents(aligned)) == set()
    assert random_states() == states


def test_without_plotly(aligned, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtraError, match=r"s3rl-tools\[plot\]"):
        s3.pl.stack(aligned, "half", save=None)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"spatial_key": "spatial_other"}, MissingKeyError, "align_slices"),
        ({"spatial_key": "broken"}, CoordinatesError, "finite"),
        ({"library_key": "nothing"}, MissingKeyError, "nothing"),
        ({"key": "nothing"}, MissingKeyError, "nothing"),
        ({"gap": 0}, ParameterError, "gap"),
        ({"gap": np.inf}, ParameterError, "gap"),
        ({"gap": "wide"}, ParameterError, "gap"),
        ({"order": ["left"]}, ParameterError, "every slice once"),
        ({"save": "nowhere/at/all.html"}, StoreError, "save"),
    ],
)
def test_what_is_refused(aligned, arguments, error, said):
    aligned.obsm["broken"] = np.full((aligned.n_obs, 2), np.nan)
    with pytest.raises(error, match=said):
        s3.pl.stack(aligned, **{"library_key": "half", "save": None} | arguments)
