"""Moran's I, Geary's C and smooth trends as quadratic forms, over slices that are exchanged only within themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl.statistics.permutations import permutation
from s3rl.statistics.quadratic import (
    Cumulants,
    Moments,
    added,
    cumulants,
    moments_of_basis,
    moments_of_graph,
)

# sums of the same numbers in another order are equal up to this share
_TIE = 1e-9


class Form(NamedTuple):
    """``z^T A z`` for values of n spots, a sum over slices.

    Attributes
    ----------
    name
        What it looks at, for example ``"neighbours"``.
    matrix
        Symmetric A (n, n), sparse, or None for a projection.
    bases
        Of a projection: orthonormal columns with mean 0 for the spots of each slice.
    parts
        Positions of the spots of each slice.
    moments
        Of the form on each slice.
    weight
        Sum of the weights of the graph; what Moran and Geary divide by.
    graph
        The weights, as they point, or None for a projection.
    """

    name: str
    matrix: sp.csr_matrix | None
    bases: tuple[np.ndarray, ...]
    parts: tuple[np.ndarray, ...]
    moments: tuple[Moments, ...]
    weight: float
    graph: sp.csr_matrix | None

    def value(self, values: np.ndarray) -> np.ndarray:
        """The form (m,) of each column of centred values (n, m)."""
        if self.matrix is not None:
            return np.einsum("im,im->m", values, self.matrix @ values)
        projected = [basis.T @ values[rows] for basis, rows in zip(self.bases, self.parts, strict=True)]
        return np.sum([(part**2).sum(axis=0) for part in projected], axis=0)

    def expected(self, values: np.ndarray) -> Cumulants:
        """Cumulants over permutations within slices, of each column of values (n, m) centred within slices."""
        found = [cumulants(part, values[rows]) for part, rows in zip(self.moments, self.parts, strict=True)]
        total = found[0]
        for more in found[1:]:
            total = added(total, more)
        return total

    def between(self, columns: np.ndarray) -> np.ndarray:
        """``columns.T @ A @ columns``, (r, r): the form of linear combinations of columns (n, r)."""
        if self.matrix is not None:
            return np.asarray(columns.T @ (self.matrix @ columns))
        projected = np.vstack([basis.T @ columns[rows] for basis, rows in zip(self.bases, self.parts, strict=True)])
        return projected.T @ projected


def morans_i(values: np.ndarray, graph: sp.csr_matrix) -> np.ndarray:
    """Moran's I (k,) of each column (n, k) over all spots, by weights (n, n) as they are; 0 of a constant."""
    apart = values - values.mean(axis=0, dtype=np.float64)
    scale = len(values) / float(graph.data.sum(dtype=np.float64))
    spread = np.maximum((apart**2).sum(axis=0), np.finfo(np.float64).tiny)
    return np.asarray(scale * (apart * (graph @ apart)).sum(axis=0) / spread)


def parts_of(codes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Positions of the spots of each slice, from codes (n,)."""
    return tuple(np.flatnonzero(codes == code) for code in np.unique(codes))


def centred(values: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Values (n, m) less the mean of their slice; a column that is constant there is exactly 0."""
    values = np.array(values, dtype=np.float64)
    for rows in parts:
        own = values[rows]
        constant = (own == own[:1]).all(axis=0)
        own -= own.mean(axis=0)
        own[:, constant] = 0.0
        values[rows] = own
    return values


def row_normalised(graph: sp.csr_matrix) -> sp.csr_matrix:
    """Weights (n, n) that sum to 1 over each spot's neighbours; spots without any keep none."""
    graph = sp.csr_matrix(graph, dtype=np.float64)
    sums = np.asarray(graph.sum(axis=1)).ravel()
    return sp.csr_matrix(sp.diags(np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)) @ graph)


def graph_form(name: str, graph: sp.csr_matrix, mode: str, parts: tuple[np.ndarray, ...]) -> Form:
    """Moran's or Geary's form of a graph (n, n) without edges between the parts; larger is more alike in both modes.

    ``statistic`` turns the value into I or C.
    """
    weights = row_normalised(graph)
    matrix = sp.csr_matrix((weights + weights.T) / 2)
    if mode == "geary":
        matrix = sp.csr_matrix(matrix - sp.diags(np.asarray(matrix.sum(axis=1)).ravel()))
    moments = tuple(moments_of_graph(matrix[rows][:, rows]) for rows in parts)
    return Form(name, matrix, (), parts, moments, float(weights.sum()), weights)


def trend_form(name: str, xy: np.ndarray, parts: tuple[np.ndarray, ...]) -> Form | None:
    """What a plane and its curvature explain in each part: projection on x, y, x^2, x y and y^2 of (n, 2).

    None where the spots lie on one point.
    """
    bases, kept = [], []
    for rows in parts:
        centre = xy[rows] - xy[rows].mean(axis=0)
        centre = centre / max(float(np.abs(centre).max()), 1e-300)
        x, y = centre.T
        terms = np.column_stack([x, y, x * x, x * y, y * y])
        left, values, _ = np.linalg.svd(terms - terms.mean(axis=0), full_matrices=False)
        basis = left[:, values > 1e-8 * max(float(values.max(initial=0.0)), 1e-300)]
        if 0 < basis.shape[1] < len(rows) - 1 and values.max() > 1e-12:
            bases.append(basis)
            kept.append(rows)
    if not bases:
        return None
    return Form(name, None, tuple(bases), tuple(kept), tuple(map(moments_of_basis, bases)), 1.0, None)


def statistic(form: Form, value: np.ndarray, squares: np.ndarray, n: int, mode: str) -> np.ndarray:
    """Moran's I or Geary's C (m,) from the value of the form and the sum of squares of n centred values."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(squares > 0, value / squares, np.nan) / form.weight
    return n * ratio if mode == "moran" else (1 - n) * ratio


def value_of(form: Form, found: np.ndarray, squares: np.ndarray, n: int, mode: str) -> np.ndarray:
    """Inverse of ``statistic``: the value of the form (m,) that belongs to an I or a C."""
    return found * squares * form.weight / (n if mode == "moran" else 1 - n)


def hits_of_permutations(
    forms: Sequence[Form], values: np.ndarray, codes: np.ndarray, seed: int, n_perms: int
) -> np.ndarray:
    """How often (k, m) each form of permuted values reaches that of the values (n, m), permuted within codes (n,)."""
    observed = np.array([form.value(values) for form in forms])
    bar = observed - _TIE * np.abs(observed)
    hits = np.zeros(observed.shape, dtype=np.int64)
    for number in range(n_perms):
        permuted = values[permutation(seed, number, len(values), codes)]
        hits += np.array([form.value(permuted) for form in forms]) >= bar
    return hits
