"""Quadratic forms of exchangeable values: exact moments over all permutations, and a p-value from them.

Moran's I, Geary's C and the share of variance that a smooth trend explains are all ``z^T A z`` for a symmetric matrix
A. If the spots could be exchanged, the first three moments of that number over all n! arrangements have closed forms.
The third decides how far the tail reaches, which matters for genes that few spots express. A Pearson type III
distribution with these moments gives the p-value, without a draw.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

# what is left of a p-value beyond the range of floating-point numbers
SMALLEST = 1e-300
# values that the third moment needs: a product of six
FEWEST = 6


class Moments(NamedTuple):
    """What the permutation distribution needs to know of a symmetric matrix A.

    All but ``trace`` belong to ``C = P A P - c P``: P takes the mean away, and c makes the trace 0, which only shifts
    the form.

    Attributes
    ----------
    n
        Number of values.
    trace
        Trace of ``P A P``.
    square, diagonal_square
        Sums of squares of C and of its diagonal.
    sixth, fourth, third, second
        Sums of ``C_ij C_kl C_mn`` over the ways to make indices equal: all six; four and two; three and three; in
        pairs.
    """

    n: int
    trace: float
    square: float
    diagonal_square: float
    sixth: float
    fourth: float
    third: float
    second: float


class Cumulants(NamedTuple):
    """Mean, variance and third cumulant over all permutations, each float64 (m,), one for each gene."""

    mean: np.ndarray
    variance: np.ndarray
    third: np.ndarray


def added(first: Cumulants, second: Cumulants) -> Cumulants:
    """Cumulants of a sum of independent forms, for example of two slices."""
    return Cumulants(*(one + two for one, two in zip(first, second, strict=True)))


def moments_of_graph(matrix: sp.csr_matrix) -> Moments:
    """Moments of a symmetric sparse matrix (n, n)."""
    n = matrix.shape[0]
    matrix = sp.csr_matrix(matrix, dtype=np.float64)
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    total = float(sums.sum())
    squares = matrix.multiply(matrix)
    row_squares = np.asarray(squares.sum(axis=1)).ravel()
    trace = float(matrix.diagonal().sum()) - total / n
    shift = trace / (n - 1)
    square = float(row_squares.sum() - 2 / n * (sums @ sums) + (total / n) ** 2)
    # tr((P A)^3) by inclusion and exclusion of the projection on the mean
    cube = float((matrix @ matrix).multiply(matrix).sum()) - 3 * float(sums @ (matrix @ sums)) / n
    cube += 3 * float(sums @ sums) * total / n**2 - (total / n) ** 3
    cube += -3 * shift * square + 3 * shift**2 * trace - shift**3 * (n - 1)
    # beside its diagonal, C_ij = A_ij - g_i - g_j
    g = sums / n - total / (2 * n**2) - shift / (2 * n)
    before = matrix.diagonal() - 2 * g
    diagonal = before - shift
    rows = row_squares - 2 * g * sums - 2 * (matrix @ g) + n * g**2 + 2 * g * g.sum() + g @ g - before**2 + diagonal**2
    cubes = squares.multiply(matrix).sum() - 6 * (g @ row_squares) + 6 * (g**2 @ sums) + 6 * (g @ (matrix @ g))
    cubes += -2 * n * (g**3).sum() - 6 * (g @ g) * g.sum() - (before**3).sum() + (diagonal**3).sum()
    outer = diagonal @ (matrix @ diagonal) - shift * (diagonal @ diagonal)
    return _moments(n, trace, square, diagonal, rows, float(cubes), float(outer), cube)


def moments_of_basis(basis: np.ndarray) -> Moments:
    """Moments of the projection ``basis @ basis.T``: orthonormal columns (n, r) with mean 0."""
    n, rank = basis.shape
    shift = rank / (n - 1)
    before = (basis**2).sum(axis=1) + shift / n
    diagonal = before - shift
    rows = (before - shift / n) + shift**2 / n - before**2 + diagonal**2
    triple = np.einsum("ia,ib,ic->abc", basis, basis, basis, optimize=True)
    cubes = (triple**2).sum() + 3 * shift / n * rank + shift**3 / n - (before**3).sum() + (diagonal**3).sum()
    outer = ((basis.T @ diagonal) ** 2).sum() - shift * (diagonal @ diagonal)
    cube = rank - 3 * shift * rank + 3 * shift**2 * rank - shift**3 * (n - 1)
    return _moments(n, float(rank), float(rank), diagonal, rows, float(cubes), float(outer), cube)


def _moments(
    n: int,
    trace: float,
    square: float,
    diagonal: np.ndarray,
    rows: np.ndarray,
    cubes: float,
    outer: float,
    cube: float,
) -> Moments:
    """Count the ways: 12 of 15 pairs beside four join two factors, the others give the trace, which is 0."""
    return Moments(
        n,
        trace,
        square - trace**2 / (n - 1),
        float(diagonal @ diagonal),
        float((diagonal**3).sum()),
        12 * float(diagonal @ rows),
        4 * cubes + 6 * outer,
        8 * cube,
    )


def cumulants(moments: Moments, values: np.ndarray) -> Cumulants:
    """Cumulants of ``z^T A z`` over all permutations of each column of centred values (n, m).

    Parameters
    ----------
    moments
        Of the matrix A.
    values
        Float64 (n, m), each column with mean 0, n at least 6.
    """
    n, square, diagonal_square = moments.n, moments.square, moments.diagonal_square
    powers = values * values
    second, third = powers.sum(axis=0), (powers * values).sum(axis=0)
    sixth = (powers**3).sum(axis=0)
    fourth = (powers**2).sum(axis=0)
    # Kazi-Aoual et al., Comput. Stat. Data Anal. 20 (1995), with z z^T as the second matrix
    variance = 2 * square * second**2 / (n**2 - 1)
    tails = n * (n + 1) * diagonal_square - 2 * (n - 1) * square
    variance = variance + tails * (n * (n + 1) * fourth - 3 * (n - 1) * second**2) / (
        (n + 1) * n * (n - 1) * (n - 2) * (n - 3)
    )
    of_matrix = np.array([moments.sixth, moments.fourth, moments.third, moments.second])
    of_values = np.array([sixth, fourth * second, third**2, second**3])
    return Cumulants(
        moments.trace * second / (n - 1), np.maximum(variance, 0.0), of_matrix @ _coefficients(n) @ of_values
    )


def _coefficients(n: int) -> np.ndarray:
    """Weights (4, 4) of a product of sums over a matrix and sums over values in the third moment over permutations."""
    falling = np.cumprod(np.arange(n, n - FEWEST, -1, dtype=np.float64))
    return np.asarray(np.tensordot(1 / falling, _counts(), axes=1))


@cache
def _counts() -> np.ndarray:
    """Integers (6, 4, 4) of the Weingarten calculus of the symmetric group, for six indices and no index alone.

    Over permutations, the mean of a product of six values is a sum over pairs of partitions of the six: those that
    the indices of the matrix obey, and those of the power sums. Entry b belongs to common refinements with b + 1
    blocks, the rows and columns to blocks of sizes 6, 4 + 2, 3 + 3 and 2 + 2 + 2.
    """
    everything = list(_partitions(FEWEST))
    kinds: list[list[tuple[int, ...]]] = [[], [], [], []]
    order = {(6,): 0, (4, 2): 1, (3, 3): 2, (2, 2, 2): 3}
    for blocks in everything:
        sizes = tuple(sorted(np.bincount(blocks).tolist(), reverse=True))
        if sizes in order:
            kinds[order[sizes]].append(blocks)
    counts = np.zeros((FEWEST, 4, 4))
    for finer in everything:
        sums = np.array([sum(_mobius(finer, coarser) for coarser in kind) for kind in kinds])
        sizes_of = np.array([len(kind) for kind in kinds])
        counts[max(finer)] += np.outer(sums / sizes_of, sums)
    return counts


def _partitions(n: int) -> list[tuple[int, ...]]:
    """All partitions of n things, as the number of the block of each."""
    found: list[tuple[int, ...]] = [(0,)]
    for _ in range(n - 1):
        found = [(*blocks, block) for blocks in found for block in range(max(blocks) + 2)]
    return found


def _mobius(finer: tuple[int, ...], coarser: tuple[int, ...]) -> int:
    """Moebius function of the lattice of partitions, 0 where the first is no refinement of the second."""
    pairs = set(zip(finer, coarser, strict=True))
    if len(pairs) > max(finer) + 1:
        return 0
    signs = (-1, 1, -1, 2, -6, 24, -120)
    pieces = np.bincount([block for _, block in pairs])
    return int(np.prod([signs[count] for count in pieces]))


def upper_tail(observed: np.ndarray, expected: Cumulants) -> np.ndarray:
    """P-value of a form as large as ``observed`` (m,): Pearson type III with the given cumulants; nan without spread.

    A negative skewness counts as none: its distribution ends somewhere, and a p-value would jump to 0 there. Nothing
    is below 1e-300.
    """
    from scipy.stats import pearson3

    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(expected.variance)
        z = (observed - expected.mean) / spread
        skew = np.maximum(expected.third / spread**3, 0.0)
    known = np.isfinite(z) & np.isfinite(skew)
    found = np.full(np.shape(observed), np.nan)
    found[known] = np.clip(pearson3.sf(z[known], skew[known]), SMALLEST, 1.0)
    return found


def cauchy_combination(pvalues: np.ndarray) -> np.ndarray:
    """One p-value (m,) of several tests (k, m) of the same hypothesis, dependent in any way; nan is no test.

    Liu and Xie, J. Am. Stat. Assoc. 115 (2020), with equal weights. A p-value near 1 would outweigh a small one, so
    nothing counts as more than .95.
    """
    pvalues = np.asarray(pvalues, dtype=np.float64)
    tested = ~np.isnan(pvalues)
    bounded = np.clip(np.where(tested, pvalues, 0.5), SMALLEST, 0.95)
    # 1 / (pi p) is the tangent where it would overflow
    terms = np.where(bounded < 1e-15, 1 / (np.pi * bounded), np.tan((0.5 - np.maximum(bounded, 1e-15)) * np.pi))
    count = tested.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(tested, terms, 0.0).sum(axis=0) / count
        found = np.where(mean > 1e15, 1 / (np.pi * mean), 0.5 - np.arctan(mean) / np.pi)
    return np.where(count > 0, np.clip(found, SMALLEST, 1.0), np.nan)
