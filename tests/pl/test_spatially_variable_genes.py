"""The overview shows every test, maps are of the first genes, dots say what is significant."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EllipseCollection

import s3rl as s3
from s3rl import errors
from s3rl.pl._spatially_variable_genes import _apart

KEY = "spatially_variable_genes"


def frame(groups: list[str], pvalues: list[list[float]], **more) -> pd.DataFrame:
    rows = [
        {"group": group, "gene": gene, "statistic": 1.5 - number, "pvalue": p, "fdr": min(1.0, 3 * p)}
        for group, values in zip(groups, pvalues, strict=True)
        for number, (gene, p) in enumerate(zip(["flat", "steps", "single"], values, strict=True))
    ]
    return pd.DataFrame(rows).assign(group=lambda f: pd.Categorical(f["group"], groups), **more)


@pytest.fixture
def tested(grid):
    grid.uns[KEY] = {"results": frame(["all"], [[np.nan, 1e-40, 0.2]]), "params": {"mode": "moran"}}
    within = frame(["left", "right"], [[0.9, 1e-5, 1e-3], [1e-8, 0.4, 0.5]])
    grid.uns["within"] = {"results": within, "params": {"mode": "geary", "groupby": "half"}}
    return grid


def axes_of(figure):
    return {ax.get_label(): ax for ax in figure.axes}


def test_overview_and_maps(tested):
    axes = axes_of(s3.pl.spatially_variable_genes(tested, show=False))
    assert [name for name in axes if not name.startswith("<")] == ["overview", "steps", "single"]
    grey, called = (part.get_offsets() for part in axes["overview"].collections[:2])
    assert np.allclose(called, [[0.5, 40]])
    assert np.allclose(np.ma.getdata(grey)[0], [-0.5, -np.log10(0.2)])
    assert [text.get_text() for text in axes["overview"].texts] == ["steps", "single"]
    assert axes["overview"].get_title().startswith("1 of 2 genes")
    assert axes["overview"].get_xlabel() == "Moran's I"
    spots = axes["steps"].collections[0]
    assert isinstance(spots, EllipseCollection)
    assert np.array_equal(spots.get_array(), np.asarray(tested[:, "steps"].X.toarray()).ravel())
    assert axes["steps"].get_title() == "steps  I = 0.50"
    assert axes["steps"].yaxis_inverted() is not False


def test_the_number_of_maps(tested):
    assert "single" not in axes_of(s3.pl.spatially_variable_genes(tested, n_genes=1, show=False))


def test_a_group_alone_has_the_other_spots_grey(tested):
    axes = axes_of(s3.pl.spatially_variable_genes(tested, key="within", group="left", n_genes=1, show=False))
    outside, inside = axes["steps"].collections[:2]
    left = (tested.obs["half"] == "left").to_numpy()
    assert np.allclose(inside.get_offsets(), tested.obsm["spatial"][left])
    assert np.allclose(outside.get_offsets(), tested.obsm["spatial"][~left])
    assert outside.get_array() is None
    assert axes["overview"].get_title().startswith("left: ")
    assert axes["overview"].get_xlabel() == "Geary's C"


def test_dots_of_all_groups(tested):
    figure = s3.pl.spatially_variable_genes(tested, key="within", show=False)
    ax = axes_of(figure)["dots"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["left", "right"]
    # significant genes only, those of the first group first
    assert [text.get_text() for text in ax.get_xticklabels()] == ["steps", "single", "flat"]
    dots = ax.collections[0]
    places = {tuple(place): k for k, place in enumerate(np.asarray(dots.get_offsets()).tolist())}
    sizes, edges = dots.get_sizes(), dots.get_linewidths()
    assert sizes[places[0.0, 0.0]] > sizes[places[1.0, 0.0]] > sizes[places[0.0, 1.0]]
    assert edges[places[2.0, 1.0]] > 0
    assert edges[places[0.0, 1.0]] == 0
    # small C is a strong pattern, so the colours turn around
    assert dots.get_cmap().name == "viridis_r"
    assert ax.yaxis_inverted()


def test_calibrated_pvalues_are_drawn_where_there_are_some(tested):
    more = {"pvalue_calibrated": [0.5, 0.5, 1e-6], "fdr_calibrated": [0.5, 0.5, 1e-6], "post_denoising": True}
    tested.layers["s3rl"] = tested.X.toarray() * 2
    tested.uns[KEY]["results"] = frame(["all"], [[1e-9, 1e-9, 1e-9]], **more)
    tested.uns[KEY]["params"] |= {"post_denoising": True, "layer": "s3rl"}
    axes = axes_of(s3.pl.spatially_variable_genes(tested, n_genes=1, show=False))
    assert "single" in axes
    assert axes["overview"].get_ylabel() == "-log10 p (calibrated)"
    assert axes["single"].collections[0].get_array().max() == 2
    tested.uns[KEY]["results"] = tested.uns[KEY]["results"].drop(columns=["pvalue_calibrated", "fdr_calibrated"])
    axes = axes_of(s3.pl.spatially_variable_genes(tested, n_genes=1, show=False))
    assert "not calibrated" in axes["overview"].get_ylabel()


def test_names_keep_apart():
    found = _apart(np.array([10.0, 10.0, 9.9, 2.0]), 10.0)
    assert (-np.diff(found) >= 0.599).all()
    assert found[3] == 2.0


def test_nothing_tested_still_draws(tested):
    tested.uns[KEY]["results"]["pvalue"] = np.nan
    assert "overview" in axes_of(s3.pl.spatially_variable_genes(tested, show=False))


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"key": "moranI"}, errors.MissingKeyError, "uns['moranI']"),
        ({"key": "s3rl"}, errors.InputError, "uns['s3rl']"),
        ({"group": "L9"}, errors.MissingKeyError, "group"),
        ({"n_genes": 0}, errors.ParameterError, "n_genes"),
        ({"cmap": "mauve"}, errors.ParameterError, "cmap"),
        ({"save": "nowhere/at/all.png"}, errors.StoreError, "save"),
    ],
)
def test_what_is_refused(arguments, kind, key, tested):
    with pytest.raises(kind) as caught:
        s3.pl.spatially_variable_genes(tested, show=False, **arguments)
    assert key in caught.value.key
