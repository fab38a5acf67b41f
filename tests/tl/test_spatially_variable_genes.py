"""Variable genes: squidpy's statistic, honest p-values under every null, planted patterns found."""

from __future__ import annotations

import logging
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import squidpy as sq
from oracles.autocorrelation import gearys_c, morans_i

import s3rl as s3
from s3rl import errors
from s3rl._slots import gene_chunks
from s3rl.statistics.autocorrelation import row_normalised
from s3rl.statistics.readout import readout

SEED = 11


def joined(adata: ad.AnnData, **arguments) -> None:
    """Write the graph of the six nearest spots."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.spatial_neighbors_knn(adata, n_neighs=6, **arguments)


def tissue(n: int, values: np.ndarray, groups: np.ndarray | None = None) -> ad.AnnData:
    """Spots anywhere in a square, with a graph."""
    rng = np.random.default_rng(SEED)
    adata = ad.AnnData(values.astype(np.float32))
    adata.obs_names = [f"spot{i}" for i in range(n)]
    adata.var_names = [f"G{i}" for i in range(values.shape[1])]
    adata.obsm["spatial"] = rng.uniform(size=(n, 2))
    if groups is not None:
        adata.obs["type"] = pd.Categorical(groups)
    joined(adata)
    return adata


def sparse_noise(rng: np.random.Generator, n: int, m: int) -> np.ndarray:
    """Skewed values, most of them 0, as log-normalised counts are."""
    return np.log1p(rng.poisson(0.2 + rng.gamma(0.5, 2.0, size=m), size=(n, m)) * rng.lognormal(size=(n, m)))


def variable(adata: ad.AnnData, **arguments) -> pd.DataFrame:
    return s3.tl.spatially_variable_genes(adata, copy=True, **arguments).results


def rate(pvalues: pd.Series, level: float = 0.05) -> float:
    return float((pvalues.dropna() <= level).mean())


def nominal(n: int, level: float = 0.05) -> float:
    """Three standard errors above the level."""
    return level + 3 * np.sqrt(level * (1 - level) / n)


# ------------------------------------------------------------------------------------------------------ the statistic


@pytest.mark.parametrize("mode", ["moran", "geary"])
@pytest.mark.parametrize("kind", [sp.csr_matrix, np.asarray], ids=["sparse", "dense"])
def test_the_statistic_is_squidpys(mode, kind):
    adata = tissue(120, sparse_noise(np.random.default_rng(0), 120, 12))
    adata.X[:, 4] = 2.0
    adata.X = kind(adata.X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sq.gr.spatial_autocorr(adata, mode=mode, copy=True, n_jobs=1, show_progress_bar=False)
    found = variable(adata, mode=mode).set_index("gene")
    column = {"moran": "I", "geary": "C"}[mode]
    assert np.allclose(found.loc[theirs.index, "statistic"], theirs[column], equal_nan=True, rtol=1e-5)
    assert found.loc["G4", ["statistic", "zscore", "pvalue", "fdr"]].isna().all()
    assert found["expected"].dropna().to_numpy() == pytest.approx({"moran": -1 / 119, "geary": 1}[mode])


@pytest.mark.parametrize(("mode", "oracle"), [("moran", morans_i), ("geary", gearys_c)])
def test_within_a_group_the_statistic_is_that_of_the_group_alone(mode, oracle):
    from sklearn.neighbors import kneighbors_graph

    groups = np.repeat(["a", "b"], [40, 60])
    adata = tissue(100, sparse_noise(np.random.default_rng(1), 100, 5), groups)
    found = variable(adata, groupby="type", mode=mode)
    rows = groups == "b"
    near = kneighbors_graph(adata.obsm["spatial"][rows], 6)
    weights = row_normalised(near.maximum(near.T)).toarray()
    own = found[found["group"] == "b"].set_index("gene")
    for position, gene in enumerate(adata.var_names):
        assert own.loc[gene, "statistic"] == pytest.approx(oracle(weights, adata.X[rows, position].astype(float)))
    assert own["n"].unique() == [60]
    assert own.loc["G0", "expressed"] == pytest.approx((adata.X[rows, 0] > 0).mean())


@pytest.mark.parametrize("groupby", [None, "type"])
def test_pvalues_are_those_of_permutations(groupby):
    rng = np.random.default_rng(2)
    adata = tissue(150, sparse_noise(rng, 150, 30), np.repeat(["a", "b"], 75))
    adata.X[:, :10] += 0.3 * np.sin(3 * adata.obsm["spatial"][:, [0]])
    found = variable(adata, groupby=groupby, n_perms=999)
    assert np.allclose(found["pvalue"], found["pvalue_permuted"], atol=0.04)
    assert found["pvalue_permuted"].min() >= 1 / 1000
    assert {"fdr_permuted", "fdr"} <= set(found)


def test_the_number_of_genes_at_a_time_decides_nothing(monkeypatch):
    adata = tissue(90, sparse_noise(np.random.default_rng(3), 90, 30), np.repeat(["a", "b"], 45))
    once = variable(adata, groupby="type", n_perms=20)
    monkeypatch.setattr(gene_chunks, "_NUMBERS", 1)
    monkeypatch.setattr(gene_chunks.gene_chunks, "__defaults__", (1,))
    few = variable(adata, groupby="type", n_perms=20)
    pd.testing.assert_frame_equal(once, few)


def test_layers_of_any_kind_give_the_same():
    import dask.array as da

    adata = tissue(80, sparse_noise(np.random.default_rng(4), 80, 6))
    adata.layers["sparse"] = sp.csc_matrix(adata.X)
    adata.layers["lazy"] = da.from_array(adata.X, chunks=(40, 3))
    first = variable(adata)
    for layer in ("sparse", "lazy"):
        pd.testing.assert_frame_equal(first, variable(adata, layer=layer))


# ------------------------------------------------------------------------------------------- nothing where nothing is


@pytest.mark.parametrize("mode", ["moran", "geary"])
def test_genes_without_a_pattern_are_called_at_the_nominal_rate(mode):
    found = variable(tissue(300, sparse_noise(np.random.default_rng(5), 300, 800)), mode=mode)
    assert 0.03 < rate(found["pvalue"]) < nominal(800)
    assert rate(found["pvalue"], 0.01) < nominal(800, 0.01)


@pytest.mark.parametrize("mode", ["moran", "geary"])
def test_genes_that_differ_between_groups_only_are_not_called(mode):
    """Few and many cells, one group scattered and one on its own side, and every gene a marker of a group."""
    rng = np.random.default_rng(6)
    groups = np.repeat(["rare", "common", "left"], [34, 200, 120])
    values = sparse_noise(rng, 354, 400)
    values[:34, ::3] += 2.0
    values[234:, 1::3] *= 3.0
    adata = tissue(354, values, groups)
    adata.obsm["spatial"][234:, 0] -= 1.0
    joined(adata)
    assert rate(variable(adata, mode=mode)["pvalue"], 1e-4) > 0.1
    found = variable(adata, groupby="type", mode=mode)
    for _, own in found.groupby("group", observed=True):
        assert rate(own["pvalue"]) < nominal(400)
    assert rate(found["pvalue"], 0.01) < nominal(1200, 0.01)
    assert found["fdr"].min() > 0.01


def test_slices_that_differ_are_no_pattern():
    rng = np.random.default_rng(7)
    adata = tissue(200, rng.normal(size=(200, 200)) + 8, np.repeat(["a", "b"], 100))
    adata.obs["slice"] = pd.Categorical(np.repeat(["s1", "s2"], 100))
    adata.X[:100] += 3
    joined(adata, library_key="slice")
    assert rate(variable(adata)["pvalue"]) == 1.0
    assert rate(variable(adata, library_key="slice")["pvalue"]) < nominal(200)
    adata.obs["type"] = pd.Categorical(np.tile(["a", "b"], 100))
    assert rate(variable(adata, groupby="type")["pvalue"]) < 0.2
    assert rate(variable(adata, groupby="type", library_key="slice")["pvalue"]) < nominal(400)


def denoised(n: int, values: np.ndarray, groups: np.ndarray | None = None) -> ad.AnnData:
    """An embedding of waves and of noise, and the expression that a linear denoiser makes of it."""
    adata = tissue(n, values, groups)
    x, y = adata.obsm["spatial"].T
    waves = [f(k * np.pi * c) for k in (1, 2, 3) for c in (x, y, x + y) for f in (np.sin, np.cos)]
    noise = np.random.default_rng(1).normal(size=(n, len(waves)))
    adata.obsm["X_s3rl"] = np.column_stack([*waves, 0.7 * noise]).astype(np.float32)
    adata.uns["s3rl"] = {"input": {"layer": None}}
    adata.layers["s3rl"] = readout(adata.obsm["X_s3rl"]).smooth(adata.X).astype(np.float32)
    return adata


@pytest.mark.parametrize("groupby", [None, "type"])
def test_denoised_noise_looks_like_a_pattern_unless_calibrated(groupby, caplog):
    adata = denoised(200, sparse_noise(np.random.default_rng(8), 200, 300), np.repeat(["a", "b"], [60, 140]))
    with caplog.at_level(logging.INFO, "s3rl"):
        found = variable(adata, layer="s3rl", groupby=groupby, calibrate=True)
    assert sum("denoised" in line for line in caplog.messages) == 1
    assert found["post_denoising"].all()
    assert rate(found["pvalue"]) > 0.7
    assert rate(found["pvalue_calibrated"]) < nominal(300)
    assert rate(found["pvalue_calibrated"], 0.01) < nominal(300, 0.01)


def test_denoising_across_the_border_of_two_domains_is_no_pattern_within_them():
    """A denoiser that knows no border lets the genes of one domain fade into the other."""
    rng = np.random.default_rng(13)
    x = np.random.default_rng(SEED).uniform(size=(240, 2))[:, 0]
    groups = np.where(x < 0.5, "left", "right")
    values = sparse_noise(rng, 240, 200)
    values[groups == "left"] += 2.5
    adata = denoised(240, values, groups)
    found = variable(adata, layer="s3rl", groupby="type", calibrate=True)
    assert rate(found["pvalue"]) > 0.9
    assert rate(found["pvalue_calibrated"]) < nominal(400)


def test_calibration_finds_what_is_planted_in_denoised_expression():
    rng = np.random.default_rng(9)
    values = sparse_noise(rng, 200, 60)
    adata = denoised(200, values, np.repeat(["a", "b"], 100))
    adata.X[:, :6] += 1.2 * (1 + np.sin(2 * np.pi * adata.obsm["spatial"][:, [0]]))
    adata.layers["s3rl"] = readout(adata.obsm["X_s3rl"]).smooth(adata.X).astype(np.float32)
    for groupby in (None, "type"):
        found = variable(adata, layer="s3rl", groupby=groupby, calibrate=True)
        called = found[found["fdr_calibrated"] <= 0.05]
        assert {f"G{i}" for i in range(6)} <= set(called["gene"])
        assert len(called) <= 6 * found["group"].nunique() + 3


def test_expression_as_measured_is_not_flagged(caplog):
    adata = denoised(60, sparse_noise(np.random.default_rng(8), 60, 5))
    with caplog.at_level(logging.INFO, "s3rl"):
        found = variable(adata)
    assert not found["post_denoising"].any()
    assert not any("denoised" in line for line in caplog.messages)
    assert not any("calibrated" in name for name in found)


# ------------------------------------------------------------------------------------------------- what there is found


def test_a_gradient_within_a_scattered_group_is_called_there_only():
    rng = np.random.default_rng(10)
    groups = rng.permutation(np.repeat(["a", "b"], [150, 200]))
    adata = tissue(350, sparse_noise(rng, 350, 200), groups)
    inside = np.flatnonzero(groups == "a")
    adata.X[np.ix_(inside, np.arange(10))] += 2.5 * adata.obsm["spatial"][inside][:, [1]]
    found = variable(adata, groupby="type")
    called = found[found["fdr"] <= 0.05]
    planted = {f"G{i}" for i in range(10)}
    assert planted <= set(called["gene"][called["group"] == "a"])
    assert len(called) <= 12
    assert (called[called["gene"].isin(planted)]["scale"] != "neighbours").all()
    assert set(found.head(10)["gene"]) == planted


def test_patches_within_a_group_are_found_by_neighbours():
    rng = np.random.default_rng(12)
    adata = tissue(400, sparse_noise(rng, 400, 100), np.repeat(["a", "b"], 200))
    centres = adata.obsm["spatial"][rng.integers(0, 200, 12)]
    near = (np.linalg.norm(adata.obsm["spatial"][:, None] - centres, axis=2) < 0.07).any(axis=1)
    adata.X[np.ix_(near, [0])] += 3
    found = variable(adata, groupby="type").query("gene == 'G0' and group == 'a'")
    assert found["fdr"].item() < 1e-3
    assert found["scale"].item() != "trend"


def test_genes_that_hardly_any_spot_expresses_are_not_variable():
    values = np.zeros((100, 3))
    values[:4, 0] = 1
    values[:5, 1] = 1
    values[:, 2] = np.arange(100) / 3
    found = variable(tissue(100, values)).set_index("gene")
    assert np.isnan(found.loc["G0", "pvalue"])
    assert np.isfinite(found.loc["G0", "statistic"])
    assert np.isfinite(found.loc[["G1", "G2"], "pvalue"]).all()


def test_genes_that_a_transferred_model_does_not_know_are_not_variable():
    adata = tissue(60, sparse_noise(np.random.default_rng(0), 60, 4))
    adata.layers["s3rl"] = adata.X.copy()
    adata.layers["s3rl"][:, 2] = np.nan
    found = variable(adata, layer="s3rl").set_index("gene")
    assert found.index[found["pvalue"].isna()].tolist() == ["G2"]


# ------------------------------------------------------------------------------------------------------------ the slot


def test_names_order_and_parameters():
    adata = tissue(100, sparse_noise(np.random.default_rng(0), 100, 8), np.repeat(["a", "b"], 50))
    s3.tl.spatially_variable_genes(adata, genes=["G5", "G1", "G5", *adata.var_names], groupby="type", rng=3, n_perms=5)
    stored = adata.uns["spatially_variable_genes_type"]
    assert stored["params"] | {"version": 0} == {
        "groupby": "type",
        "n_perms": 5,
        "mode": "moran",
        "min_spots": 30,
        "calibrate": False,
        "post_denoising": False,
        "version": 0,
        "seed": 3,
    }
    frame = stored["results"]
    assert frame["group"].tolist() == ["a"] * 8 + ["b"] * 8
    assert (frame.groupby("gene").size() == 2).all()
    assert all(own["pvalue"].is_monotonic_increasing for _, own in frame.groupby("group", observed=True))
    assert list(frame.columns[:6]) == ["group", "gene", "statistic", "expected", "zscore", "pvalue"]


def test_groups_with_too_few_cells_are_skipped_and_said(caplog):
    adata = tissue(100, sparse_noise(np.random.default_rng(0), 100, 3), np.repeat(["a", "b", "c"], [60, 29, 11]))
    adata.obs.loc["spot0", "type"] = np.nan
    with caplog.at_level(logging.INFO, "s3rl"):
        found = variable(adata, groupby="type")
    assert found["group"].cat.categories.tolist() == ["a"]
    assert found["n"].unique() == [59]
    assert any("b (29), c (11)" in line for line in caplog.messages)


def test_a_strong_pattern_does_not_have_a_pvalue_of_zero():
    adata = tissue(500, np.zeros((500, 2)))
    adata.X[:, 0] = adata.obsm["spatial"][:, 0]
    adata.X[:, 1] = 50 * adata.obsm["spatial"][:, 0] + np.random.default_rng(0).normal(size=500)
    found = variable(adata)
    assert (found["pvalue"] > 0).all()
    assert found["gene"].tolist() == ["G0", "G1"]


def test_raw_counts_are_refused():
    counts = np.random.default_rng(0).poisson(3.0, (60, 4)).astype(float)
    adata = tissue(60, counts)
    with pytest.raises(errors.CountsError, match=r"X: looks like raw counts.*s3\.pp\.normalize"):
        s3.tl.spatially_variable_genes(adata)
    with pytest.raises(errors.CountsError, match=r"X: looks like raw counts"):
        s3.tl.metagenes(adata, list(adata.var_names), n=2)
    assert not {"spatially_variable_genes", "metagenes"} & set(adata.uns)
