"""Over-representation of sets of genes in lists of genes: the hypergeometric test."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

# added to every cell of the table, so that an odds ratio is finite (Haldane and Anscombe)
_HALF = 0.5


class Overrepresentation(NamedTuple):
    """What :func:`overrepresentation` returns; rows are lists (q), columns are sets (t).

    Attributes
    ----------
    overlap
        Genes of the list that are in the set, int64 (q, t).
    size
        Genes of the set, int64 (t,).
    drawn
        Genes of the list, int64 (q,).
    odds_ratio
        Of the two by two table with a half added to each cell, float64 (q, t).
    fold
        Overlap divided by what is expected by chance, float64 (q, t); nan where nothing is expected.
    pvalue
        P(at least this overlap) when as many genes are drawn from the background at random, float64 (q, t).
    """

    overlap: np.ndarray
    size: np.ndarray
    drawn: np.ndarray
    odds_ratio: np.ndarray
    fold: np.ndarray
    pvalue: np.ndarray


def overrepresentation(lists: np.ndarray, sets: sp.csr_matrix) -> Overrepresentation:
    """Test every set in every list, all of them within one background of g genes.

    Parameters
    ----------
    lists
        Boolean (q, g): genes of each list.
    sets
        Zeros and ones (t, g): genes of each set.
    """
    from scipy.stats import hypergeom

    lists = np.asarray(lists, dtype=np.int64)
    genes = lists.shape[1]
    overlap = np.asarray(sets.astype(np.int64) @ lists.T).T
    size = np.asarray(sets.sum(axis=1)).ravel().astype(np.int64)
    drawn = lists.sum(axis=1)
    only_list, only_set = drawn[:, None] - overlap, size - overlap
    neither = genes - only_list - only_set - overlap
    odds = (overlap + _HALF) * (neither + _HALF) / ((only_list + _HALF) * (only_set + _HALF))
    expected = drawn[:, None] * size / genes
    fold = np.divide(overlap, expected, out=np.full(overlap.shape, np.nan), where=expected > 0)
    pvalue = hypergeom.sf(overlap - 1, genes, size, drawn[:, None])
    return Overrepresentation(overlap, size, drawn, odds, fold, np.clip(pvalue, 0.0, 1.0))
