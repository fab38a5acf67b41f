"""Whether a gene varies over space within a group of cells: neighbours of the group's own, at several length scales.

Only the cells of the group are looked at, so a gene that differs between groups and not within has nothing to show.
A group may be scattered among others; its cells' neighbours are the nearest cells of the same group. Three forms see
structure of different size: the nearest cells, a wider surrounding, and a trend over the whole group.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl.statistics.autocorrelation import Form, graph_form, parts_of, trend_form
from s3rl.statistics.permutations import permutation
from s3rl.statistics.permuted_tail import PermutedTail
from s3rl.statistics.readout import Readout

NEIGHBOURS, SURROUNDINGS, TREND = "neighbours", "surroundings", "trend"
N_NEIGHBOURS = 6
_N_SURROUNDINGS = 24
# a slice needs more of the group's cells than a cell has neighbours, or all arrangements look the same
FEWEST_IN_SLICE = N_NEIGHBOURS + 2
_TIE = 1e-9


class Group(NamedTuple):
    """Cells whose values are tested together.

    Attributes
    ----------
    name
        Name of the group.
    rows
        Positions (n_g,) in the table.
    codes
        Slice (n_g,) of each.
    forms
        The forms; the first is that of the statistic which is reported.
    """

    name: str
    rows: np.ndarray
    codes: np.ndarray
    forms: tuple[Form, ...]


def own_neighbours(xy: np.ndarray, parts: tuple[np.ndarray, ...], n_neighs: int) -> sp.csr_matrix:
    """Nearest neighbours (n, n), either way and within parts, of coordinates (n, 2)."""
    from sklearn.neighbors import kneighbors_graph

    rows, columns = [], []
    for part in parts:
        near = kneighbors_graph(xy[part], min(n_neighs, (len(part) - 1) // 2)).tocoo()
        rows.append(part[near.row])
        columns.append(part[near.col])
    place = np.concatenate(rows), np.concatenate(columns)
    graph = sp.csr_matrix((np.ones(len(place[0])), place), shape=(len(xy), len(xy)))
    return sp.csr_matrix(graph.maximum(graph.T))


def group_of(name: str, rows: np.ndarray, xy: np.ndarray, codes: np.ndarray, mode: str) -> Group:
    """Forms of a group of cells, from coordinates (n_g, 2) and slices (n_g,) of its cells alone."""
    parts = parts_of(codes)
    forms = [graph_form(NEIGHBOURS, own_neighbours(xy, parts, N_NEIGHBOURS), mode, parts)]
    if max(map(len, parts)) > 2 * N_NEIGHBOURS + 2:
        forms.append(graph_form(SURROUNDINGS, own_neighbours(xy, parts, _N_SURROUNDINGS), mode, parts))
    trend = trend_form(TREND, xy, parts)
    return Group(name, rows, codes, (*forms, trend) if trend is not None else tuple(forms))


def large_enough(codes: np.ndarray) -> np.ndarray:
    """Which cells (n_g,) of a group lie in slices with enough of them."""
    return np.bincount(codes)[codes] >= FEWEST_IN_SLICE


def pvalues_after_denoising(
    groups: list[Group], values: sp.csc_matrix, denoiser: Readout, strata: np.ndarray, seed: int, n_perms: int
) -> list[np.ndarray]:
    """P-values (k, m) for each group: each form of denoised values against that of denoised permuted values.

    Both are divided by the denoised values' sum of squares within the group; nan where nothing is left. How much is
    left is no evidence: an embedding that was trained on a gene has learned some of its noise, and explains more of it
    than of a permutation. ``H x`` is never made: with ``H = B G B^T`` a form of ``H x`` is one of the scores
    ``G B^T x``.

    Parameters
    ----------
    groups
        What is tested.
    values
        Expression that has not been denoised, sparse (n, m).
    denoiser
        Of all n spots.
    strata
        Codes (n,): values are permuted among spots of the same code.
    seed, n_perms
        Seed and number of permutations.
    """
    matrices = [_of_scores(group, denoiser.basis) for group in groups]
    transposed = sp.csr_matrix(values.T, dtype=np.float64)

    def scores(basis: np.ndarray) -> np.ndarray:
        return denoiser.gain[:, None] * np.asarray(transposed @ basis).T

    observed = scores(denoiser.basis)
    ratios = [_ratios(*matrix, observed) for matrix in matrices]
    tails = [PermutedTail(ratio.shape) for ratio in ratios]
    for number in range(n_perms):
        # the inverse of a uniform permutation is one too
        permuted = scores(denoiser.basis[permutation(seed, number, len(strata), strata)])
        for (forms, total), ratio, tail in zip(matrices, ratios, tails, strict=True):
            squares = _form(total, permuted)
            # a ratio beyond the observed one is a form beyond 0
            tail.add(np.array([_form(form, permuted) for form in forms]) - ratio * squares, _TIE * squares)
    return [np.where(np.isnan(ratio), np.nan, tail.pvalues()) for ratio, tail in zip(ratios, tails, strict=True)]


def _of_scores(group: Group, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forms (k, r, r) and sum of squares (r, r) of the group's denoised values as forms of the scores."""
    own = basis[group.rows].copy()
    for rows in parts_of(group.codes):
        own[rows] -= own[rows].mean(axis=0)
    return np.array([form.between(own) for form in group.forms]), own.T @ own


def _form(matrix: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return np.einsum("rm,rm->m", scores, matrix @ scores)


def _ratios(forms: np.ndarray, total: np.ndarray, scores: np.ndarray) -> np.ndarray:
    squares = _form(total, scores)
    squares[squares <= 1e-12 * np.einsum("rm,rm->m", scores, scores)] = np.nan
    return np.array([_form(form, scores) / squares for form in forms])
