"""Means over nearest neighbours as a sparse matrix."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors


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
