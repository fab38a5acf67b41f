"""Pseudo-bulk against bulk: the points and the numbers."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError, ParameterError, StoreError


@pytest.fixture
def table() -> ad.AnnData:
    rng = np.random.default_rng(1)
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(rng.lognormal(1, 1, 30), (40, 30)).astype(np.float32)))
    adata.var_names = [f"g{k}" for k in range(30)]
    adata.obs["slice"] = pd.Categorical(np.repeat(["one", "two"], 20))
    s3.pp.normalize(adata)
    adata.layers["s3rl"] = (adata.X.toarray() * 0.9).astype(np.float32)
    bulk = pd.DataFrame(rng.lognormal(5, 1, (30, 2)), index=adata.var_names, columns=["P1", "P2"])
    s3.tl.bulk_correlation(adata, bulk, sample_key="slice")
    s3.tl.bulk_correlation(adata, bulk, key_added="alone")
    return adata


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_points_are_the_genes_and_the_numbers_the_correlations(table, method):
    figure = s3.pl.bulk_correlation(table, method=method)
    found = {ax.get_label(): ax for ax in figure.axes}
    assert list(found) == ["one: X", "two: X", "one: s3rl", "two: s3rl", "correlations"]
    uns = table.uns["bulk_correlation"]
    results = uns["results"][uns["results"]["bulk"] == "mean"].set_index(["sample", "layer"])[method]
    for sample in ("one", "two"):
        for layer, title in (("X", "raw"), ("s3rl", "denoised")):
            ax = found[f"{sample}: {layer}"]
            own = uns["genes"].query("sample == @sample and layer == @layer")
            assert np.allclose(ax.collections[0].get_offsets(), own[["bulk", "pseudobulk"]])
            assert ax.get_title() == f"{sample}: {title}"
            assert ax.texts[0].get_text() == f"r = {results[sample, layer]:.3f}"
    summary = found["correlations"]
    raw, denoised = summary.collections[1:]
    assert np.allclose(raw.get_offsets()[:, 1], results[:, "X"])
    assert np.allclose(denoised.get_offsets()[:, 1], results[:, "s3rl"])
    assert [text.get_text() for text in summary.get_legend().get_texts()] == ["raw", "denoised"]
    assert [text.get_text() for text in summary.get_xticklabels()] == ["one", "two"]


def test_one_sample_needs_no_summary_and_samples_can_be_chosen(table):
    assert [ax.get_label() for ax in s3.pl.bulk_correlation(table, key="alone").axes] == ["all: X", "all: s3rl"]
    labels = [ax.get_label() for ax in s3.pl.bulk_correlation(table, samples="two").axes]
    assert labels == ["two: X", "two: s3rl", "correlations"]


def test_what_is_refused(table, tmp_path):
    for arguments, kind, says in (
        ({"key": "other"}, MissingKeyError, r"uns\['other'\].*s3\.tl\.bulk_correlation"),
        ({"samples": "three"}, MissingKeyError, "samples: is not in the result"),
        ({"samples": []}, ParameterError, "samples: names nothing"),
        ({"method": "kendall"}, ParameterError, "method"),
        ({"save": tmp_path / "nowhere" / "x.png"}, StoreError, "save"),
        ({"key": "log1p"}, InputError, "is no result"),
    ):
        with pytest.raises(kind, match=says):
            s3.pl.bulk_correlation(table, **arguments)
