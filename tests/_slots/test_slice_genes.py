"""Genes that slices share, and how their ranks are merged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from s3rl._slots.slice_genes import columns_of, joined_genes, merged_ranks, normalised_variances
from s3rl.errors import CountsError, InputError


def test_of_equal_medians_the_gene_of_more_slices_wins():
    """By hand: A leads everywhere, D is second in one slice, B is second in two; D comes before B."""
    genes = pd.Index(["D", "B", "A", "C"])
    variances = [np.array(values) for values in ([1.0, 3, 4, 2], [1.0, 3, 4, 2], [3.0, 1, 4, 2])]
    frame = merged_ranks(variances, 2, genes)
    assert frame.index[frame["highly_variable"]].tolist() == ["B", "A"]
    assert frame["highly_variable_nbatches"].tolist() == [1, 2, 3, 0]
    np.testing.assert_array_equal(frame["highly_variable_rank"], [1, 1, 0, np.nan])
    np.testing.assert_allclose(frame["variances_norm"], [5 / 3, 7 / 3, 4, 2])


def test_shared_and_all_genes_keep_the_order_of_the_first():
    names = {"a": pd.Index(list("dcab")), "b": pd.Index(list("xbcd")), "c": pd.Index(list("ybdc"))}
    assert list(joined_genes(names, "shared")) == list("dcb")
    assert list(joined_genes(names, "all")) == list("dcabxy")
    with pytest.raises(InputError, match="no gene in common"):
        joined_genes({**names, "d": pd.Index(["a"])}, "all")


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, sp.csr_array, np.asarray])
def test_columns_by_name(kind):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = columns_of(kind(values), pd.Index(list("abc")), pd.Index(list("cxa")))
    assert isinstance(found, sp.csr_matrix)
    assert found.dtype == np.float32
    assert found.toarray().tolist() == [[2, 0, 0], [5, 0, 3]]


def test_too_few_genes_that_vary_and_a_trend_that_cannot_be_fitted():
    counts = sp.csr_matrix(np.random.default_rng(0).poisson(1.0, size=(30, 25)).astype(np.float32))
    with pytest.raises(CountsError, match="3 of 25 genes"):
        normalised_variances(counts, 3, 0.3)
    two_values = sp.csr_matrix(np.tile([[1.0], [0.0]], (15, 25)).astype(np.float32))
    assert normalised_variances(two_values, 25, 0.3) is None
