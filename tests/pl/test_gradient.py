"""Gradients: the map of distance with its target, and means by band."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import shapely
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.colors import to_rgba

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError, ParameterError, StoreError

GENES = ["steps", "single"]


@pytest.fixture
def table(grid):
    grid.X = grid.X.log1p()
    return grid


def panels(figure) -> dict[str, plt.Axes]:
    return {ax.get_label(): ax for ax in figure.axes if ax.get_label()}


def test_panels_titles_and_points(table):
    s3.tl.distance_gradient(table, ("s3rl_domain", "0"), bands=3)
    figure = s3.pl.gradient(table, GENES)
    found = panels(figure)
    assert list(found)[:1] == ["distance"]
    assert {"steps: X", "steps: s3rl", "single: X", "single: s3rl"} <= set(found)
    uns = table.uns["distance_gradient"]
    bands, results = uns["bands"], uns["results"]
    for gene in GENES:
        for layer, title in (("X", "raw"), ("s3rl", "denoised")):
            ax = found[f"{gene}: {layer}"]
            own = bands[(bands["gene"] == gene) & (bands["layer"] == layer)]
            assert np.allclose(ax.lines[0].get_ydata(), own["mean"])
            rho = results[(results["gene"] == gene) & (results["layer"] == layer)]["rho"].iloc[0]
            assert ax.get_title() == f"{gene}: {title}, rho = {rho:.2f}"
    assert next(text.get_text() for text in found["single: X"].get_xticklabels()) == "inside"
    assert found["steps: X"].get_ylim() == found["steps: s3rl"].get_ylim()
    assert found["single: X"].get_xlabel() == "distance to 0"


def test_the_map_shows_distances_and_the_domain_in_its_colour(table):
    s3.tl.distance_gradient(table, ("s3rl_domain", "1"), genes=GENES)
    ax = panels(s3.pl.gradient(table, "steps"))["distance"]
    distances, domain = [part for part in ax.collections if isinstance(part, EllipseCollection)]
    assert np.allclose(distances.get_array(), table.obs["distance_to_1"])
    assert np.allclose(distances.get_offsets(), table.obsm["spatial"])
    assert np.allclose(domain.get_offsets(), table.obsm["spatial"][(table.obs["s3rl_domain"] == "1").to_numpy()])
    assert np.allclose(domain.get_facecolor()[0], to_rgba("#00ff00"))
    assert ax.yaxis_inverted()


def test_polygons_and_points_are_drawn_where_they_are(table):
    ring = shapely.box(1100, 350, 1300, 450)
    s3.tl.distance_gradient(table, [ring, shapely.Point(1500, 400)], genes=GENES)
    ax = panels(s3.pl.gradient(table, "steps"))["distance"]
    (outline,) = [part for part in ax.collections if isinstance(part, LineCollection)]
    assert np.allclose(outline.get_segments()[0], shapely.get_coordinates(ring))
    assert any(np.allclose(part.get_offsets(), [[1500, 400]]) for part in ax.collections)


def test_groups_have_their_colours_and_a_legend(table):
    s3.tl.distance_gradient(table, [[1000, 300]], genes=GENES, groupby="s3rl_domain", min_spots=5)
    figure = s3.pl.gradient(table, "steps")
    found = panels(figure)
    lines = found["steps: X"].containers
    assert [line.get_label() for line in lines] == ["0", "1", "2"]
    assert [line.lines[0].get_color() for line in lines] == ["#ff0000", "#00ff00", "#0000ff"]
    legend = found["steps: s3rl"].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "2"]
    one = panels(s3.pl.gradient(table, "steps", groups="2"))["steps: X"]
    assert [line.get_label() for line in one.containers] == ["2"]
    assert "rho" in one.get_title()


def test_slices_lie_side_by_side(table):
    table.obsm["spatial"][(table.obs["half"] == "right").to_numpy(), 0] -= 500
    s3.tl.distance_gradient(table, [[1000.0, 300.0]], genes=GENES, library_key="half")
    ax = panels(s3.pl.gradient(table, "steps"))["distance"]
    places = ax.collections[0].get_offsets()
    left = (table.obs["half"] == "left").to_numpy()
    assert places[left, 0].max() < places[~left, 0].min()
    stars = [np.asarray(part.get_offsets()) for part in ax.collections if len(part.get_offsets()) == 2]
    assert len(stars) == 1


def test_spots_without_a_distance_are_grey(table):
    s3.tl.distance_gradient(table, {"left": [[1000.0, 300.0]]}, genes=GENES, library_key="half", min_spots=5)
    ax = panels(s3.pl.gradient(table, "steps"))["distance"]
    grey = next(part for part in ax.collections if isinstance(part, EllipseCollection))
    assert len(grey.get_offsets()) == (table.obs["half"] == "right").sum()


def test_saved_and_refused(table, tmp_path):
    with pytest.raises(MissingKeyError, match=r"uns\['distance_gradient'\].*s3\.tl\.distance_gradient"):
        s3.pl.gradient(table, "steps")
    s3.tl.distance_gradient(table, ("s3rl_domain", "0"), genes=GENES)
    s3.pl.gradient(table, "steps", save=tmp_path / "gradient.png")
    assert (tmp_path / "gradient.png").stat().st_size > 10_000
    for arguments, kind, says in (
        ({"genes": "flat"}, MissingKeyError, "genes: is not in the result"),
        ({"genes": []}, ParameterError, "genes: names nothing"),
        ({"genes": "steps", "groups": "9"}, MissingKeyError, "groups: is not in the result"),
        ({"genes": "steps", "save": tmp_path / "nowhere" / "x.png"}, StoreError, "save"),
    ):
        with pytest.raises(kind, match=says):
            s3.pl.gradient(table, **arguments)
    table.uns["odd"] = {"params": {}}
    with pytest.raises(InputError, match=r"uns\['odd'\]: is no result"):
        s3.pl.gradient(table, "steps", key="odd")
