"""Neighbours between slices that lie on top of each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors


def pitch_of(xy: np.ndarray) -> float:
    """Median distance (n, 2) from each spot to its nearest one at another place."""
    unique = np.unique(xy, axis=0)
    if len(unique) < 2:
        return 0.0
    near, _ = NearestNeighbors(n_neighbors=2).fit(unique).kneighbors(unique)
    return float(np.median(near[:, 1]))


def neighbors_across(
    xy: np.ndarray, slices: np.ndarray, order: Sequence[int], *, n_across: int, gap: float, reach: float
) -> sp.csr_matrix:
    """Join each spot to its nearest ones in the slices before and after its own.

    Parameters
    ----------
    xy
        float (n, 2) in one frame.
    slices
        Numbers (n,) of the slices.
    order
        These numbers as the slices lie on each other.
    n_across
        Nearest spots in each of the two slices.
    gap
        Distance between slices, in the units of ``xy``.
    reach
        Largest distance in three dimensions.

    Returns
    -------
    csr_matrix float32 (n, n), symmetric: distances in three dimensions, at least the smallest positive number, since
    a stored zero is no edge.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.graph.across import neighbors_across
    >>> xy, slices = np.array([[0.0, 0], [9, 0], [0, 1]]), np.array([0, 0, 1])
    >>> neighbors_across(xy, slices, [0, 1], n_across=1, gap=0.0, reach=2.0).toarray().tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    rows, columns, lengths = [], [], []
    for one, other in [*pairwise(order), *pairwise(order[::-1])]:
        here, there = np.flatnonzero(slices == one), np.flatnonzero(slices == other)
        found = NearestNeighbors(n_neighbors=min(n_across, len(there))).fit(xy[there])
        flat, near = found.kneighbors(xy[here])
        distance = np.hypot(flat, gap)
        kept = distance <= reach
        rows.append(np.broadcast_to(here[:, None], near.shape)[kept])
        columns.append(there[near][kept])
        lengths.append(distance[kept])
    joined = [np.concatenate(part) if part else np.empty(0, np.int64) for part in (rows, columns, lengths)]
    values = np.maximum(joined[2], np.finfo(np.float32).tiny).astype(np.float32)
    directed = sp.csr_matrix((values, (joined[0], joined[1])), shape=(len(xy), len(xy)))
    return sp.csr_matrix(directed.maximum(directed.T))
