"""Pseudo-bulk against bulk: by hand, either way round, on one scale, errors typed."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import pearsonr, spearmanr

import s3rl as s3
from s3rl import errors

N, G = 60, 40
RNG = np.random.default_rng(0)


@pytest.fixture
def table() -> ad.AnnData:
    rng = np.random.default_rng(1)
    base = rng.lognormal(1, 1, G)
    counts = rng.poisson(base * rng.lognormal(0, 0.5, (N, 1))).astype(np.float32)
    adata = ad.AnnData(sp.csr_matrix(counts), var=pd.DataFrame(index=[f"g{k}" for k in range(G)]))
    adata.obs["slice"] = pd.Categorical(np.repeat(["one", "two"], N // 2))
    adata.var["ensembl"] = [f"ENSG{k:011d}" for k in range(G)]
    adata.var["base"] = base
    adata.var["twice"] = "same"
    s3.pp.normalize(adata)
    adata.layers["s3rl"] = np.tile(np.log1p(base).astype(np.float32), (N, 1))
    return adata


@pytest.fixture
def bulk(table) -> pd.DataFrame:
    """Genes in another order, five that the table lacks, two patients."""
    rng = np.random.default_rng(2)
    genes = [*rng.permutation(table.var_names[:30]), *(f"other{k}" for k in range(5))]
    base = table.var["base"].reindex(genes).fillna(1.0).to_numpy()
    values = base[:, None] * rng.lognormal(0, 0.3, (35, 2)) * 1000
    return pd.DataFrame(values, index=genes, columns=["P1", "P2"])


def log_cpm(values: np.ndarray) -> np.ndarray:
    return np.log1p(1e6 * values / values.sum())


def test_correlations_are_those_by_hand(table, bulk):
    found = s3.tl.bulk_correlation(table, bulk, sample_key="slice", copy=True)
    shared = [gene for gene in bulk.index if gene in table.var_names]
    two = (table.obs["slice"] == "two").to_numpy()
    counts = np.asarray(table.layers["counts"].todense())[two].sum(axis=0)
    pseudo = log_cpm(pd.Series(counts, table.var_names)[shared].to_numpy())
    patients = [log_cpm(bulk.loc[shared, name].to_numpy()) for name in bulk]
    for name, wanted in (("mean", np.mean(patients, axis=0)), ("P1", patients[0]), ("P2", patients[1])):
        rows = found.results.query("sample == 'two' and layer == 'X'")
        own = rows[rows["bulk"] == name].iloc[0]
        assert own["pearson"] == pytest.approx(pearsonr(pseudo, wanted).statistic)
        assert own["spearman"] == pytest.approx(spearmanr(pseudo, wanted).statistic)
        assert own["n_genes"] == 30
    genes = found.genes.query("sample == 'two' and layer == 'X'").set_index("gene")
    assert np.allclose(genes.loc[shared, "pseudobulk"], pseudo)
    assert np.allclose(genes.loc[shared, "bulk"], np.mean(patients, axis=0))


def test_a_denoised_layer_is_taken_back_from_the_logarithm(table, bulk):
    genes = s3.tl.bulk_correlation(table, bulk, copy=True).genes.query("layer == 's3rl'").set_index("gene")
    shared = genes.index
    assert np.allclose(genes["pseudobulk"], log_cpm(table.var["base"][shared].to_numpy()), atol=1e-5)


def test_either_way_round_is_the_same(table, bulk):
    upright = s3.tl.bulk_correlation(table, bulk, copy=True)
    lying = s3.tl.bulk_correlation(table, bulk.T, copy=True)
    pd.testing.assert_frame_equal(upright.results, lying.results)


def test_other_names_of_genes(table, bulk):
    plain = s3.tl.bulk_correlation(table, bulk, copy=True).results
    renamed = bulk.rename(index=table.var["ensembl"].to_dict())
    found = s3.tl.bulk_correlation(table, renamed, gene_key="ensembl", copy=True).results
    assert np.allclose(found["pearson"], plain["pearson"])


def test_logarithmic_bulk_stays_as_it_is(table, bulk):
    logged = np.log2(bulk + 1)
    found = s3.tl.bulk_correlation(table, logged, copy=True)
    genes = found.genes.query("layer == 'X'").set_index("gene")
    assert np.allclose(genes["bulk"], logged.loc[genes.index].mean(axis=1))
    forced = s3.tl.bulk_correlation(table, logged, bulk_scale="linear", copy=True)
    assert not np.allclose(forced.results["pearson"], found.results["pearson"])


def test_x_stands_in_for_counts_that_are_not_there(table, bulk):
    with_counts = s3.tl.bulk_correlation(table, bulk, layers=(None,), copy=True).results["pearson"]
    del table.layers["counts"]
    with pytest.raises(errors.MissingKeyError, match=r"layers\['counts'\].*counts_layer=None"):
        s3.tl.bulk_correlation(table, bulk)
    without = s3.tl.bulk_correlation(table, bulk, layers=(None,), counts_layer=None, copy=True).results["pearson"]
    assert np.allclose(with_counts, without, atol=0.1)
    assert not np.array_equal(with_counts, without)


def test_a_series_is_one_sample(table, bulk):
    found = s3.tl.bulk_correlation(table, bulk["P1"], copy=True).results
    assert found["bulk"].tolist() == ["mean", "mean"]


@pytest.mark.parametrize(
    ("spoil", "arguments", "kind", "says"),
    [
        (lambda frame: frame.add_prefix("x", axis=0), {}, errors.InputError, "bulk: shares fewer than 20 genes.*xg"),
        (lambda frame: frame.to_numpy(), {}, errors.DataTypeError, "bulk: is no DataFrame"),
        (lambda frame: pd.concat([frame, frame]), {}, errors.InputError, "bulk: has genes more than once"),
        (lambda frame: frame.mask(frame > 9000), {}, errors.InputError, "bulk: has values that are not finite"),
        (lambda frame: -frame, {"bulk_scale": "linear"}, errors.InputError, "bulk: has negative values"),
        (lambda frame: frame * 0, {"bulk_scale": "linear"}, errors.InputError, "without expression"),
        (lambda frame: frame.astype(str) + "x", {}, errors.InputError, "bulk: is not numeric"),
        (None, {"bulk_scale": "tpm"}, errors.ParameterError, "bulk_scale"),
        (None, {"sample_key": "patient"}, errors.MissingKeyError, r"obs\['patient'\]"),
        (None, {"gene_key": "symbol"}, errors.MissingKeyError, r"var\['symbol'\]"),
        (None, {"gene_key": "twice"}, errors.InputError, r"var\['twice'\]: has names more than once"),
        (None, {"layers": "smooth"}, errors.MissingKeyError, r"layers\['smooth'\]"),
        (None, {"counts_layer": "raw"}, errors.MissingKeyError, r"layers\['raw'\]"),
        (None, {"min_genes": 0}, errors.ParameterError, "min_genes"),
    ],
    ids=str,
)
def test_what_is_refused(table, bulk, spoil, arguments, kind, says):
    given = bulk if spoil is None else spoil(bulk)
    with pytest.raises(kind, match=says):
        s3.tl.bulk_correlation(table, given, **arguments)
    assert "bulk_correlation" not in table.uns


def test_counts_below_zero_are_refused(table, bulk):
    table.layers["counts"].data[0] = -1
    with pytest.raises(errors.CountsError, match=r"layers\['counts'\]"):
        s3.tl.bulk_correlation(table, bulk)
