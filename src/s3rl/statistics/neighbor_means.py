"""Smoothers without a model: means over nearest neighbours, and diffusion over a graph."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from sklearn.neighbors import NearestNeighbors

_GENES_AT_ONCE = 512


def neighbor_means(features: np.ndarray, n_neighs: int, codes: np.ndarray | None = None) -> sp.csr_matrix:
    """Weights (n, n) of the mean over a spot and its nearest others, ``n_neighs`` in all.

    Parameters
    ----------
    features
        Coordinates or components (n, d).
    n_neighs
        Spots in each mean; all of them where there are fewer.
    codes
        Integers (n,): neighbours have the same code, for example are of the same slice.
    """
    codes = np.zeros(len(features), dtype=np.int64) if codes is None else codes
    rows, columns, weights = [], [], []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        size = min(n_neighs, len(own))
        found = NearestNeighbors(n_neighbors=size).fit(features[own]).kneighbors(features[own], return_distance=False)
        rows.append(np.repeat(own, size))
        columns.append(own[found.ravel()])
        weights.append(np.full(len(own) * size, 1 / size))
    joined = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return sp.csr_matrix(joined, shape=(len(features), len(features)))


def diffused(graph: sp.spmatrix, strength: float, values: sp.spmatrix) -> np.ndarray:
    """``(I + strength L)^-1 values``, float32 (n, m), with the Laplacian L of a symmetric graph (n, n)."""
    degree = np.asarray(graph.sum(axis=1)).ravel()
    system = sp.identity(graph.shape[0]) + strength * (sp.diags(degree) - graph)
    solver = spl.splu(sp.csc_matrix(system, dtype=np.float64), permc_spec="MMD_AT_PLUS_A")
    columns, found = sp.csc_matrix(values), np.empty(values.shape, dtype=np.float32)
    for start in range(0, values.shape[1], _GENES_AT_ONCE):
        own = slice(start, start + _GENES_AT_ONCE)
        found[:, own] = solver.solve(columns[:, own].toarray().astype(np.float64))
    return np.maximum(found, 0, out=found)
