"""Denoised expression: what the embedding says of a gene, and what the spot's own counts add to it.

Two steps of empirical Bayes, in shares of a spot's total. The share of a gene is a linear function of the embedding
whose coefficients are shrunk by how much of them is noise: as much as the directions of the embedding say over all
genes, and the gene over all directions. Around this expectation the true share is taken to be gamma distributed and
the counts to be Poisson; the denoised share is the mean of what the counts leave possible. How wide the gamma is, each
gene's counts say, and where they say little, what is usual among the genes: one that the embedding explains keeps its
expectation, and one that varies beyond it follows its own counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

ROWS_AT_ONCE = 2048
# A linear expectation can fall below zero where a gene is rare; .05 to .3 measure alike.
_LEAST_OF_MEAN = 0.2
_DIRECTIONS = 1e-3
# Of the gamma distribution around the expectation: from a gene that is here and there to one that is as expected.
_CONCENTRATIONS = tuple(0.0625 * 3.0**power for power in range(8))
_ROUNDS = 50
# Least counts that a spot's smallest value may stand for.
_UNITS = (1, 2, 3)
_WHOLE = 1e-3
_ROUNDING = 4e-6
_EXCEPTIONS = 0.01


class Measured(NamedTuple):
    """Expression before its logarithm.

    Attributes
    ----------
    values
        csr_matrix float64 (n, g): counts, or shares of the spot's total where these cannot be known.
    totals
        (n,): sums of ``values``, above zero.
    scale
        (n,): sums of the normalised expression.
    counted
        Whether ``values`` are counts.
    """

    values: sp.csr_matrix
    totals: np.ndarray
    scale: np.ndarray
    counted: bool


def measured_of(x: sp.csr_matrix) -> Measured:
    """Undo ``log1p(counts * factor of the spot)`` for expression (n, g).

    The factor is the smallest value of a spot, which stands for one count, as long as all others are whole multiples
    of it. Expression that was made in another way has no such unit.
    """
    values = sp.csr_matrix(x, dtype=np.float64, copy=True)
    values.eliminate_zeros()
    values.data = np.expm1(values.data)
    scale = np.maximum(np.asarray(values.sum(axis=1)).ravel(), 1e-12)
    unit = _units(values)
    failed = np.isnan(unit)
    if failed.mean() > _EXCEPTIONS:
        values.data /= np.repeat(scale, np.diff(values.indptr))
        return Measured(values, np.ones(len(scale)), scale, counted=False)
    usual = max(float(np.median((scale / unit)[~failed])), 1.0)
    values.data = np.rint(values.data / np.repeat(np.where(failed, scale / usual, unit), np.diff(values.indptr)))
    return Measured(values, np.maximum(np.asarray(values.sum(axis=1)).ravel(), 1e-12), scale, counted=True)


def _units(values: sp.csr_matrix) -> np.ndarray:
    """Value of one count in each spot (n,), nan where there is none; 1 for an empty spot."""
    filled = np.diff(values.indptr) > 0
    unit = np.ones(values.shape[0])
    if not filled.any():
        return unit
    starts = values.indptr[:-1][filled]
    least = np.minimum.reduceat(values.data, starts)
    found = np.full(len(least), np.nan)
    for count in _UNITS:
        ratio = values.data / np.repeat(least / count, np.diff(values.indptr)[filled])
        off = np.abs(ratio - np.rint(ratio)) > _WHOLE + _ROUNDING * ratio
        whole = ~np.logical_or.reduceat(off, starts)
        found = np.where(np.isnan(found) & whole, least / count, found)
    unit[filled] = found
    return unit


def share_readout(z: np.ndarray, measured: Measured) -> np.ndarray:
    """How the share of each gene depends on the embedding.

    Coefficients come from least squares weighted by the totals of the spots. In an orthonormal basis of the embedding
    each has the same noise, the residual variance of its gene and no less than that of counts; what their squares have
    beyond it, over all genes, is how much a direction says, and over all directions how much a gene follows. A
    coefficient keeps the share of its square that this explains.

    Parameters
    ----------
    z
        Embedding (n, d).
    measured
        Expression (n, g).

    Returns
    -------
    float32 (g, d + 2): mean share, constant, and a coefficient for each channel of the embedding.
    """
    n, totals = len(z), measured.totals
    root = np.sqrt(totals)
    mean = np.asarray(measured.values.sum(axis=0)).ravel() / totals.sum()
    centre = totals @ z / totals.sum()
    left, sizes, right = np.linalg.svd(root[:, None] * (z.astype(np.float64) - centre), full_matrices=False)
    kept = sizes > max(sizes.max(initial=0.0) * _DIRECTIONS, 1e-12)
    left, turned = left[:, kept], right[kept].T / sizes[kept]
    response = sp.csc_matrix(sp.diags(1 / root) @ measured.values)
    coefficients = np.asarray((response.T @ left).T)
    squares = np.asarray(response.multiply(response).sum(axis=0)).ravel() - mean**2 * totals.sum()
    noise = (squares - (coefficients**2).sum(axis=0)) / max(n - len(coefficients) - 1, 1)
    noise = np.maximum(noise, np.maximum(mean if measured.counted else 0.0, 1e-30))
    shrunk = _shrunk(coefficients / np.sqrt(noise)) * np.sqrt(noise)
    slopes = (turned @ shrunk).T
    return np.column_stack([mean, mean - slopes @ centre, slopes]).astype(np.float32)


def _shrunk(scores: np.ndarray) -> np.ndarray:
    """Shrink scores (k, g), each a signal with noise of variance 1, in the directions that all genes share."""
    if not scores.size:
        return scores
    turn = np.linalg.eigh(scores @ scores.T)[1]
    turned = turn.T @ scores
    excess = turned**2 - 1
    direction = np.maximum(excess.mean(axis=1), 0)
    strength = max(float(direction @ direction), 1e-12)
    gene = direction @ excess / strength
    # a gene whose own strength is mostly chance takes that of all genes, which is 1
    beyond = max(float(gene.var()) - 2 / strength, 0.0)
    gene = np.maximum((beyond * gene + 2 / strength) / (beyond + 2 / strength), 0)
    signal = direction[:, None] * gene
    return turn @ (signal / (signal + 1) * turned)


def posterior(z: np.ndarray, measured: Measured, readout: np.ndarray) -> np.ndarray:
    """Denoised log-normalised expression float32 (n, g).

    Parameters
    ----------
    z
        Embedding (n, d).
    measured
        Expression (n, g); a gene without any count is taken for one that was not measured.
    readout
        What ``share_readout`` returned, of these or of other spots.
    """
    n, g = measured.values.shape
    seen = np.diff(sp.csc_matrix(measured.values).indptr) > 0
    weights = _concentrations(z, measured, readout, seen) if measured.counted else None
    out = np.zeros((n, g), dtype=np.float32)
    for rows in _blocks(n):
        shares = _expected(z[rows], readout, seen)
        if weights is not None:
            counts, totals = measured.values[rows].toarray()[:, seen], measured.totals[rows]
            shares[:, seen] = _updated(shares[:, seen], counts, totals, weights)
        shares /= np.maximum(shares[:, seen].sum(axis=1), 1e-30)[:, None]
        out[rows] = np.log1p(measured.scale[rows, None] * shares)
    return out


def _concentrations(z: np.ndarray, measured: Measured, readout: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How likely each concentration is for each measured gene (k, m), given its counts and how often it is at all."""
    likelihood = np.zeros((len(_CONCENTRATIONS), int(seen.sum())))
    for rows in _blocks(len(z)):
        expected = measured.totals[rows, None] * _expected(z[rows], readout, seen)[:, seen]
        counts = sp.coo_matrix(measured.values[rows][:, seen])
        own = np.maximum(expected[counts.row, counts.col], 1e-12)
        expected = expected.astype(np.float32)
        for place, value in enumerate(_CONCENTRATIONS):
            # negative binomial: what all spots have, and what those with counts have besides
            likelihood[place] -= value * np.log1p(expected / np.float32(value)).sum(axis=0, dtype=np.float64)
            besides = gammaln(counts.data + value) - gammaln(value) - counts.data * np.log1p(value / own)
            likelihood[place] += np.bincount(counts.col, besides, minlength=likelihood.shape[1])
    odds = np.exp(likelihood - likelihood.max(axis=0, initial=-np.inf))
    usual = np.full(len(odds), 1 / len(odds))
    for _ in range(_ROUNDS if odds.shape[1] else 0):
        weights = usual[:, None] * odds
        weights /= weights.sum(axis=0)
        usual = weights.mean(axis=1)
    weights = usual[:, None] * odds
    return np.asarray(weights / np.maximum(weights.sum(axis=0), 1e-300))


def _expected(z: np.ndarray, readout: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Expected shares (m, g) that sum to one over the measured genes."""
    mean, constant, slopes = readout[:, 0], readout[:, 1], readout[:, 2:]
    shares = np.maximum(constant + z.astype(np.float64) @ slopes.T.astype(np.float64), _LEAST_OF_MEAN * mean)
    return shares / np.maximum(shares[:, seen].sum(axis=1), 1e-30)[:, None]


def _updated(shares: np.ndarray, counts: np.ndarray, totals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means (m, g) of gamma distributed shares after Poisson counts, over concentrations as likely as ``weights``."""
    expected, factor = totals[:, None] * shares, np.zeros_like(shares)
    for value, weight in zip(_CONCENTRATIONS, weights, strict=True):
        factor += weight * ((counts + value) / (expected + value))
    return shares * factor


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + ROWS_AT_ONCE) for start in range(0, n, ROWS_AT_ONCE)]
