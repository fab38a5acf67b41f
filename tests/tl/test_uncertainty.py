"""Margin, agreement and uncertainty in ``obs``: what they follow from, where they are high, and what replaces them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import squidpy as sq
from sklearn.metrics import roc_auc_score

import s3rl as s3

ALL = {"s3rl_margin", "s3rl_agreement", "s3rl_uncertainty"}
QUICK = {"max_epochs": 12, "n_mixtures": 6, "denoise": "none"}


def prepared(n_spots: int, n_genes: int, **options: object) -> ad.AnnData:
    adata = s3.datasets.simulated_cortex(n_spots, n_genes, n_layers=4, image=False, **options).tables["table"]
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    return adata


@pytest.fixture(scope="module")
def small() -> ad.AnnData:
    return prepared(200, 150)


@pytest.fixture(scope="module")
def model(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uncertainty") / "model"
    fitted = small.copy()
    s3.tl.s3rl(fitted, 4, params=QUICK, progress=False, model_dir=folder)
    return folder, fitted


def test_all_three_follow_from_the_probabilities_and_the_mixtures(model):
    obs, p = model[1].obs, np.asarray(model[1].obsm["s3rl_probabilities"], dtype=np.float64)
    assert set(obs) >= ALL
    highest = np.sort(p, axis=1)
    np.testing.assert_allclose(obs["s3rl_margin"], highest[:, -1] - highest[:, -2], atol=1e-6)
    assert np.isin((obs["s3rl_agreement"] * 6).round(5), range(7)).all()
    # the two draws agree at least as often as both say the spot's domain, and differ where only one does
    both = highest[:, -1] * obs["s3rl_agreement"]
    assert (1 - obs["s3rl_uncertainty"] >= both - 1e-5).all()
    assert (1 - obs["s3rl_uncertainty"] <= both + highest[:, -2] * (1 - obs["s3rl_agreement"]) + 1e-5).all()
    assert all(obs[name].dtype == np.float32 for name in ALL)


def test_it_is_high_at_true_borders_and_where_the_domain_is_wrong():
    adata = prepared(400, 400)
    s3.tl.s3rl(adata, 4, params={"max_epochs": 60, "denoise": "none"}, progress=False)
    truth = adata.obs["domain"].cat.codes.to_numpy()
    rows, columns = adata.obsp["spatial_connectivities"].nonzero()
    border = np.zeros(adata.n_obs, dtype=bool)
    border[rows[truth[rows] != truth[columns]]] = True
    named = s3.tl.match_labels(adata, key="s3rl_domain", reference_key="domain", copy=True).labels
    wrong = named.astype(str).to_numpy() != adata.obs["domain"].astype(str).to_numpy()
    uncertainty = adata.obs["s3rl_uncertainty"]
    assert roc_auc_score(border, uncertainty) > 0.8
    assert roc_auc_score(wrong, uncertainty) > 0.8
    # most of what is most uncertain lies at a border, and next to nothing of what is least uncertain
    assert border[uncertainty > uncertainty.quantile(0.9)].mean() > 0.7
    assert border[uncertainty < uncertainty.quantile(0.3)].mean() < 0.15
    assert roc_auc_score(border, -adata.obs["s3rl_margin"]) > 0.75
    assert roc_auc_score(border, -adata.obs["s3rl_agreement"]) > 0.6


def test_a_fit_without_mixtures_leaves_no_agreement_of_the_one_before(model):
    adata = model[1].copy()
    s3.tl.s3rl(adata, 4, params=QUICK | {"consensus": 0.0}, progress=False)
    assert set(adata.obs) & ALL == ALL - {"s3rl_agreement"}
    p = adata.obsm["s3rl_probabilities"].astype(np.float64)
    np.testing.assert_allclose(adata.obs["s3rl_uncertainty"], 1 - (p**2).sum(axis=1), atol=1e-5)


def test_transfer_has_margins_and_no_agreement(model):
    folder, fitted = model
    adata = fitted.copy()
    s3.tl.transfer(adata, folder)
    assert set(adata.obs) & ALL == ALL - {"s3rl_agreement"}
    np.testing.assert_allclose(adata.obs["s3rl_margin"], fitted.obs["s3rl_margin"], atol=1e-4)
    result = s3.tl.transfer(adata, folder, copy=True)
    assert result.agreement is None
    assert np.array_equal(result.uncertainty, adata.obs["s3rl_uncertainty"])


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_they_survive_a_file(model, tmp_path, kind):
    path = tmp_path / f"out.{kind}"
    getattr(model[1], f"write_{kind}")(path)
    back = getattr(ad, f"read_{kind}")(path)
    for name in ALL:
        np.testing.assert_array_equal(back.obs[name], model[1].obs[name])


def test_slices_get_theirs_back(small):
    slices = {"a": small[:110].copy(), "b": small[110:].copy()}
    slices["a"].obs["s3rl_agreement"] = 7.0
    joined = s3.pp.join_slices(slices)
    sq.gr.spatial_neighbors_knn(joined, n_neighs=6, library_key="slice")
    s3.pp.signed_neighbors(joined, library_key="slice")
    s3.tl.s3rl(joined, 4, library_key="slice", params=QUICK | {"consensus": 0.0}, progress=False)
    s3.pp.split_slices(joined, slices)
    for name, table in slices.items():
        own = joined.obs[joined.obs["slice"] == name]
        np.testing.assert_array_equal(table.obs["s3rl_uncertainty"], own["s3rl_uncertainty"])
        assert "s3rl_agreement" not in table.obs
