"""P-values beyond the reach of a few permutations, from the moments of what they gave."""

from __future__ import annotations

import numpy as np

from s3rl.statistics.multiple import permutation_pvalue
from s3rl.statistics.quadratic import Cumulants, upper_tail

# with fewer permutations than that above the observed value the share says little
_ENOUGH = 10


class PermutedTail:
    """How far 0 lies in the upper tail of permuted values, for an array of tests.

    Where at least 10 permutations reach 0 the p-value is their share; elsewhere a Pearson type III distribution with
    the mean, the variance and the skewness of all permutations gives it (Winkler et al., NeuroImage 141, 2016), so
    that many tests can be told apart after a few hundred permutations.

    Parameters
    ----------
    shape
        Of the array of tests.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._count = 0
        self._hits = np.zeros(shape)
        self._first = np.zeros(shape)
        self._powers = np.zeros((3, *shape))

    def add(self, values: np.ndarray, tie: np.ndarray | float = 0.0) -> None:
        """One permutation: the values, of the shape of the tests, and how near to 0 counts as equal."""
        if self._count == 0:
            # powers around a value of the right size keep their digits
            self._first = values
        self._count += 1
        self._hits += values >= -tie
        shifted = values - self._first
        for power in range(3):
            self._powers[power] += shifted ** (power + 1)

    def pvalues(self) -> np.ndarray:
        """Of the shape of the tests."""
        n = self._count
        share = permutation_pvalue(self._hits, n)
        if n <= _ENOUGH:
            return share
        first, second, third = self._powers / n
        variance = np.maximum(second - first**2, 0.0)
        cumulant = third - 3 * first * second + 2 * first**3
        moments = Cumulants(first + self._first, variance * n / (n - 1), cumulant)
        fitted = upper_tail(np.zeros(share.shape), moments)
        # permutations that all give the same say no more than their number
        spread = np.sqrt(moments.variance) > 1e-12 * np.abs(moments.mean)
        return np.where((self._hits >= _ENOUGH) | ~spread | np.isnan(fitted), share, fitted)
