"""Maps and pies: places, colours, scales, wedges."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EllipseCollection, PolyCollection
from matplotlib.colors import to_hex, to_rgba

import s3rl as s3
from s3rl import errors
from s3rl.pl._palette import UNLABELLED

NAMES = ["B", "T/NK", "mast"]
COLORS = ["#aa0000", "#00bb00", "#0000cc"]


@pytest.fixture
def mixed(grid):
    values = np.random.default_rng(0).dirichlet([1, 2, 3], size=100).astype(np.float32)
    values[0] = [0.25, 0.25, 0.5]
    values[1] = [0, 1, 0]
    grid.obsm["proportions"] = values
    grid.uns["proportions"] = {"names": NAMES, "colors": COLORS}
    return grid


def drawn(ax, kind):
    return next(part for part in ax.collections if isinstance(part, kind))


def test_maps_show_each_type_in_place_on_one_scale(mixed):
    axes = s3.pl.proportions(mixed, show=False)
    assert [ax.get_title() for ax in axes] == NAMES
    limits = set()
    for number, ax in enumerate(axes):
        circles = drawn(ax, EllipseCollection)
        assert np.allclose(circles.get_offsets(), mixed.obsm["spatial"])
        assert np.allclose(circles.get_array(), mixed.obsm["proportions"][:, number])
        limits.add(circles.get_clim())
        assert ax.yaxis_inverted()
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == 0
    assert high == pytest.approx(np.percentile(mixed.obsm["proportions"], 99, axis=0).max())
    assert len(axes[0].figure.axes) == 4


def test_types_are_chosen_and_ordered(mixed):
    assert [ax.get_title() for ax in s3.pl.proportions(mixed, types=["mast", "B"], show=False)] == ["mast", "B"]
    ax = plt.subplots()[1]
    assert s3.pl.proportions(mixed, types="B", ax=ax) == [ax]


def test_pies_have_wedges_of_the_right_size_place_and_colour(mixed):
    (ax,) = s3.pl.proportions(mixed, kind="pies", show=False)
    wedges = drawn(ax, PolyCollection)
    corners = [path.vertices[:-1] for path in wedges.get_paths()]
    colors = [to_hex(color) for color in wedges.get_facecolors()]
    place = mixed.obsm["spatial"][0]
    own = [number for number, wedge in enumerate(corners) if np.allclose(wedge[0], place)]
    assert [colors[number] for number in own] == COLORS
    radius = np.linalg.norm(corners[own[0]][1] - place)
    assert radius < 25

    def area(wedge):
        x, y = wedge.T
        return 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))

    assert [area(corners[number]) / (np.pi * radius**2) for number in own] == pytest.approx([0.25, 0.25, 0.5], rel=0.01)
    # from the top, clockwise, on axes whose y points down: the first quarter is at the upper right
    middle = corners[own[0]].mean(axis=0) - place
    assert middle[0] > 0
    assert middle[1] < 0
    second = [number for number, wedge in enumerate(corners) if np.allclose(wedge[0], mixed.obsm["spatial"][1])]
    assert [colors[number] for number in second] == [COLORS[1]]
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == NAMES
    assert [mark.get_color() for mark in legend.get_lines()] == COLORS


def test_types_that_are_not_shown_are_grey(mixed):
    (ax,) = s3.pl.proportions(mixed, kind="pies", types=["T/NK"], show=False)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["T/NK", "other"]
    found = {tuple(color) for color in drawn(ax, PolyCollection).get_facecolors()}
    assert found == {to_rgba(COLORS[1]), to_rgba(UNLABELLED)}


def test_of_many_types_pies_show_the_largest(grid):
    share = np.random.default_rng(0).dirichlet(np.linspace(1, 3, 15), size=100)
    grid.obsm["other"] = pd.DataFrame(share, grid.obs_names, [f"t{i}" for i in range(15)])
    (ax,) = s3.pl.proportions(grid, key="other", kind="pies", show=False)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    largest = set(np.argsort(-share.mean(axis=0))[:12])
    assert names == [f"t{i}" for i in range(15) if i in largest] + ["other"]


def test_data_frames_of_other_methods_are_drawn(grid):
    grid.obsm["cell2location"] = pd.DataFrame(np.full((100, 2), 0.5), grid.obs_names, ["a", "b"])
    assert [ax.get_title() for ax in s3.pl.proportions(grid, key="cell2location", show=False)] == ["a", "b"]


def drop_names(table):
    table.uns["proportions"] = {}


def short_names(table):
    table.uns["proportions"]["names"] = NAMES[:2]


def set_values(value):
    def spoil(table):
        table.obsm["proportions"][3, 1] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "more", "kind", "key"),
    [
        (None, {"key": "absent"}, errors.MissingKeyError, "obsm['absent']"),
        (drop_names, {}, errors.MissingKeyError, "uns['proportions']['names']"),
        (short_names, {}, errors.InputError, "obsm['proportions']"),
        (set_values(np.nan), {}, errors.InputError, "obsm['proportions']"),
        (set_values(-0.1), {}, errors.InputError, "obsm['proportions']"),
        (None, {"types": ["B", "plasma"]}, errors.MissingKeyError, "types"),
        (None, {"types": []}, errors.MissingKeyError, "types"),
        (None, {"types": ["B", "B"]}, errors.MissingKeyError, "types"),
        (None, {"kind": "bars"}, errors.ParameterError, "kind"),
        (None, {"cmap": "mauve"}, errors.ParameterError, "cmap"),
        (None, {"ax": "axes", "types": "B"}, errors.ParameterError, "ax"),
    ],
)
def test_refused(mixed, spoil, more, kind, key):
    if spoil is not None:
        spoil(mixed)
    with pytest.raises(kind) as caught:
        s3.pl.proportions(mixed, show=False, **more)
    assert type(caught.value) is kind
    assert caught.value.key == key
    assert caught.value.fix


def test_one_axes_for_several_maps(mixed):
    with pytest.raises(errors.ParameterError, match="ax: is one"):
        s3.pl.proportions(mixed, ax=plt.subplots()[1], show=False)
