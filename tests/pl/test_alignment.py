"""Slices before and after: where the circles lie, in which colours, and what is refused."""

from __future__ import annotations

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_hex

import s3rl as s3
from s3rl.errors import MissingKeyError, ParameterError


@pytest.fixture
def aligned() -> ad.AnnData:
    rng = np.random.default_rng(0)
    adata = ad.AnnData(np.ones((50, 2), np.float32))
    adata.obs["slice"] = pd.Categorical(np.repeat(["x", "y"], 25))
    adata.obsm["spatial"] = rng.uniform(size=(50, 2)) * 10 + np.repeat([[0, 0], [100, 0]], 25, axis=0)
    adata.obsm["spatial_aligned"] = adata.obsm["spatial"] - np.repeat([[0, 0], [100, 0]], 25, axis=0)
    adata.uns["spatial_aligned"] = {"order": ["y", "x"], "mode": "rigid", "spatial_key": "spatial"}
    adata.uns["slice_colors"] = ["#ff0000", "#0000ff"]
    return adata


def circles(ax) -> dict[str, EllipseCollection]:
    return {c.get_label(): c for c in ax.collections if isinstance(c, EllipseCollection)}


def test_circles_lie_where_the_spots_were_and_are(aligned):
    axes = s3.pl.alignment(aligned, "slice", show=False)
    for ax, key in zip(axes, ("spatial", "spatial_aligned"), strict=True):
        drawn = circles(ax)
        assert list(drawn) == ["y", "x"]
        for name, color in (("x", "#ff0000"), ("y", "#0000ff")):
            rows = (aligned.obs["slice"] == name).to_numpy()
            assert np.array_equal(drawn[name].get_offsets(), aligned.obsm[key][rows])
            assert to_hex(drawn[name].get_facecolors()[0]) == color
        assert ax.get_aspect() == 1.0
        assert ax.yaxis_inverted()
    assert [ax.get_title() for ax in axes] == ["before", "after: turned and shifted"]
    assert [text.get_text() for text in axes[1].get_legend().get_texts()] == ["y", "x"]


def test_a_slice_that_is_gone_is_not_drawn(aligned):
    part = aligned[aligned.obs["slice"] == "x"].copy()
    assert list(circles(s3.pl.alignment(part, "slice", show=False)[0])) == ["x"]


def test_it_draws_on_two_axes_of_the_user(aligned, tmp_path):
    given = plt.subplots(1, 2)[1]
    assert s3.pl.alignment(aligned, "slice", ax=given, save=tmp_path / "a.png") == list(given)
    assert (tmp_path / "a.png").stat().st_size > 1000
    for wrong in (given[0], given[:1], "ax"):
        with pytest.raises(ParameterError, match="ax"):
            s3.pl.alignment(aligned, "slice", ax=wrong)


def test_slices_that_were_not_aligned_are_refused(aligned):
    with pytest.raises(MissingKeyError, match="align_slices"):
        s3.pl.alignment(aligned, "slice", key="other")
    with pytest.raises(MissingKeyError, match="sample"):
        s3.pl.alignment(aligned, "sample")
