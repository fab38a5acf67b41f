"""Ties in rank tests: how much they take from the variance of a rank sum."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def tie_factor(values: sp.spmatrix) -> np.ndarray:
    """``1 - sum(t ** 3 - t) / (n ** 3 - n)`` over the groups of t equal values of each column, float64 (g,).

    Parameters
    ----------
    values
        Sparse (n, g); what is not stored is a zero, and all zeros of a column are one group.
    """
    table = sp.csc_matrix(values, copy=True)
    table.eliminate_zeros()
    n = table.shape[0]
    stored = np.diff(table.indptr)
    column = np.repeat(np.arange(table.shape[1]), stored)
    order = np.lexsort((table.data, column))
    data, column = table.data[order], column[order]
    new = np.ones(len(data), dtype=bool)
    new[1:] = (data[1:] != data[:-1]) | (column[1:] != column[:-1])
    starts = np.flatnonzero(new)
    tied = np.diff(np.append(starts, len(data))).astype(np.float64)
    within = np.bincount(column[starts], weights=tied**3 - tied, minlength=table.shape[1])
    zeros = (n - stored).astype(np.float64)
    return 1.0 - (within + zeros**3 - zeros) / max(float(n) ** 3 - n, 1.0)
