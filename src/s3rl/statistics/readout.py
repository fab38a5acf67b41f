"""A linear denoiser, so that a test can denoise its permuted data in the same way as the observed.

Denoised expression borrows from other spots, so a test that takes spots for independent finds too much in it. Ridge
regression of a gene on the embedding denoises too, and is a fixed symmetric matrix H of rank d + 1. If a gene has
nothing to do with the tissue, its values over the spots could be exchanged; then ``H x`` and ``H x[permutation]`` have
the same distribution, and the share of permutations that reach the observed statistic is an honest p-value, whatever
H borrows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_RIDGE = 1e-2


class Readout(NamedTuple):
    """The matrix ``H = basis @ diag(gain) @ basis.T``, (n, n), in factors.

    Attributes
    ----------
    basis
        Orthonormal columns, float64 (n, r); the first is constant.
    gain
        Float64 (r,), 1 for the constant and between 0 and 1 for the others.
    """

    basis: np.ndarray
    gain: np.ndarray

    def scores(self, values: np.ndarray) -> np.ndarray:
        """``gain * basis.T @ values``: (r, m) of values (n, m), dense or sparse."""
        return self.gain[:, None] * np.asarray((values.T @ self.basis).T)

    def smooth(self, values: np.ndarray) -> np.ndarray:
        """``H @ values``, float64 (n, m), of values (n, m), dense or sparse."""
        return self.basis @ self.scores(values)


def readout(embedding: np.ndarray, ridge: float = _RIDGE) -> Readout:
    """Ridge regression on an embedding (n, d), the mean not penalised.

    Parameters
    ----------
    embedding
        Float (n, d).
    ridge
        Strength, relative to the mean variance of the components.
    """
    centred = np.asarray(embedding, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    kept = values > values.max(initial=0.0) * 1e-10
    left, power = left[:, kept], values[kept] ** 2
    constant = np.full((len(centred), 1), 1 / np.sqrt(len(centred)))
    penalty = ridge * power.sum() / max(centred.shape[1], 1)
    return Readout(np.hstack([constant, left]), np.concatenate([[1.0], power / (power + penalty)]))
