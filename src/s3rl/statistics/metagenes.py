"""Genes of one spatial pattern: k-means of standardised genes, from their correlations alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# with n points k-means sees them through their distances, so that coordinates of this size are as good as n spots
_KEPT = 1e-10
_STARTS = 20


class Grouping(NamedTuple):
    """Genes in groups.

    Attributes
    ----------
    codes
        Group of each gene, int64 (m,); 0 is the largest, and of two as large the one whose gene comes first.
    correlation
        Of each gene with the mean of the standardised genes of its group, float64 (m,).
    """

    codes: np.ndarray
    correlation: np.ndarray


def grouped(correlations: np.ndarray, n: int, seed: int) -> Grouping:
    """K-means with n groups of m genes whose correlations over the spots are (m, m).

    The squared distance of two standardised genes is ``2 n_spots (1 - r)``, so points of any dimension with these
    distances have the same k-means as the genes over all spots.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # several threads add up in the order in which they finish
    with threadpool_limits(1):
        values, vectors = np.linalg.eigh(correlations)
        kept = values > _KEPT * max(float(values[-1]), 0.0)
        points = vectors[:, kept] * np.sqrt(values[kept])
        found = KMeans(n, n_init=_STARTS, random_state=seed).fit_predict(points)
    codes = _by_size(found)
    members = np.eye(int(codes.max()) + 1)[codes]
    inside = correlations @ members
    spread = np.sqrt(np.einsum("mk,mk->k", members, inside))
    return Grouping(codes, inside[np.arange(len(codes)), codes] / spread[codes])


def _by_size(codes: np.ndarray) -> np.ndarray:
    _, first, inverse, sizes = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[inverse]
