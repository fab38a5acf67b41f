"""Several slices in one model: donors that differ, parts that are missing, slices of few spots, other genes."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import squidpy as sq
from sklearn.metrics import adjusted_rand_score

import s3rl as s3


def five_slices(n_spots=300, **kwargs):
    """Five slices of three donors; the fourth has half of its tissue, the fifth lacks a layer."""
    settings = {"n_layers": 5, "n_slices": 5, "batch_effect": 0.4, "image": False, "rng": 1} | kwargs
    table = s3.datasets.simulated_cortex(n_spots, 300, **settings).tables["table"]
    names = table.obs["slice"].to_numpy()
    y = table.obsm["spatial"][:, 0]
    half = (names == "slice4") & (y > np.median(y[names == "slice4"]))
    gone = (names == "slice5") & (table.obs["domain"] == "L3").to_numpy()
    return table[~(half | gone)].copy()


def fit(adata, n_domains=5, **params):
    s3.pp.normalize(adata, library_key="slice")
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6, library_key="slice")
    s3.pp.signed_neighbors(adata, library_key="slice")
    s3.tl.s3rl(adata, n_domains, library_key="slice", params={"denoise": "none"} | params, progress=False, device="cpu")
    return adata


@pytest.mark.slow
def test_donors_that_differ_share_their_domains():
    adata = fit(five_slices())
    assert adata.uns["s3rl"]["batch"] == "center"
    for _, group in adata.obs.groupby("slice", observed=True):
        assert adjusted_rand_score(group["domain"], group["s3rl_domain"]) > 0.55
    assert adjusted_rand_score(adata.obs["domain"], adata.obs["s3rl_domain"]) > 0.65
    apart = fit(five_slices(), batch="none")
    assert adjusted_rand_score(apart.obs["domain"], apart.obs["s3rl_domain"]) < 0.55
    mixed, unmixed = (s3.tl.slice_mixing(one, "slice", copy=True).ilisi for one in (adata, apart))
    assert mixed > unmixed + 0.3


@pytest.mark.slow
def test_one_name_is_one_layer_in_every_slice():
    adata = fit(five_slices())
    layers = {}
    for name, group in adata.obs.groupby("slice", observed=True):
        counts = pd.crosstab(group["s3rl_domain"].astype(str), group["domain"].astype(str))
        layers[name] = counts.idxmax(axis=1).to_dict()
    same = [
        layers[slice_][domain] == layers["slice1"][domain]
        for slice_, domain in zip(adata.obs["slice"], adata.obs["s3rl_domain"].astype(str), strict=True)
    ]
    assert np.mean(same) > 0.95
    # the domain of the layer that the fifth slice lacks stays empty there
    assert set(layers["slice5"].values()) == {"L1", "L2", "L4", "WM"}


@pytest.mark.parametrize("batch", ["auto", "center", "harmony", "none"])
def test_a_slice_of_thirty_spots_and_other_genes(batch):
    first, second = (
        s3.datasets.simulated_cortex(n, 80, n_layers=3, image=False, rng=seed).tables["table"]
        for n, seed in ((150, 0), (30, 1))
    )
    second = second[:, 10:].copy()
    adata = s3.pp.join_slices({"large": first, "small": second})
    assert adata.n_vars == 70
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6, library_key="slice")
    s3.pp.signed_neighbors(adata, library_key="slice")
    s3.tl.s3rl(adata, 3, library_key="slice", params={"max_epochs": 5, "batch": batch}, progress=False, device="cpu")
    assert np.isfinite(adata.obsm["X_s3rl"]).all()
    assert np.isfinite(adata.layers["s3rl"]).all()
    assert adata.uns["s3rl"]["batch"] == (batch if batch != "auto" else adata.uns["s3rl"]["batch"])
    assert adata.obs["s3rl_domain"].notna().all()


def test_a_model_of_centred_slices_centres_a_new_one(tmp_path):
    two = s3.datasets.simulated_cortex(100, 80, n_layers=3, n_slices=2, image=False, rng=0).tables["table"]
    s3.pp.normalize(two, library_key="slice")
    sq.gr.spatial_neighbors_knn(two, n_neighs=6, library_key="slice")
    s3.pp.signed_neighbors(two, library_key="slice")
    s3.tl.s3rl(
        two, 3, library_key="slice", params={"max_epochs": 40, "batch": "center"}, model_dir=tmp_path / "model",
        progress=False, device="cpu",
    )  # fmt: skip
    new = ad.AnnData(two.X, obs=two.obs.copy(), var=two.var.copy(), obsm={"spatial": two.obsm["spatial"]})
    new = new[new.obs["slice"] == "slice2"].copy()
    shifted = new.copy()
    # a gene that this chemistry counts higher in every spot
    shifted.X = shifted.X.toarray() + (np.arange(new.n_vars) % 3 == 0)
    found = []
    for one in (new, shifted):
        sq.gr.spatial_neighbors_knn(one, n_neighs=6)
        s3.pp.signed_neighbors(one)
        found.append(s3.tl.transfer(one, tmp_path / "model", copy=True).embedding)
    np.testing.assert_allclose(found[0], found[1], atol=1e-2)
