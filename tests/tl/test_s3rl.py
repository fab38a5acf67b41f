"""Training on a table: what it writes, that it finds planted layers, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import squidpy as sq
from sklearn.metrics import adjusted_rand_score

import s3rl as s3
from s3rl.errors import GraphError, MissingKeyError, ModelError, ParameterError, StoreError
from s3rl.tl import S3RLParams

QUICK = S3RLParams(max_epochs=40, n_mixtures=8)


def prepared(**options: object) -> ad.AnnData:
    adata = s3.datasets.simulated_cortex(500, 150, image=False, **options).tables["table"]
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    return adata


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    return prepared()


@pytest.fixture(scope="module")
def fitted(tissue: ad.AnnData) -> ad.AnnData:
    adata = tissue.copy()
    s3.tl.s3rl(adata, 5, params=QUICK, progress=False, rng=1)
    return adata


def test_finds_planted_layers(fitted: ad.AnnData) -> None:
    assert adjusted_rand_score(fitted.obs["domain"], fitted.obs["s3rl_domain"]) > 0.6
    assert fitted.obs["s3rl_domain"].nunique() == 5


def test_storage_contract(tissue: ad.AnnData, fitted: ad.AnnData) -> None:
    n, g = fitted.shape
    assert fitted.obsm["X_s3rl"].dtype == fitted.layers["s3rl"].dtype == np.float32
    assert fitted.layers["s3rl"].shape == (n, g)
    np.testing.assert_allclose(fitted.obsm["s3rl_probabilities"].sum(axis=1), 1, rtol=1e-5)
    hard = fitted.obsm["s3rl_probabilities"].argmax(axis=1).astype(str)
    assert (fitted.obs["s3rl_domain"].to_numpy() == hard).all()
    assert fitted.obs["s3rl_domain"].cat.categories.tolist() == list("01234")
    record = fitted.uns["s3rl"]
    assert record["version"] == s3.__version__
    assert record["seed"] == 1
    assert set(record["history"]) >= {"epoch", "loss", "reconstruction", "topology", "separability"}
    assert S3RLParams.of(record["params"]) == QUICK
    assert (tissue.X != fitted.X).nnz == 0


def test_probabilities_follow_from_embedding_and_prototypes(fitted: ad.AnnData) -> None:
    record = fitted.uns["s3rl"]
    z = fitted.obsm["X_s3rl"] / np.linalg.norm(fitted.obsm["X_s3rl"], axis=1, keepdims=True)
    logits = z @ (record["prototypes"] @ record["rotation"].T).T / record["params"]["temperature"]
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.obsm["s3rl_probabilities"], expected, atol=1e-4)


def test_denoised_layer_is_closer_to_the_truth_than_the_counts(fitted: ad.AnnData) -> None:
    markers = fitted.var_names[fitted.var["kind"] == "marker"]
    truth = pd.get_dummies(fitted.obs["domain"]).to_numpy(float)
    layers = pd.get_dummies(fitted.obs["domain"]).columns

    def contrast(values: np.ndarray) -> float:
        found = []
        for gene in markers:
            inside = truth[:, layers.get_loc(fitted.var.loc[gene, "layer"])]
            found.append(np.corrcoef(values[:, fitted.var_names.get_loc(gene)], inside)[0, 1])
        return float(np.nanmean(found))

    assert contrast(fitted.layers["s3rl"]) > 1.5 * contrast(fitted.X.toarray())


def test_denoised_layer_keeps_the_scale_of_the_expression(fitted: ad.AnnData) -> None:
    raw, denoised = np.expm1(fitted.X.toarray()), np.expm1(fitted.layers["s3rl"])
    assert denoised.min() >= 0
    slope = (raw * denoised).sum(axis=1) / (denoised**2).sum(axis=1)
    assert 0.8 < np.median(slope) < 1.25
    assert np.corrcoef(raw.mean(axis=0), denoised.mean(axis=0))[0, 1] > 0.95


def test_copy_writes_nothing_and_returns_the_same(tissue: ad.AnnData, fitted: ad.AnnData) -> None:
    before = set(tissue.obsm), set(tissue.uns), set(tissue.layers), set(tissue.obs)
    result = s3.tl.s3rl(tissue, 5, params=QUICK, progress=False, rng=1, copy=True)
    assert result is not None
    assert (set(tissue.obsm), set(tissue.uns), set(tissue.layers), set(tissue.obs)) == before
    assert result.embedding.tobytes() == fitted.obsm["X_s3rl"].tobytes()
    assert result.denoised is not None
    assert result.denoised.tobytes() == fitted.layers["s3rl"].tobytes()


def test_another_seed_gives_another_embedding(tissue: ad.AnnData, fitted: ad.AnnData) -> None:
    other = s3.tl.s3rl(tissue, 5, params=QUICK, progress=False, rng=2, copy=True)
    assert other is not None
    assert not np.array_equal(other.embedding, fitted.obsm["X_s3rl"])


@pytest.mark.parametrize("ablation", [None, "S3RL-1", "S3RL-2", "S3RL-3"])
def test_paper_form_runs(tissue: ad.AnnData, ablation: str | None) -> None:
    params = replace(S3RLParams.paper(ablation), max_epochs=15)
    result = s3.tl.s3rl(tissue, 5, params=params, progress=False, copy=True)
    assert result is not None
    losses = result.record["history"]["loss"]
    assert losses[-1] < losses[0]
    assert "anchor" not in result.record["history"]
    assert (params.prototype_noise == 0) == (ablation in ("S3RL-1", "S3RL-3"))


def test_without_the_image_its_edges_do_not_matter() -> None:
    adata = prepared()
    rng = np.random.default_rng(0)
    plain = s3.tl.s3rl(adata, 3, params={"max_epochs": 5, "n_mixtures": 2}, progress=False, copy=True)
    adata.obsm["X_simclr"] = rng.normal(size=(adata.n_obs, 8)).astype(np.float32)
    s3.pp.signed_neighbors(adata, image_rep="X_simclr")
    quick = {"max_epochs": 5, "n_mixtures": 2}
    seen = s3.tl.s3rl(adata, 3, params=quick, progress=False, copy=True)
    left_out = s3.tl.s3rl(adata, 3, params=quick | {"use_image": False}, progress=False, copy=True)
    assert plain is not None
    assert seen is not None
    assert left_out is not None
    assert left_out.embedding.tobytes() == plain.embedding.tobytes()
    assert seen.embedding.tobytes() != plain.embedding.tobytes()


def test_no_layer_where_none_is_wanted(tissue: ad.AnnData) -> None:
    result = s3.tl.s3rl(
        tissue, 3, params={"max_epochs": 2, "n_mixtures": 2, "denoise": "none"}, progress=False, copy=True
    )
    assert result is not None
    assert result.denoised is None


def test_genes_outside_of_the_model_are_read_out(tissue: ad.AnnData) -> None:
    adata = tissue.copy()
    adata.var["highly_variable"] = np.arange(adata.n_vars) % 2 == 0
    s3.tl.s3rl(adata, 5, params=QUICK, progress=False)
    unseen = (~adata.var["highly_variable"]) & (adata.var["kind"] == "marker")
    assert len(adata.uns["s3rl"]["input"]["genes"]) == adata.var["highly_variable"].sum()
    for gene in adata.var_names[unseen]:
        inside = (adata.obs["domain"] == adata.var.loc[gene, "layer"]).to_numpy()
        values = adata.layers["s3rl"][:, adata.var_names.get_loc(gene)]
        assert values[inside].mean() > values[~inside].mean()


def test_resumes_from_a_checkpoint_to_the_same_bytes(tissue: ad.AnnData, tmp_path) -> None:
    params = {"max_epochs": 12, "n_mixtures": 2, "checkpoint_interval": 4}
    whole = s3.tl.s3rl(tissue, 4, params=params, progress=False, copy=True)
    file = tmp_path / "run.safetensors"

    class Stop(Exception):
        pass

    with pytest.MonkeyPatch.context() as patch:
        from s3rl.fit import loop

        epoch = loop._epoch

        def stop_in_the_middle(*args: object, **options: object) -> dict[str, float]:
            if options["epoch"] == 10:
                raise Stop
            return epoch(*args, **options)

        patch.setattr(loop, "_epoch", stop_in_the_middle)
        with pytest.raises(Stop):
            s3.tl.s3rl(tissue, 4, params=params, progress=False, copy=True, checkpoint=file)
    resumed = s3.tl.s3rl(tissue, 4, params=params, progress=False, copy=True, checkpoint=file)
    assert whole is not None
    assert resumed is not None
    assert resumed.embedding.tobytes() == whole.embedding.tobytes()
    assert resumed.record["history"]["loss"].tobytes() == whole.record["history"]["loss"].tobytes()
    with pytest.raises(ModelError, match="another run"):
        s3.tl.s3rl(tissue, 4, params=params, progress=False, copy=True, checkpoint=file, rng=5)


def test_integers_of_numpy_count_domains(tissue: ad.AnnData) -> None:
    quick = {"max_epochs": 2, "n_mixtures": 2, "denoise": "none"}
    one = s3.tl.s3rl(tissue, np.int64(3), params=quick, progress=False, copy=True)
    assert one is not None
    assert one.record["n_domains"] == 3


def test_a_seed_beyond_64_bits_is_written(tissue: ad.AnnData, tmp_path) -> None:
    adata = tissue.copy()
    quick = {"max_epochs": 2, "n_mixtures": 2, "denoise": "none"}
    s3.tl.s3rl(adata, 3, params=quick, progress=False, rng=2**80)
    adata.write_h5ad(tmp_path / "it.h5ad")
    assert int(ad.read_h5ad(tmp_path / "it.h5ad").uns["s3rl"]["seed"]) == 2**80


def test_errors_name_the_repair(tissue: ad.AnnData) -> None:
    with pytest.raises(ParameterError, match="n_domains"):
        s3.tl.s3rl(tissue, 1)
    with pytest.raises(ParameterError, match="n_domains"):
        s3.tl.s3rl(tissue, tissue.n_obs)
    with pytest.raises(MissingKeyError, match="signed_neighbors"):
        s3.tl.s3rl(tissue, 5, neighbors_key="nothing")
    with pytest.raises(ParameterError, match="Available"):
        s3.tl.s3rl(tissue, 5, params={"epochs": 3})
    with pytest.raises(StoreError, match="mkdir"):
        s3.tl.s3rl(tissue, 5, model_dir="nowhere/at/all")
    adata = tissue.copy()
    adata.obs["half"] = np.where(np.arange(adata.n_obs) % 2 == 0, "a", "b")
    with pytest.raises(GraphError, match="slices"):
        s3.tl.s3rl(adata, 5, library_key="half")


@pytest.mark.real
@pytest.mark.slow
def test_layers_of_a_real_slice(real_data) -> None:
    adata = ad.read_h5ad(real_data / "dlpfc" / "151673.h5ad")
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    s3.tl.s3rl(adata, 7, progress=False)
    known = adata.obs["ground_truth"].notna()
    assert adjusted_rand_score(adata.obs["ground_truth"][known], adata.obs["s3rl_domain"][known]) > 0.45
    assert adata.obs["s3rl_domain"].nunique() == 7
