"""Spearman correlation of many variables with one, and how many independent spots it rests on."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

_CLASSES = 30
_MOST_SPOTS = 1500
_FEWEST_EFFECTIVE = 3.0


def unit_ranks(values: np.ndarray) -> np.ndarray:
    """Mid-ranks of each column (n, m), centred and of unit length; a column without variation is nan."""
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    return unit(ranks)


def unit(values: np.ndarray) -> np.ndarray:
    """Columns (n, m) centred and of unit length; one without variation, but for rounding, is nan."""
    centred = np.asarray(values, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    level = np.abs(values).max(axis=0, initial=0.0) * np.sqrt(len(centred))
    return np.asarray(centred / np.where(length > 1e-6 * np.maximum(level, 1e-300), length, np.nan))


def sparse_ranks(values: sp.csc_matrix) -> sp.csc_matrix:
    """Mid-ranks of each column (n, m) less the rank of zero, with the entries of ``values``, which are not negative."""
    from scipy.stats import rankdata

    found = values.astype(np.float64).copy()
    found.sum_duplicates()
    found.eliminate_zeros()
    n = found.shape[0]
    for start, stop in zip(found.indptr[:-1], found.indptr[1:], strict=True):
        zeros = n - (stop - start)
        # without a zero the rank of zero would be 1/2, below the first
        found.data[start:stop] = zeros + rankdata(found.data[start:stop]) - (zeros + 1) / 2
    return found


def correlation_pvalue(r: np.ndarray, n: np.ndarray | float) -> np.ndarray:
    """Two-sided p-value of a correlation over ``n`` independent spots, by Student's t with n - 2 degrees of freedom."""
    from scipy.stats import t

    r, freedom = np.asarray(r, dtype=np.float64), np.asarray(n, dtype=np.float64) - 2
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.abs(r) * np.sqrt(freedom / np.maximum((1 - r) * (1 + r), 0.0))
    return np.asarray(2 * t.sf(statistic, freedom))


class EffectiveSize:
    """How many independent spots a correlation of two autocorrelated variables rests on.

    The variance of the correlation is the sum over all pairs of spots of the product of both autocorrelations at
    their distance, divided by n squared; its inverse and one is the number of spots (Clifford, Richardson and Hémon,
    Biometrics 1989). The autocorrelations are means over 30 classes of distance, of at most 1,500 spots.

    Parameters
    ----------
    unit_target
        Float (n,): the variable that all others are compared with, centred and of unit length.
    xy
        Float (n, 2) coordinates.
    slices
        Int (n,): spots of different slices count as independent.
    rng
        Draws the spots where there are more.
    """

    def __init__(self, unit_target: np.ndarray, xy: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> None:
        from scipy.spatial.distance import cdist

        self.n = len(xy)
        few = self.n <= _MOST_SPOTS
        self.spots = np.arange(self.n) if few else np.sort(rng.choice(self.n, _MOST_SPOTS, replace=False))
        target = unit(unit_target[self.spots])
        distance = cdist(xy[self.spots], xy[self.spots])
        width = max(distance.max(), 1e-300) / _CLASSES
        classes = np.minimum(distance / width, _CLASSES - 1).astype(np.int64) + 1
        np.fill_diagonal(classes, 0)
        count = np.bincount(classes.ravel(), minlength=_CLASSES + 1)
        product = np.bincount(classes.ravel(), np.outer(target, target).ravel(), minlength=_CLASSES + 1)
        correlogram = len(self.spots) * product / np.maximum(count, 1)
        apart = slices[self.spots][:, None] != slices[self.spots]
        self.weights = np.where(apart, 0.0, correlogram[classes]).astype(np.float32)

    def __call__(self, unit_values: np.ndarray) -> np.ndarray:
        """Number of independent spots, from 3 to n, for each column of ``unit_values`` (n, m)."""
        own = unit(unit_values[self.spots]).astype(np.float32)
        variance = (own * (self.weights @ own)).sum(axis=0, dtype=np.float64) / len(self.spots)
        # the classes hold few spots where all are few, and say less than that there are n of them
        size = 1.0 + 1.0 / np.maximum(variance, 1.0 / self.n)
        return np.where(np.isnan(variance), np.nan, np.clip(size, min(_FEWEST_EFFECTIVE, self.n), self.n))
