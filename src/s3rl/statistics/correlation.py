"""Correlation of genes with patterns over the spots, and what of it a denoiser makes of tissue without any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl.statistics.multiple import permutation_pvalue
from s3rl.statistics.permutations import permutation

if TYPE_CHECKING:
    from s3rl.statistics.readout import Readout


def unit(values: np.ndarray) -> np.ndarray:
    """Columns (n, m) centred and of length 1; a column that does not vary becomes nan."""
    centred = np.asarray(values, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    level = np.abs(values).max(axis=0, initial=0.0) * np.sqrt(len(centred))
    return centred / np.where(length > 1e-6 * np.maximum(level, 1e-300), length, np.nan)


def pearson(values: np.ndarray, patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation (m, k) of columns (n, m) with columns (n, k), and two-sided p-values for independent spots."""
    from scipy.stats import t

    r = np.clip(unit(values).T @ unit(patterns), -1.0, 1.0)
    freedom = max(len(values) - 2, 1)
    with np.errstate(divide="ignore"):
        statistic = np.abs(r) * np.sqrt(freedom / (1.0 - r**2))
    return r, 2 * t.sf(statistic, freedom)


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
