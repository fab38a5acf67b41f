"""Where spots are along a diffusion: the root, the distance from it, and the groups where it ends.

Diffusion pseudotime (Haghverdi et al., Nat. Methods 2016; Wolf et al., Genome Biol. 2019) is the Euclidean distance
from the root in the components of a diffusion map, each stretched by ``e / (1 - e)`` of its eigenvalue e. scanpy takes
every component with an eigenvalue of .9994 or more for a sign that the graph falls into parts and does not stretch it.
That holds for a few spots that hang on a thread, but the slowest change over a large tissue is as slow, and without it
the order is lost. Here such a component is left unstretched only if it lives on less than 1 % of the spots.
"""

from __future__ import annotations

import numpy as np

# from here on scanpy takes a component for a sign of disconnected parts
SLOW = 0.9994
_FRAGMENT = 0.01
_CLOSEST = 1e-6


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
    unstretched = (eigenvalues >= SLOW) & (spots_of(vectors) < _FRAGMENT * len(vectors))
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


def last_groups(
    medians: np.ndarray, connectivities: np.ndarray, *, threshold: float, allowed: np.ndarray
) -> np.ndarray:
    """Groups after which nothing comes: no group that they are connected to is later.

    Parameters
    ----------
    medians
        Pseudotime of the groups, float (k,).
    connectivities
        Between groups, float (k, k), symmetric.
    threshold
        Connectivity above which groups are connected.
    allowed
        Bool (k,): groups that can be an end; the others still come after those they are connected to.

    Returns
    -------
    Int array of positions, the latest first.
    """
    later = (connectivities > threshold) & (medians[None, :] > medians[:, None])
    ends = np.flatnonzero(allowed & ~later.any(axis=1))
    return ends[np.argsort(-medians[ends], kind="stable")]
