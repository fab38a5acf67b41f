"""How far an enrichment score goes by chance: sets of as many genes at random places of the same ranking.

Random sets of one size are the beginnings of those of the next size, as in fgsea, so that thousands of sets share
them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from s3rl.statistics.multiple import permutation_pvalue


class Preranked(NamedTuple):
    """What :func:`preranked` returns.

    Attributes
    ----------
    nes
        Enrichment scores divided by the mean size of the random ones of the same sign, float64 (t,).
    pvalue
        Twice the smaller of the two tails, at most 1, float64 (t,). Where random scores are as often positive as
        negative, this is the p-value among those of the same sign; it also holds where they are not.
    """

    nes: np.ndarray
    pvalue: np.ndarray


def random_places(genes: int, widest: int, count: int, draw: np.random.Generator) -> np.ndarray:
    """Places of ``widest`` different genes of ``genes``, int32 (count, widest), for all rankings of these genes."""
    places = np.empty((count, widest), dtype=np.int32)
    for row in places:
        row[:] = draw.choice(genes, widest, replace=False)
    return places


def preranked(scores: np.ndarray, found: np.ndarray, sizes: np.ndarray, places: np.ndarray, weight: float) -> Preranked:
    """Compare enrichment scores with those of random sets.

    Parameters
    ----------
    scores
        Float (g,), from the highest to the lowest.
    found, sizes
        Enrichment score (t,) and number of genes (t,) of each set.
    places
        Places of random genes (m, k), k at least the largest size: :func:`random_places`.
    weight
        Exponent of the scores.
    """
    power = np.abs(np.asarray(scores, dtype=np.float64)) ** weight
    nes, pvalue = np.empty(len(found)), np.empty(len(found))
    for size in np.unique(sizes):
        null = _scores(np.sort(places[:, :size], axis=1), power)
        for row in np.flatnonzero(sizes == size):
            same = null[null * found[row] > 0]
            nes[row] = found[row] / (np.abs(same).mean() if same.size else np.abs(null).mean())
            tail = min((null >= found[row] - 1e-12).sum(), (null <= found[row] + 1e-12).sum())
            pvalue[row] = min(1.0, 2 * float(permutation_pvalue(tail, len(places))))
    return Preranked(nes, pvalue)


def _scores(places: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Enrichment score (m,) of genes at places (m, k), ascending within a row."""
    genes, count = len(power), places.shape[1]
    steps = power[places]
    total = steps.sum(axis=1, keepdims=True)
    up = np.cumsum(np.divide(steps, total, out=np.full(steps.shape, 1.0 / count), where=total > 0), axis=1)
    down = (places - np.arange(count)) / (genes - count)
    highest = (up - down).max(axis=1)
    lowest = np.minimum((np.hstack([np.zeros((len(up), 1)), up[:, :-1]]) - down).min(axis=1), 0.0)
    return np.where(highest > np.abs(lowest), highest, lowest)
