from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_hex

import s3rl as s3
from s3rl.errors import CoordinatesError, LabelsError, MissingKeyError, ParameterError, StoreError


def drawn(ax) -> EllipseCollection:
    (found,) = [one for one in ax.collections if isinstance(one, EllipseCollection)]
    return found


def test_each_spot_is_where_it_is_in_its_colour(grid):
    axes = s3.pl.slices(grid, library_key="half", show=False)
    assert [ax.get_title() for ax in axes] == ["left", "right"]
    for ax, name in zip(axes, ("left", "right"), strict=True):
        rows = (grid.obs["half"] == name).to_numpy()
        assert np.array_equal(drawn(ax).get_offsets(), grid.obsm["spatial"][rows])
        expected = [grid.uns["s3rl_domain_colors"][int(d)] for d in grid.obs["s3rl_domain"][rows]]
        assert [to_hex(color) for color in drawn(ax).get_facecolors()] == expected
        low, high = ax.get_ylim()
        assert low > high


def test_one_scale_and_one_legend(grid):
    """The left slice has two of three domains, and is drawn as large as it is beside a larger one."""
    grid.obs["part"] = np.where(grid.obsm["spatial"][:, 0] < 1300, "a", "b")
    axes = s3.pl.slices(grid, library_key="part", show=False)
    figure = axes[0].figure
    figure.canvas.draw()
    pixels = [np.ptp(ax.transData.transform([[0, 0], [100, 100]]), axis=0) for ax in axes]
    np.testing.assert_allclose(pixels[0], pixels[1])
    np.testing.assert_allclose(pixels[0][0], pixels[0][1])
    legends = [ax.get_legend() for ax in axes if ax.get_legend() is not None]
    assert len(legends) == 1
    assert [text.get_text() for text in legends[0].get_texts()] == ["0", "1", "2"]
    for ax, name in zip(axes, ("a", "b"), strict=True):
        xy = grid.obsm["spatial"][(grid.obs["part"] == name).to_numpy()]
        np.testing.assert_allclose(np.mean(ax.get_xlim()), (xy[:, 0].min() + xy[:, 0].max()) / 2)
        for low, high, column in ((*ax.get_xlim(), xy[:, 0]), (*ax.get_ylim()[::-1], xy[:, 1])):
            assert low < column.min() <= column.max() < high


def test_aligned_slices_show_one_window(grid):
    grid.obsm["spatial_aligned"] = grid.obsm["spatial"]
    grid.uns["spatial_aligned"] = {"order": np.array(["right", "left"])}
    axes = s3.pl.slices(grid, library_key="half", spatial_key="spatial_aligned", show=False)
    assert [ax.get_title() for ax in axes] == ["right", "left"]
    assert axes[0].get_xlim() == axes[1].get_xlim()
    assert axes[0].get_xlim()[0] < 1000 < 1950 < axes[0].get_xlim()[1]


def test_grey_without_a_name_and_only_the_slices_asked_for(grid):
    axes = s3.pl.slices(grid, "truth", library_key="half", order=["right"], show=False)
    assert len(axes) == 1
    rows = (grid.obs["half"] == "right").to_numpy()
    grey = [to_hex(color) == "#bebebe" for color in drawn(axes[0]).get_facecolors()]
    assert grey == grid.obs["truth"][rows].isna().tolist()
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["b", "c", "unlabelled"]


def test_rows_of_panels_and_axes_of_the_user(grid, tmp_path):
    grid.obs["tenth"] = (np.arange(grid.n_obs) // 20).astype(str)
    axes = s3.pl.slices(grid, library_key="tenth", n_columns=3, show=False, save=tmp_path / "slices.png")
    assert (tmp_path / "slices.png").stat().st_size > 0
    assert len(axes) == 5
    assert axes[2].get_legend() is not None
    assert axes[0].get_subplotspec().get_gridspec().ncols == 3
    mine = plt.subplots(1, 2)[1]
    assert s3.pl.slices(grid, library_key="half", ax=mine, show=False) == list(mine)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"key": "nothing"}, MissingKeyError, "nothing"),
        ({"library_key": "nothing"}, MissingKeyError, "nothing"),
        ({"spatial_key": "nothing"}, MissingKeyError, "nothing"),
        ({"spatial_key": "broken"}, CoordinatesError, "finite"),
        ({"library_key": "number"}, LabelsError, "floating"),
        ({"order": ["top"]}, ParameterError, "left, right"),
        ({"order": []}, ParameterError, "order"),
        ({"order": ["left", "left"]}, ParameterError, "once"),
        ({"n_columns": 0}, ParameterError, "n_columns"),
        ({"ax": 3}, ParameterError, "one Axes for each"),
        ({"ax": [1, 2]}, ParameterError, "not a matplotlib Axes"),
        ({"save": "nowhere/at/all.png"}, StoreError, "save"),
    ],
)
def test_what_is_refused(grid, arguments, error, said):
    grid.obsm["broken"] = np.full((grid.n_obs, 2), np.nan)
    grid.obs["number"] = 0.5
    with pytest.raises(error, match=said):
        s3.pl.slices(grid, **{"library_key": "half", "show": False} | arguments)
