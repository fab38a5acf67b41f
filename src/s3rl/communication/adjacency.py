"""Which clusters touch in a spatial graph."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def contacts(codes: np.ndarray, n_groups: int, graph: sp.spmatrix) -> np.ndarray:
    """Int64 (c, c), symmetric: edges between two clusters, each counted once; on the diagonal those within one.

    Parameters
    ----------
    codes
        Int (n,): cluster of each spot, -1 for none.
    graph
        (n, n) with an entry for each edge, in one direction or both.
    """
    edges = sp.coo_matrix(graph)
    kept = (edges.row != edges.col) & (edges.data != 0) & (codes[edges.row] >= 0) & (codes[edges.col] >= 0)
    low, high = np.minimum(edges.row, edges.col)[kept], np.maximum(edges.row, edges.col)[kept]
    ends = np.unique(np.stack([low, high]), axis=1)
    counts = np.zeros((n_groups, n_groups), dtype=np.int64)
    np.add.at(counts, (codes[ends[0]], codes[ends[1]]), 1)
    return counts + counts.T - np.diag(np.diag(counts))


def touching(counts: np.ndarray, min_contact: float) -> np.ndarray:
    """Bool (c, c): the edges between two clusters are a share ``min_contact`` of those that leave one of them.

    Of the two that one is asked which fewer edges leave, so that a small cluster inside a large one touches it. A
    cluster touches itself if it has an edge within.
    """
    between = counts - np.diag(np.diag(counts))
    leaving = between.sum(axis=1)
    fewer = np.minimum.outer(leaving, leaving)
    return ((between > 0) & (between >= min_contact * fewer)) | (np.eye(len(counts), dtype=bool) & (counts > 0))
