"""Counts held out of a denoiser: how they are drawn, and how well predicted shares of a spot's total explain them.

Binomial thinning of Poisson counts gives parts that are independent given the rates, so that what one part predicts
can be judged by another. Every prediction goes the same way from values to probabilities: rows sum to one, genes have
the totals of the counts that were kept, and a weight of each gene's mean share, chosen on a third part, stands for what
the prediction has excluded without reason.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

MIXING = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Weights of the mean shares among which one is chosen."""

_TINY = 1e-300
_ROUNDS = 2


class Part(NamedTuple):
    """Counts to be explained.

    Attributes
    ----------
    counts
        coo_matrix float64 (n, g).
    totals
        (n,).
    """

    counts: sp.coo_matrix
    totals: np.ndarray

    @classmethod
    def of(cls, counts: sp.spmatrix) -> Part:
        """Counts (n, g) as a part."""
        values = sp.coo_matrix(counts, dtype=np.float64)
        values.eliminate_zeros()
        return cls(values, np.asarray(values.sum(axis=1)).ravel())


def thin(counts: sp.spmatrix, share: float, rng: np.random.Generator) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Keep each count with probability ``share``: csr_matrix int64 (n, g) of those kept, and of the others."""
    whole = sp.csr_matrix(counts, copy=True)
    whole.sum_duplicates()
    whole.sort_indices()
    number = np.rint(whole.data).astype(np.int64)
    chosen = rng.binomial(number, share)
    kept, rest = (
        sp.csr_matrix((data, whole.indices.copy(), whole.indptr.copy()), whole.shape)
        for data in (chosen, number - chosen)
    )
    kept.eliminate_zeros()
    rest.eliminate_zeros()
    return kept, rest


def balanced(shares: np.ndarray, totals: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Scale shares (n, g), in place, until rows sum to one and genes have their ``sums`` over spots of ``totals``."""
    _normalise(shares)
    for _ in range(_ROUNDS):
        expected = totals @ shares
        shares *= np.where(expected > 0, sums / np.where(expected > 0, expected, 1), 1)
        _normalise(shares)
    return shares


def _normalise(shares: np.ndarray) -> None:
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-30)


def mean_shares(counts: sp.spmatrix) -> np.ndarray:
    """Share of each gene (g,) in all counts, half a count added to each, so that none is impossible."""
    sums = np.asarray(counts.sum(axis=0)).ravel() + 0.5
    return np.asarray(sums / sums.sum())


def log_likelihood(shares: np.ndarray, mean: np.ndarray, mixing: float, part: Part) -> np.ndarray:
    """Poisson log-likelihood of the counts of each spot (n,), given its total.

    Parameters
    ----------
    shares
        Predicted (n, g), rows sum to one.
    mean
        Mean shares (g,).
    mixing
        Weight of the mean shares.
    part
        Counts to be explained.
    """
    row, column, count = part.counts.row, part.counts.col, part.counts.data
    chance = (1 - mixing) * shares[row, column].astype(np.float64) + mixing * mean[column]
    terms = count * np.log(np.maximum(part.totals[row] * chance, _TINY)) - gammaln(count + 1)
    return np.bincount(row, terms, minlength=len(part.totals)) - part.totals


def best_mixing(shares: np.ndarray, mean: np.ndarray, part: Part) -> tuple[float, float]:
    """The weight that explains a part best, and its log-likelihood for each count."""
    row, column, count = part.counts.row, part.counts.col, part.counts.data
    own, usual = shares[row, column].astype(np.float64), mean[column]
    found = [float(count @ np.log(np.maximum((1 - weight) * own + weight * usual, _TINY))) for weight in MIXING]
    weight = MIXING[int(np.argmax(found))]
    return weight, float(log_likelihood(shares, mean, weight, part).sum()) / max(float(part.totals.sum()), 1.0)


def deviance(likelihood: float, part: Part) -> float:
    """Deviance for each count: twice the distance of the log-likelihood from that of the counts themselves."""
    row, count = part.counts.row, part.counts.data
    most = float((count * np.log(count) - gammaln(count + 1)).sum() - part.totals.sum())
    return 2 * (most - likelihood) / max(float(len(row) and part.totals.sum()), 1.0)


def gene_correlations(shares: np.ndarray, part: Part, genes: np.ndarray) -> np.ndarray:
    """Pearson correlation (m,) of predicted with counted shares over the spots, weighted by the spots' totals.

    A logarithm would correlate through the totals alone, since that of zero does not depend on them; the weights give
    each count the same say. A prediction without variation is nan.
    """
    weights = part.totals / part.totals.sum()
    counted = sp.csc_matrix(part.counts)[:, genes].toarray() / np.maximum(part.totals, 1)[:, None]
    predicted = shares[:, genes].astype(np.float64)
    counted -= weights @ counted
    predicted -= weights @ predicted
    length = np.sqrt((weights @ counted**2) * (weights @ predicted**2))
    return np.divide(weights @ (counted * predicted), length, out=np.full(len(genes), np.nan), where=length > 1e-15)


def areas_under_curve(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Chance (m,) that a spot inside, boolean (n,), has a higher value (n, m) than one outside; ties count half."""
    from scipy.stats import rankdata

    within, without = int(inside.sum()), int((~inside).sum())
    ranks = rankdata(values, axis=0)[inside].sum(axis=0)
    return np.asarray((ranks - within * (within + 1) / 2) / max(within * without, 1))


def wilson(hits: int, tests: int, units: int) -> tuple[float, float]:
    """95 % interval of a share of hits among tests which fall into so many independent units."""
    share, n, z = hits / max(tests, 1), max(units, 1), 1.959963984540054
    centre, width = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return float((centre - width) / (1 + z**2 / n)), float((centre + width) / (1 + z**2 / n))
