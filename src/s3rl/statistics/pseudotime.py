"""Where spots are along a diffusion: the root, the distance from it, and the groups where it ends.

Diffusion pseudotime (Haghverdi et al., Nat. Methods 2016; Wolf et al., Genome Biol. 2019) is the Euclidean distance
from the root in the components of a diffusion map, each stretched by ``e / (1 - e)`` of its eigenvalue e. scanpy takes
every component with an eigenvalue of .9994 or more for a sign that the graph falls into parts and does not stretch it.
That holds for a few spots that hang on a thread, but the slowest change over a large tissue is as slow, and without it
the order is lost. Here such a component is left unstretched only if it lives on less than 1 % of the spots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

# from here on scanpy takes a component for a sign of disconnected parts
SLOW = 0.9994
FRAGMENT = 0.01
"""Share of the spots below which a part of the tissue is a fragment."""
_CLOSEST = 1e-6
_VERY_END = 5


def dpt_coordinates(eigenvalues: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Coordinates float64 (n, k) whose Euclidean distance is the diffusion pseudotime.

    Parameters
    ----------
    eigenvalues
        Of the diffusion map, float (k,), the largest first; the first is that of the stationary state.
    vectors
        Eigenvectors, float (n, k).
    """
    eigenvalues, vectors = np.asarray(eigenvalues, dtype=np.float64), np.asarray(vectors, dtype=np.float64)
    unstretched = (eigenvalues >= SLOW) & (spots_of(vectors) < FRAGMENT * len(vectors))
    unstretched[0] = True
    gain = np.where(unstretched, 1.0, eigenvalues / np.maximum(1 - eigenvalues, _CLOSEST))
    return vectors * gain


def spots_of(vectors: np.ndarray) -> np.ndarray:
    """Number of spots (k,) that each component (n, k) lives on: the inverse participation ratio."""
    squares = np.asarray(vectors, dtype=np.float64) ** 2
    shares = squares / np.maximum(squares.sum(axis=0), np.finfo(np.float64).tiny)
    return 1 / np.maximum((shares**2).sum(axis=0), np.finfo(np.float64).tiny)


def outermost(coordinates: np.ndarray, own: np.ndarray, other: np.ndarray) -> int:
    """Spot of a group that lies farthest from the other spots.

    Measured along the line from the mean of the others to the median of the group, so that a spot of the group that
    lies beyond the others is not taken.

    Parameters
    ----------
    coordinates
        Float (n, k).
    own, other
        Positions of the spots of the group and of the others.
    """
    line = np.median(coordinates[own], axis=0) - coordinates[other].mean(axis=0)
    return int(own[(coordinates[own] @ line).argmax()])


def distance_from(coordinates: np.ndarray, root: int) -> np.ndarray:
    """Distance (n,) from one spot, the largest being 1."""
    found = np.linalg.norm(coordinates - coordinates[root], axis=1)
    return found / max(float(found.max()), np.finfo(np.float64).tiny)


def leaving(graph: sp.csr_matrix, time: np.ndarray, codes: np.ndarray, group: int, count: int) -> tuple[float, float]:
    """How much of the neighbourhood of a group's latest spots are later spots of other groups.

    Parameters
    ----------
    graph
        Weights of neighbours, csr_matrix (n, n).
    time
        Pseudotime (n,).
    codes
        Groups of the spots, int (n,); -1 is none.
    group
        Which one.
    count
        Number of latest spots, at most half of the group.

    Returns
    -------
    Share of the weight, of the latest spots and of the latest third of them.
    """
    tip = latest(time, np.flatnonzero(codes == group), count)
    edges = graph[tip].tocoo()
    out = (time[edges.col] > time[tip][edges.row]) & (codes[edges.col] >= 0) & (codes[edges.col] != group)
    first = edges.row < -(-len(tip) // 3)

    def share(of: np.ndarray) -> float:
        return float(edges.data[of & out].sum() / max(edges.data[of].sum(), np.finfo(np.float64).tiny))

    return share(np.ones(len(edges.row), dtype=bool)), share(first)


def latest(time: np.ndarray, spots: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` latest of some spots, at most half of them, the latest first."""
    return spots[np.argsort(-time[spots], kind="stable")[: min(count, -(-len(spots) // 2))]]


def ends(
    graph: sp.csr_matrix, time: np.ndarray, codes: np.ndarray, allowed: np.ndarray, *, count: int, share: float
) -> np.ndarray:
    """Groups after which nothing comes: where their latest spots have later neighbours, these are their own.

    At most ``share`` of the neighbourhood of the latest spots, and a fifth of that from the latest third of them, may
    be later spots of other groups; a second look at the very end spares groups that meet another one sideways. Where
    no group is so, the one with the latest median.

    Parameters
    ----------
    graph, time, codes, count
        As in :func:`leaving`.
    allowed
        Bool (k,): groups that can be an end.
    share
        Between 0 and 1.

    Returns
    -------
    Int array of groups, the one with the latest median first.
    """
    candidates = np.flatnonzero(allowed)
    medians = np.array([np.median(time[codes == group]) for group in candidates])
    out = np.array([leaving(graph, time, codes, int(group), count) for group in candidates]).reshape(-1, 2)
    found = (out[:, 0] <= share) & (out[:, 1] <= share / _VERY_END)
    if len(candidates) and not found.any():
        found[medians.argmax()] = True
    return candidates[found][np.argsort(-medians[found], kind="stable")]
