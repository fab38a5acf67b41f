"""Permutation tests of weighted sums over spots, raw or denoised by a symmetric matrix."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from s3rl.statistics.multiple import permutation_pvalue
from s3rl.statistics.permutations import permutation

_BATCH = 64


def linear_pvalues(
    values: sp.csc_matrix, weights: np.ndarray, strata: np.ndarray, *, seed: int, count: int
) -> np.ndarray:
    """Two-sided p-values of ``weights @ values`` where spots of a stratum could be exchanged, float64 (m,).

    A statistic of denoised values ``weights @ (H @ values)`` has the weights ``H @ weights``, since H is symmetric:
    the permuted values are denoised as the observed ones are. The expectation over all permutations is taken off.

    Parameters
    ----------
    values
        csc_matrix (n, m): expression before denoising.
    weights
        Float (n,).
    strata
        Int codes (n,).
    seed, count
        Permutations; number k is the same whatever the weights.
    """
    centred = np.asarray(weights, dtype=np.float64).copy()
    for code in np.unique(strata):
        centred[strata == code] -= centred[strata == code].mean()
    across = sp.csr_matrix(values.T)
    observed = np.abs(across @ centred)
    lengths = np.sqrt(np.asarray(values.multiply(values).sum(axis=0)).ravel())
    slack = 1e-9 * lengths * np.linalg.norm(centred)
    hits = np.zeros(len(observed), dtype=np.int64)
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        shuffled = np.stack([centred[permutation(seed, number, len(centred), strata)] for number in numbers], axis=1)
        hits += (np.abs(across @ shuffled) >= (observed - slack)[:, None]).sum(axis=1)
    return np.where(lengths > 0, permutation_pvalue(hits, count), np.nan)
