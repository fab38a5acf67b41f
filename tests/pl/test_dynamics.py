"""Pictures of dynamics: spots, trends and numbers of the right gene and layer."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

import s3rl as s3

COLORS = ["#ff0000", "#00ff00", "#0000ff"]


@pytest.fixture
def measured(grid):
    rng = np.random.default_rng(0)
    grid.obs["s3rl_pseudotime"] = grid.obsm["spatial"][:, 0] - 1000
    grid.X = np.log1p(rng.poisson(3, (100, 3)) + 2 * grid.obs["s3rl_domain"].cat.codes.to_numpy()[:, None]).astype("f4")
    grid.layers["s3rl"] = np.sqrt(grid.X)
    grid.obsm["X_s3rl"] = rng.normal(size=(100, 3))
    s3.tl.dynamics(grid, ["steps", "flat"], pairs=[("steps", "single")])
    return grid


def axes_of(figure):
    return {ax.get_label(): ax for ax in figure.axes}


def test_a_row_for_each_gene_and_pair_and_a_column_for_each_layer(measured):
    axes = axes_of(s3.pl.dynamics(measured, show=False))
    rows = ["steps", "flat", "single", "steps, single"]
    assert list(axes) == [f"{row}: {layer}" for row in rows for layer in ("X", "s3rl")]
    trends = measured.uns["dynamics"]["trends"]
    for layer in ("X", "s3rl"):
        ax = axes[f"flat: {layer}"]
        spots = ax.collections[0]
        values = measured[:, "flat"].to_df(None if layer == "X" else layer)["flat"]
        expected = np.stack([measured.obs["s3rl_pseudotime"], values], axis=1)
        np.testing.assert_allclose(spots.get_offsets(), expected, rtol=1e-6)
        codes = measured.obs["s3rl_domain"].cat.codes
        assert [to_hex(color) for color in spots.get_facecolor()] == [COLORS[code] for code in codes]
        own = trends[(trends["gene"] == "flat") & (trends["layer"] == layer)]
        np.testing.assert_allclose(ax.lines[-1].get_xydata(), own[["pseudotime", "trend"]])
        assert ax.lines[-1].get_color() == "black"
        table = measured.uns["dynamics"]["results"]
        row = table[(table["gene"] == "flat") & (table["layer"] == layer)].iloc[0]
        assert f"R² {row['r2']:.2f}" in ax.get_title()
        assert ("chance" in ax.get_title()) == (layer == "s3rl")
    assert axes["flat: X"].get_ylim() == axes["flat: s3rl"].get_ylim()
    assert axes["steps: X"].get_legend() is not None or axes["steps: s3rl"].get_legend() is not None


def test_a_pair_is_in_units_of_its_spread(measured):
    ax = axes_of(s3.pl.dynamics(measured, show=False))["steps, single: X"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["steps", "single"]
    drawn = ax.collections[1].get_offsets()[:, 1]
    values = np.asarray(measured[:, "single"].X).ravel().astype(float)
    np.testing.assert_allclose(drawn, (values - values.mean()) / values.std(), atol=1e-5)
    table = measured.uns["dynamics"]["results"]
    row = table[(table["partner"] == "single") & (table["layer"] == "X")].iloc[0]
    assert f"r {row['pearson']:.2f}, of trends {row['trend_pearson']:.2f}" in ax.get_title()


def test_a_choice_of_genes(measured):
    axes = axes_of(s3.pl.dynamics(measured, ["single", "steps"], groupby=None, show=False))
    assert list(axes)[::2] == ["single: X", "steps: X", "steps, single: X"]
    assert list(axes_of(s3.pl.dynamics(measured, "flat", show=False))) == ["flat: X", "flat: s3rl"]


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"key": "none"}, "MissingKeyError", ("uns['none']", "s3.tl.dynamics")),
        ({"key": "bad"}, "InputError", ("uns['bad']",)),
        ({"genes": ["GENE"]}, "MissingKeyError", ("genes", "GENE", "steps")),
        ({"genes": []}, "MissingKeyError", ("genes",)),
        ({"groupby": "none"}, "MissingKeyError", ("obs['none']",)),
        ({"save": "none/there/is.png"}, "StoreError", ("save",)),
    ],
    ids=str,
)
def test_refusals(measured, arguments, kind, words):
    measured.uns["bad"] = {"results": 1}
    with pytest.raises(getattr(s3.errors, kind)) as caught:
        s3.pl.dynamics(measured, **{"show": False, **arguments})
    for word in words:
        assert word in str(caught.value)


def test_what_the_result_was_made_of_must_still_be_there(measured):
    del measured.layers["s3rl"]
    with pytest.raises(s3.errors.MissingKeyError, match=r"layers\['s3rl'\]"):
        s3.pl.dynamics(measured, show=False)
    del measured.obs["s3rl_pseudotime"]
    with pytest.raises(s3.errors.MissingKeyError, match="s3rl_pseudotime"):
        s3.pl.dynamics(measured, show=False)
