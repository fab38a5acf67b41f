"""Genes before and after denoising."""

from __future__ import annotations

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import EllipseCollection, FillBetweenPolyCollection
from matplotlib.colors import to_hex

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError, ParameterError


def panels(figure) -> dict[str, plt.Axes]:
    return {ax.get_label(): ax for ax in figure.axes}


def circles(ax) -> EllipseCollection:
    (found,) = [c for c in ax.collections if isinstance(c, EllipseCollection)]
    return found


def violins(ax) -> list[FillBetweenPolyCollection]:
    return [c for c in ax.collections if isinstance(c, FillBetweenPolyCollection)]


def test_maps_show_the_values_at_their_spots(grid):
    shown = panels(s3.pl.denoising(grid, "steps"))
    raw, denoised = circles(shown["steps: raw map"]), circles(shown["steps: denoised map"])
    expression = grid.X[:, 1].toarray().ravel()
    assert np.array_equal(raw.get_array(), expression)
    assert np.array_equal(denoised.get_array(), expression / 2)
    assert np.array_equal(raw.get_offsets(), grid.obsm["spatial"])
    assert shown["steps: raw map"].get_title() == "steps: raw"
    assert shown["steps: denoised map"].get_title() == "steps: denoised"


def test_one_scale_for_both_maps_and_one_for_both_violins(grid):
    figure = s3.pl.denoising(grid, "steps")
    shown = panels(figure)
    both = [circles(shown[f"steps: {kind} map"]) for kind in ("raw", "denoised")]
    assert {c.get_clim() for c in both} == {(0.5, 3.0)}
    assert both[0].get_cmap() == both[1].get_cmap()
    assert len(figure.axes) == 5
    limits = {shown[f"steps: {kind} violins"].get_ylim() for kind in ("raw", "denoised")}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low < 0.5
    assert high > 3.0


def test_a_single_high_spot_does_not_take_the_scale(grid):
    grid.layers["s3rl"] = grid.layers["s3rl"].copy()
    grid.layers["s3rl"][3, 1] = 1000.0
    assert circles(panels(s3.pl.denoising(grid, "steps"))["steps: raw map"]).get_clim()[1] < 10


def test_violins_by_domain(grid):
    spread = np.random.default_rng(0).normal(scale=0.1, size=grid.n_obs)
    grid.layers["s3rl"][:, 1] += spread.astype(np.float32)
    ax = panels(s3.pl.denoising(grid, "steps"))["steps: denoised violins"]
    bodies = violins(ax)
    assert [to_hex(body.get_facecolor()[0]) for body in bodies] == grid.uns["s3rl_domain_colors"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2"]
    codes = grid.obs["s3rl_domain"].cat.codes
    for code, body in enumerate(bodies):
        values = grid.layers["s3rl"][codes == code, 1]
        outline = body.get_paths()[0].vertices
        assert outline[:, 1].min() == pytest.approx(values.min(), abs=1e-4)
        assert outline[:, 1].max() == pytest.approx(values.max(), abs=1e-4)
        assert outline[:, 0].mean() == pytest.approx(code, abs=0.2)
    (medians,) = [c for c in ax.collections if c not in bodies]
    expected = [np.median(grid.layers["s3rl"][codes == code, 1]) for code in range(3)]
    assert medians.get_offsets()[:, 1].tolist() == pytest.approx(expected)


def test_a_row_for_each_gene_in_the_order_given(grid):
    figure = s3.pl.denoising(grid, ["single", "flat"])
    names = [label for label in panels(figure) if label.endswith("raw map")]
    assert names == ["single: raw map", "flat: raw map"]
    heights = [panels(figure)[name].get_subplotspec().rowspan.start for name in names]
    assert heights == [0, 1]


def test_other_layers_and_groups(grid):
    grid.layers["mine"] = grid.X * 3
    shown = panels(s3.pl.denoising(grid, "steps", layer="mine", raw_layer="s3rl", groupby="half"))
    assert circles(shown["steps: raw map"]).get_array().max() == pytest.approx(1.5)
    assert circles(shown["steps: denoised map"]).get_array().max() == pytest.approx(9)
    assert [t.get_text() for t in shown["steps: raw violins"].get_xticklabels()] == ["left", "right"]


def test_of_a_lazy_layer_only_the_gene_is_read(grid):
    read = []

    def block(block_info=None):
        read.append(block_info[None]["chunk-location"][1])
        return np.full((grid.n_obs, 1), float(read[-1]))

    lazy = da.map_blocks(block, chunks=((grid.n_obs,), (1, 1, 1)), dtype=float, meta=np.empty((0, 0)))
    grid.layers["lazy"] = lazy
    read.clear()
    shown = panels(s3.pl.denoising(grid, "steps", layer="lazy"))
    assert set(read) == {1}
    assert set(circles(shown["steps: denoised map"]).get_array()) == {1.0}


def test_long_names_stand_upright(grid):
    names = {str(i): f"a long name of layer {i}" for i in range(3)}
    grid.obs["s3rl_domain"] = grid.obs["s3rl_domain"].cat.rename_categories(names)
    ax = panels(s3.pl.denoising(grid, "flat"))["flat: raw violins"]
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {90.0}


@pytest.mark.parametrize(
    ("genes", "arguments", "kind", "match"),
    [
        ("lost", {}, MissingKeyError, "lost.*flat"),
        (["flat", "lost"], {}, MissingKeyError, "lost"),
        ([], {}, ParameterError, "genes"),
        (3, {}, ParameterError, "genes"),
        ("flat", {"layer": "lost"}, MissingKeyError, r"layers\['lost'\].*s3\.tl\.s3rl"),
        ("flat", {"raw_layer": "lost"}, MissingKeyError, r"layers\['lost'\]"),
        ("flat", {"groupby": "lost"}, MissingKeyError, r"obs\['lost'\]"),
        ("flat", {"cmap": "lost"}, ParameterError, "cmap"),
    ],
)
def test_what_cannot_be_drawn(grid, genes, arguments, kind, match):
    with pytest.raises(kind, match=match):
        s3.pl.denoising(grid, genes, **arguments)
    assert not plt.get_fignums()


def test_values_that_are_not_finite(grid):
    grid.layers["s3rl"][0, 0] = np.nan
    with pytest.raises(InputError, match="1 values"):
        s3.pl.denoising(grid, "flat")
    s3.pl.denoising(grid, "steps")
