"""Permutation tests of weighted sums over spots, raw or denoised by a symmetric matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from s3rl.statistics.multiple import permutation_pvalue
from s3rl.statistics.permutations import permutation
from s3rl.statistics.readout import Readout

_BATCH = 64


def linear_pvalues(
    values: sp.csc_matrix,
    weights: np.ndarray,
    rows: np.ndarray,
    strata: np.ndarray,
    denoiser: Readout | None = None,
    *,
    seed: int,
    count: int,
) -> np.ndarray:
    """Two-sided p-values of ``weights @ H @ values`` where the spots of a stratum could be exchanged, float64 (m,).

    Two things may have nothing to do with the place. If it is the gene, its values are exchanged before H, which for a
    symmetric H is exchanging ``H @ weights``. If it is the weights, they are exchanged, and the gene stays the part of
    the tissue that it is. The larger one of both p-values is returned; without H they are one and the same. The
    expectation over all permutations is taken off.
    H must not have seen the values: what they helped to make keeps more of them than of exchanged ones.

    Parameters
    ----------
    values
        csc_matrix (n, m): expression before denoising.
    weights
        Float (n,), zero but for ``rows``.
    rows
        Spots that are exchanged; all others stay as they are.
    strata
        Int codes, one for each of ``rows``.
    denoiser
        H, over all spots; None is one.
    seed, count
        Permutations; number k is the same whatever the weights.
    """
    across = sp.csr_matrix(values.T)
    weights = np.asarray(weights, dtype=np.float64).copy()
    weights[rows] = _centred(weights[rows], strata)
    smooth = weights if denoiser is None else denoiser.smooth(weights[:, None])[:, 0]
    of_gene, of_weights = _centred(smooth[rows], strata), weights[rows]
    own, lengths = across[:, rows], np.sqrt(np.asarray(values.multiply(values).sum(axis=0)).ravel())
    slack = 1e-9 * lengths * np.linalg.norm(weights)
    observed = [np.abs(own @ of_gene) - slack, np.abs(across @ smooth) - slack]
    hits = np.zeros((2, len(lengths)), dtype=np.int64)
    for orders in _batches(seed, count, len(rows), strata):
        hits[0] += (np.abs(own @ of_gene[orders]) >= observed[0][:, None]).sum(axis=1)
        if denoiser is not None:
            moved = denoiser.basis[rows].T @ of_weights[orders]
            null = (across @ denoiser.basis) @ (denoiser.gain[:, None] * moved)
            hits[1] += (np.abs(null) >= observed[1][:, None]).sum(axis=1)
    return np.where(lengths > 0, permutation_pvalue(hits.max(axis=0), count), np.nan)


def _centred(values: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Values less the mean of their stratum."""
    codes = np.unique(strata, return_inverse=True)[1].ravel()
    return np.asarray(values - (np.bincount(codes, values) / np.bincount(codes))[codes])


def _batches(seed: int, count: int, n: int, strata: np.ndarray) -> Iterator[np.ndarray]:
    """Permutations (n, b) of a few numbers at a time."""
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        yield np.stack([permutation(seed, number, n, strata) for number in numbers], axis=1)
