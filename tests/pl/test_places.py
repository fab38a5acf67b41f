"""Slices with the same coordinates are drawn beside each other by every plot of a tissue."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EllipseCollection

import s3rl as s3
from s3rl import errors

HALF = 60


@pytest.fixture(scope="module")
def slides():
    import squidpy as sq

    parts = {
        name: s3.datasets.simulated_cortex(HALF, 40, n_layers=3, image=False, rng=rng).tables["table"]
        for rng, name in enumerate(("one", "two"))
    }
    for part in parts.values():
        part.obsm["spatial"] = part.obsm["spatial"] - part.obsm["spatial"].min(axis=0)
    adata = s3.pp.join_slices(parts, library_key="section")
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6, library_key="section")
    rng = np.random.default_rng(0)
    adata.obsm["X_s3rl"] = np.column_stack([adata.obs["depth"], rng.normal(size=2 * HALF)]).astype(np.float32)
    s3.tl.trajectory(adata, root="WM", groupby="domain", fates=False)
    s3.tl.metagenes(adata, adata.var_names[:12].tolist(), n=2)
    s3.tl.spatially_variable_genes(adata, library_key="section")
    shares = rng.dirichlet(np.ones(3), 2 * HALF)
    adata.obsm["shares"] = pd.DataFrame(shares, index=adata.obs_names, columns=["a", "b", "c"])
    return adata


PLOTS = {
    "trajectory": {},
    "metagenes": {},
    "proportions": {"key": "shares"},
    "spatially_variable_genes": {},
}


def places(drawn) -> np.ndarray:
    axes = drawn.axes if hasattr(drawn, "axes") and not hasattr(drawn, "collections") else np.ravel(drawn)
    circles = [part for ax in axes for part in ax.collections if isinstance(part, EllipseCollection)]
    return next(np.asarray(part.get_offsets()) for part in circles if len(part.get_offsets()) == 2 * HALF)


@pytest.mark.parametrize("name", PLOTS)
def test_slices_lie_beside_each_other(name, slides):
    found = places(getattr(s3.pl, name)(slides, library_key="section", show=False, **PLOTS[name]))
    first = (slides.obs["section"] == "one").to_numpy()
    assert found[first, 0].max() < found[~first, 0].min()
    np.testing.assert_allclose(found[first] - found[first].min(axis=0), slides.obsm["spatial"][first], atol=1e-6)
    plt.close("all")


def test_the_slices_of_the_tests_are_those_of_the_maps(slides):
    found = places(s3.pl.spatially_variable_genes(slides, show=False))
    first = (slides.obs["section"] == "one").to_numpy()
    assert found[first, 0].max() < found[~first, 0].min()
    plt.close("all")


@pytest.mark.parametrize("name", PLOTS)
def test_slices_that_are_not_there(name, slides):
    with pytest.raises(errors.MissingKeyError, match=r"obs\['donor_of'\]"):
        getattr(s3.pl, name)(slides, library_key="donor_of", show=False, **PLOTS[name])
