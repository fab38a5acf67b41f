"""What the reference says about each cell type: mean shares, the genes that tell types apart, groups of alike cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

_CELLS_IN_METACELL = 3
_COMPONENTS = 10


class Metacells(NamedTuple):
    """Groups of alike cells, each within one type.

    Attributes
    ----------
    profiles
        float64 (m, g): mean share of each gene.
    types
        int64 (m,): type of each group, ascending.
    members
        int64 (c,): group of each cell.
    """

    profiles: np.ndarray
    types: np.ndarray
    members: np.ndarray


def signatures(cells: sp.csr_matrix, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Mean of the cells (c, g) of each group, float64 (n_groups, g); ``codes`` (c,) are from 0."""
    sizes = np.bincount(codes, minlength=n_groups)
    member = sp.csr_matrix((1.0 / sizes[codes], (codes, np.arange(codes.size))), shape=(n_groups, codes.size))
    return np.asarray((member @ cells.astype(np.float64)).todense())


def telling_genes(means: np.ndarray, n_genes: int) -> np.ndarray:
    """Sorted indices of the ``n_genes`` genes with the largest squared Hellinger distance between types.

    ``means`` (k, g) are shares. The square root levels the noise of counts, so that a gene counts by how much it
    adds to telling the types apart, not by how much of it there is.
    """
    roots = np.sqrt(means)
    spread = ((roots - roots.mean(axis=0)) ** 2).sum(axis=0)
    return np.sort(np.argsort(-spread, kind="stable")[:n_genes])


def metacells(cells: sp.csr_matrix, codes: np.ndarray, n_types: int, n_groups: int, *, seed: int) -> Metacells:
    """Split each type by k-means on the components of its square-rooted shares.

    Parameters
    ----------
    cells
        Shares (c, g), not negative.
    codes
        Type of each cell, int (c,).
    n_types
        Number of types; each has at least one cell.
    n_groups
        Groups of a type at most; a type of fewer than ``3 * n_groups`` cells has fewer.
    seed
        Seed of the components and of k-means.
    """
    members = np.zeros(codes.size, dtype=np.int64)
    types: list[int] = []
    for kind in range(n_types):
        own = np.flatnonzero(codes == kind)
        wanted = min(n_groups, max(1, own.size // _CELLS_IN_METACELL))
        found = _groups(cells[own], wanted, (seed + kind) % 2**32)
        members[own] = len(types) + found
        types.extend([kind] * (int(found.max()) + 1))
    return Metacells(signatures(cells, members, len(types)), np.array(types, dtype=np.int64), members)


def _groups(cells: sp.csr_matrix, wanted: int, seed: int) -> np.ndarray:
    """Group of each cell, from 0 without gaps."""
    if wanted == 1 or cells.shape[1] < 2:
        return np.zeros(cells.shape[0], dtype=np.int64)
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from threadpoolctl import threadpool_limits

    roots = cells.sqrt()
    length = np.sqrt(np.asarray(roots.multiply(roots).sum(axis=1)).ravel())
    roots = sp.csr_matrix(sp.diags(1.0 / np.where(length > 0, length, 1.0)) @ roots)
    size = min(_COMPONENTS, min(roots.shape) - 1)
    # the number of threads must not change the groups; cells without any variance are one group, and no fault
    with threadpool_limits(1), np.errstate(divide="ignore", invalid="ignore"):
        reduced = TruncatedSVD(size, random_state=seed).fit_transform(roots)
        distinct = len(np.unique(reduced, axis=0))
        labels = KMeans(min(wanted, distinct), n_init=1, random_state=seed).fit_predict(reduced)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
