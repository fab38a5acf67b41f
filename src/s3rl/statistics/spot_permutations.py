"""Linear scores of genes when the spots are exchanged: what a denoiser alone would make of tissue without a pattern.

A score of a gene is ``w @ H @ x`` for weights w over the spots, a symmetric denoiser H and the values x of the gene.
Exchanging the spots of x under H is exchanging the rows of ``H @ w``, so that a permutation costs one sparse product
for all genes, and genes that go together keep going together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from s3rl.statistics.permutations import permutation

if TYPE_CHECKING:
    import scipy.sparse as sp

# columns of permuted weights in one product
_COLUMNS = 64


def contrasts(codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Weights (n, q) of the mean of each group less the mean of all other grouped spots; code -1 is no group."""
    named = codes >= 0
    weights = np.zeros((len(codes), n_groups))
    for group in range(n_groups):
        own = codes == group
        weights[own, group] = 1.0 / max(own.sum(), 1)
        weights[named & ~own, group] = -1.0 / max((named & ~own).sum(), 1)
    return weights


def gene_scale(values: sp.csr_matrix) -> np.ndarray:
    """Standard deviation of each gene over the spots, float64 (g,); genes that do not vary have infinity."""
    n = values.shape[0]
    mean = np.asarray(values.sum(axis=0)).ravel() / n
    square = np.asarray(values.astype(np.float64).power(2).sum(axis=0)).ravel() / n
    variance = np.maximum(square - mean**2, 0.0)
    return np.where(variance > 1e-12 * np.maximum(square, 1e-300), np.sqrt(variance), np.inf)


def permuted_scores(
    values: sp.csr_matrix, weights: np.ndarray, count: int, seed: int, strata: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield the scores (g, m, q) of a few permutations at a time, ``count`` in all.

    Parameters
    ----------
    values
        Expression, sparse (n, g).
    weights
        Denoised weights ``H @ w``, float (n, q).
    count, seed
        Number of permutations and seed of their streams.
    strata
        Codes (n,) of the spots that may be exchanged with each other.
    """
    transposed = values.T.tocsr()
    n, q = weights.shape
    at_once = max(1, _COLUMNS // q)
    for first in range(0, count, at_once):
        numbers = range(first, min(first + at_once, count))
        columns = np.concatenate([weights[permutation(seed, number, n, strata)] for number in numbers], axis=1)
        yield np.asarray(transposed @ columns).reshape(-1, len(numbers), q)
