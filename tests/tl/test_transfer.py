"""A saved model on a new slice."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pytest
import squidpy as sq
from sklearn.metrics import adjusted_rand_score

import s3rl as s3
from s3rl.errors import InputError, ModelError


def prepare(adata: ad.AnnData) -> ad.AnnData:
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    return adata


@pytest.fixture(scope="module")
def slices() -> tuple[ad.AnnData, ad.AnnData]:
    table = s3.datasets.simulated_cortex(500, 150, image=False, n_slices=2).tables["table"]
    first, second = (table[table.obs["slice"] == name].copy() for name in table.obs["slice"].cat.categories)
    return prepare(first), prepare(second)


@pytest.fixture(scope="module")
def model(slices, tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("models") / "cortex")
    s3.tl.s3rl(slices[0], 5, params={"max_epochs": 60, "n_mixtures": 8}, model_dir=folder, progress=False)
    return folder


def test_same_slice_gives_the_same_result(slices, model: str) -> None:
    again = s3.tl.transfer(slices[0], model, copy=True)
    assert again is not None
    np.testing.assert_allclose(again.embedding, slices[0].obsm["X_s3rl"], atol=1e-5)
    np.testing.assert_allclose(again.denoised, slices[0].layers["s3rl"], atol=1e-4)
    assert (again.domain == slices[0].obs["s3rl_domain"]).all()


def test_new_slice_gets_the_same_layers(slices, model: str) -> None:
    adata = slices[1].copy()
    s3.tl.transfer(adata, model)
    assert adjusted_rand_score(adata.obs["domain"], adata.obs["s3rl_domain"]) > 0.5
    names = {}
    for half in (slices[0], adata):
        table = half.obs.groupby("s3rl_domain", observed=False)["domain"].agg(
            lambda v: v.mode().iloc[0] if len(v) else ""
        )
        names[id(half)] = table
    assert (names[id(slices[0])] == names[id(adata)]).mean() >= 0.8


def test_order_of_genes_does_not_matter(slices, model: str) -> None:
    shuffled = slices[1][:, np.random.default_rng(0).permutation(slices[1].n_vars)].copy()
    one, other = (s3.tl.transfer(adata, model, copy=True) for adata in (slices[1], shuffled))
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-5)
    columns = shuffled.var_names.get_indexer(slices[1].var_names)
    np.testing.assert_allclose(one.denoised, other.denoised[:, columns], atol=1e-4)


def test_missing_genes_are_reported_and_unknown_ones_are_nan(slices, model: str, caplog) -> None:
    adata = slices[1][:, 10:].copy()
    adata.var_names = [*adata.var_names[:-1], "UNKNOWN"]
    with caplog.at_level(logging.INFO, logger="s3rl"):
        s3.tl.transfer(adata, model)
    assert "11 of 150 modelled genes are not in the table" in caplog.text
    assert len(adata.uns["s3rl"]["missing_genes"]) == 11
    assert np.isnan(adata.layers["s3rl"][:, -1]).all()
    assert np.isfinite(adata.layers["s3rl"][:, :-1]).all()


def test_another_total_is_said_and_the_same_is_not(slices, model: str, caplog) -> None:
    learned = slices[0].uns["log1p"]["target_sum"]
    for total in (learned, 3 * learned):
        adata = slices[1].copy()
        adata.X = adata.layers["counts"].copy()
        del adata.uns["log1p"]
        s3.pp.normalize(adata, target_sum=total)
        with caplog.at_level(logging.INFO, logger="s3rl"):
            caplog.clear()
            s3.tl.transfer(adata, model)
        assert (f"target_sum={learned:g}" in caplog.text) == (total != learned)


def test_too_few_shared_genes(slices, model: str) -> None:
    adata = slices[1].copy()
    adata.var_names = [f"ENSG{i}" for i in range(adata.n_vars)]
    with pytest.raises(InputError, match="0 of the 150 modelled genes"):
        s3.tl.transfer(adata, model)
    assert "X_s3rl" not in adata.obsm


def test_folder_that_is_no_model(slices, tmp_path) -> None:
    with pytest.raises(ModelError):
        s3.tl.transfer(slices[1], tmp_path / "nowhere")


def test_a_model_of_other_parameters_is_refused(slices, model: str, tmp_path) -> None:
    from s3rl.fit.model_folder import SavedModel, load_model, save_model

    saved = load_model(model)
    changed = saved.description | {"params": saved.description["params"] | {"n_hidden": 7}}
    save_model(tmp_path / "changed", SavedModel(saved.tensors, changed))
    with pytest.raises(ModelError, match="describes no model"):
        s3.tl.transfer(slices[1], tmp_path / "changed")
