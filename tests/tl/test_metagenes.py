"""Metagenes: planted patterns come apart, scores are means of standardised genes, and what is refused."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import s3rl as s3
from s3rl import errors

N = 150
SIZES = (6, 12, 9)


@pytest.fixture
def planted() -> ad.AnnData:
    """Three patterns over a square: to the right, downwards, and around the middle; two genes that do not vary."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(-1, 1, size=(N, 2))
    patterns = np.stack([1 + xy[:, 0], 1 + xy[:, 1], 2 - (xy**2).sum(axis=1)])
    values = (
        np.repeat(patterns, SIZES, axis=0).T * rng.uniform(0.2, 3, sum(SIZES)) + rng.normal(size=(N, sum(SIZES))) * 0.2
    )
    adata = ad.AnnData(np.column_stack([values, np.full(N, 2.0), np.zeros(N)]).astype(np.float32))
    adata.obs_names = [f"spot{i}" for i in range(N)]
    adata.var_names = [f"G{i}" for i in range(adata.n_vars)]
    adata.obsm["spatial"] = xy
    adata.obs["half"] = pd.Categorical(np.where(xy[:, 0] < 0, "left", "right"))
    adata.obs["rare"] = pd.Categorical(["a", "a"] + ["b"] * (N - 2))
    return adata


def test_planted_patterns_come_apart_and_are_numbered_by_size(planted):
    found = s3.tl.metagenes(planted, planted.var_names[:27], copy=True)
    of_gene = found.results.set_index("gene")["metagene"].astype(str)
    truth = np.repeat(["2", "0", "1"], SIZES)
    assert (of_gene.loc[planted.var_names[:27]] == truth).all()
    assert found.scores.dtype == np.float32
    middle = found.scores[:, 1]
    assert np.corrcoef(middle, -(planted.obsm["spatial"] ** 2).sum(axis=1))[0, 1] > 0.95


def test_a_score_is_the_mean_of_standardised_genes(planted):
    planted.layers["s3rl"] = sp.csr_matrix(planted.X)
    for layer in (None, "s3rl"):
        found = s3.tl.metagenes(planted, planted.var_names[:27], layer=layer, copy=True)
        for number in range(3):
            own = found.results[found.results["metagene"] == str(number)]
            genes = planted[:, list(own["gene"])].X.astype(float)
            standard = (genes - genes.mean(axis=0)) / genes.std(axis=0)
            assert np.allclose(found.scores[:, number], standard.mean(axis=1), atol=1e-5)
            oracle = [np.corrcoef(gene, found.scores[:, number])[0, 1] for gene in standard.T]
            assert np.allclose(own["correlation"], oracle, atol=1e-4)
            assert own["correlation"].is_monotonic_decreasing


def test_within_a_group_its_spots_decide(planted):
    found = s3.tl.metagenes(planted, planted.var_names[:12], n=2, groupby="half", group="left", copy=True)
    rows = (planted.obs["half"] == "left").to_numpy()
    assert np.allclose(found.scores[rows].mean(axis=0), 0, atol=1e-5)
    assert not np.allclose(found.scores.mean(axis=0), 0, atol=0.1)
    assert found.scores.shape == (N, 2)


def test_genes_that_do_not_vary_are_left_out_and_said(planted, caplog):
    with caplog.at_level(logging.INFO, "s3rl"):
        found = s3.tl.metagenes(planted, list(planted.var_names), copy=True)
    assert set(planted.var_names) - set(found.results["gene"]) == {"G27", "G28"}
    assert any("2 genes do not vary" in line and "G27" in line for line in caplog.messages)


def table_of_tests(planted: ad.AnnData, group: str = "all") -> pd.DataFrame:
    genes = [f"G{i}" for i in range(20)]
    fdr = np.where(np.arange(20) < 15, 1e-6, 0.5)
    return pd.DataFrame({"group": pd.Categorical([group] * 20), "gene": genes, "fdr": fdr, "statistic": 0.5})


def test_genes_come_from_the_table_of_tests(planted):
    planted.uns["spatially_variable_genes"] = {"results": table_of_tests(planted), "params": {}}
    assert len(s3.tl.metagenes(planted, copy=True).results) == 15
    few = s3.tl.metagenes(planted, n_top=8, n=2, copy=True).results
    assert set(few["gene"]) == {f"G{i}" for i in range(8)}
    planted.uns["spatially_variable_genes_half"] = {"results": table_of_tests(planted, "left"), "params": {}}
    within = s3.tl.metagenes(planted, groupby="half", group="left", copy=True)
    assert len(within.results) == 15
    assert within.params["group"] == "left"


def test_one_metagene_for_each_gene(planted):
    found = s3.tl.metagenes(planted, ["G0", "G8", "G20"], copy=True)
    assert found.results["metagene"].astype(str).tolist() == ["0", "1", "2"]
    assert found.results["gene"].tolist() == ["G0", "G8", "G20"]
    assert np.allclose(found.results["correlation"], 1)


def test_what_is_refused(planted):
    genes = list(planted.var_names[:9])
    planted.uns["empty"] = {"results": table_of_tests(planted).assign(fdr=1.0)}
    planted.uns["other"] = {"results": pd.DataFrame({"a": [1]})}
    planted.layers["twins"] = np.tile(planted.X[:, :1], (1, planted.n_vars))
    cases = [
        ({"genes": genes, "n": 10}, errors.ParameterError, "n"),
        ({"genes": ["G0", "G27"], "n": 2}, errors.ParameterError, "n"),
        ({"genes": genes, "n": 2, "layer": "twins"}, errors.ParameterError, "n"),
        ({"genes": genes, "n": 0}, errors.ParameterError, "n"),
        ({"genes": genes, "n_top": 1.5}, errors.ParameterError, "n_top"),
        ({"genes": ["PCP4"]}, errors.MissingKeyError, "genes"),
        ({"genes": []}, errors.ParameterError, "genes"),
        ({"genes": genes, "layer": "s3rl"}, errors.MissingKeyError, "layers['s3rl']"),
        ({"genes": genes, "groupby": "half"}, errors.ParameterError, "group"),
        ({"genes": genes, "group": "left"}, errors.ParameterError, "groupby"),
        ({"genes": genes, "groupby": "half", "group": "top"}, errors.MissingKeyError, "group"),
        ({"genes": genes, "groupby": "rare", "group": "a"}, errors.LabelsError, "obs['rare']"),
        ({}, errors.MissingKeyError, "uns['spatially_variable_genes']"),
        ({"tests_key": "empty"}, errors.MissingKeyError, "uns['empty']"),
        ({"tests_key": "empty", "groupby": "half", "group": "left"}, errors.MissingKeyError, "uns['empty']"),
        ({"tests_key": "other"}, errors.InputError, "uns['other']"),
    ]
    for arguments, kind, key in cases:
        with pytest.raises(kind) as caught:
            s3.tl.metagenes(planted, **arguments)
        assert key in caught.value.key, arguments
        assert caught.value.fix
    assert "metagenes" not in planted.uns
    assert "metagenes" not in planted.obsm
