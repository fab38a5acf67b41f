"""Undirected edges as sparse matrices."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def undirected(graph: sp.spmatrix | sp.sparray | np.ndarray) -> sp.csr_matrix:
    """Return every pair that ``graph`` joins in either direction, with weight 1.

    Parameters
    ----------
    graph
        (n, n), sparse or dense; non-zero entries are edges.

    Returns
    -------
    scipy.sparse.csr_matrix
        float32 (n, n), symmetric, ones only, zero diagonal, sorted indices.
    """
    directed = sp.coo_matrix(graph)
    kept = (directed.data != 0) & (directed.row != directed.col)
    rows, columns = directed.row[kept], directed.col[kept]
    both = sp.csr_matrix(
        (np.ones(2 * len(rows), np.float32), (np.r_[rows, columns], np.r_[columns, rows])), shape=directed.shape
    )
    both.sum_duplicates()
    both.data[:] = 1
    return both


def from_pairs(rows: np.ndarray, columns: np.ndarray, n: int) -> sp.csr_matrix:
    """Return the undirected graph of the pairs ``(rows[k], columns[k])``, each in either or both directions."""
    return undirected(sp.coo_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(n, n)))
