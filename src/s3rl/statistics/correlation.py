"""Correlation of genes with patterns over the spots, and what of it a denoiser makes of tissue without any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl.statistics.multiple import permutation_pvalue
from s3rl.statistics.permutations import permutation
from s3rl.statistics.rank_correlation import correlation_pvalue, unit

if TYPE_CHECKING:
    from s3rl.statistics.readout import Readout


def pearson(values: np.ndarray, patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation (m, k) of columns (n, m) with columns (n, k), and two-sided p-values for independent spots."""
    r = np.clip(unit(values).T @ unit(patterns), -1.0, 1.0)
    return r, correlation_pvalue(r, max(len(values), 3))


def calibrated_pearson(
    values: np.ndarray,
    patterns: np.ndarray,
    denoiser: Readout,
    *,
    n_perms: int,
    seed: int,
    strata: np.ndarray | None = None,
) -> np.ndarray:
    """P-values (m, k) of the correlation of denoised columns with patterns: spots are exchanged before denoising.

    Parameters
    ----------
    values
        Expression before denoising, float (n, m).
    patterns
        Float (n, k).
    denoiser
        Linear denoiser; its constant is left out, since correlation does not see it.
    n_perms, seed, strata
        Permutations, their seed, and codes (n,) of spots that may be exchanged.
    """
    basis, gain = denoiser.basis[:, 1:], denoiser.gain[1:, None]
    projected = basis.T @ unit(patterns)

    def correlation(order: np.ndarray) -> np.ndarray:
        scores = gain * (basis.T @ values[order])
        length = np.linalg.norm(scores, axis=0)
        return np.abs((scores / np.where(length > 0, length, np.nan)).T @ projected)

    observed = correlation(np.arange(len(values)))
    hits = np.zeros(observed.shape)
    for number in range(n_perms):
        hits += correlation(permutation(seed, number, len(values), strata)) >= observed - 1e-12
    return np.where(np.isnan(observed), np.nan, permutation_pvalue(hits, n_perms))
