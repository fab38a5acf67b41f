"""From weights of groups of cells to single cells: the mapping, sparse."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from s3rl.deconvolution.mixture import TINY
from s3rl.deconvolution.reference import Metacells

_SPOTS = 256


def mapping(
    weights: np.ndarray, groups: Metacells, cells: sp.csr_matrix, spots: np.ndarray, proportions: np.ndarray, top: int
) -> sp.csr_matrix:
    """Weight of each cell in each spot, csr float32 (n, c), whose sums over a type are the proportions.

    The weight of a group is shared among its cells by one step of expectation-maximisation from equal weights: a cell
    gets more the better its genes fill what the spot shows, ``sum_g x_cg y_ig / p_ig``. Of each type the ``top``
    heaviest cells are kept and scaled to the proportion of the type.

    Parameters
    ----------
    weights
        Weights of the groups (n, m).
    groups
        Groups of cells.
    cells
        Shares (c, g) on the scale of the groups' profiles.
    spots
        Shares (n, g), rows sum to one.
    proportions
        Proportions of the types (n, k).
    top
        Cells of each type to keep in a spot.
    """
    types = groups.types[groups.members]
    order = np.argsort(types, kind="stable")
    bounds = np.searchsorted(types[order], np.arange(proportions.shape[1] + 1))
    sizes = np.bincount(groups.members)
    cells = sp.csr_matrix(cells[order])
    member, equal = groups.members[order], 1.0 / sizes[groups.members[order]]
    blocks = []
    for first in range(0, len(spots), _SPOTS):
        rows = slice(first, first + _SPOTS)
        predicted = weights[rows] @ groups.profiles
        predicted /= predicted.sum(axis=1, keepdims=True)
        ratio = spots[rows] / (predicted + TINY)
        mass = weights[rows][:, member] * equal * np.asarray(cells @ ratio.T).T
        blocks.append(_heaviest(mass, bounds, proportions[rows], top))
    stacked = sp.csc_matrix(sp.vstack(blocks))
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    kept = sp.csr_matrix(stacked[:, back], dtype=np.float32)
    kept.sort_indices()
    return kept


def _heaviest(mass: np.ndarray, bounds: np.ndarray, proportions: np.ndarray, top: int) -> sp.csr_matrix:
    """Of mass (b, c) with the cells of type t in ``bounds[t]:bounds[t + 1]``, the heaviest cells of each type."""
    b = len(mass)
    rows, columns, values = [], [], []
    for kind in range(len(bounds) - 1):
        own = mass[:, bounds[kind] : bounds[kind + 1]]
        count = min(top, own.shape[1])
        best = np.argsort(-own, axis=1, kind="stable")[:, :count]
        kept = np.take_along_axis(own, best, axis=1)
        total = kept.sum(axis=1, keepdims=True)
        # a type without any mass in a spot has none to give
        kept = np.where(total > 0, kept / np.where(total > 0, total, 1.0), 1.0 / count) * proportions[:, [kind]]
        rows.append(np.repeat(np.arange(b), count))
        columns.append((best + bounds[kind]).ravel())
        values.append(kept.ravel())
    found = sp.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=mass.shape)
    found.eliminate_zeros()
    return found
