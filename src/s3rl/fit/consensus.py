"""Mixtures on views of the tissue, and their consensus, which needs no training.

The agreement of several mixtures is steadier than any one of them; it gives the prototypes their start, their target
and the sizes they expect.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from s3rl._random import stream

_FITTED_SPOTS = 10_000
_REFINEMENTS = 5
# The likeliest of several starts: the likelihood of a start and its agreement with the others go together.
_STARTS = 3


def mixture_runs(views: Sequence[np.ndarray], n_domains: int, n_mixtures: int, *, seed: int) -> list[np.ndarray]:
    """Fit mixtures to the views in turn.

    Parameters
    ----------
    views
        Arrays (n, k_v).
    n_domains
        Components c of each mixture.
    n_mixtures
        Mixtures in all.
    seed
        Their starts.

    Returns
    -------
    Responsibilities of each, float64 (n, c), rows sum to one, columns in any order.
    """
    return [_responsibilities(views[i % len(views)], n_domains, stream(seed, 3, i)) for i in range(n_mixtures)]


def mixture_consensus(views: Sequence[np.ndarray], n_domains: int, n_mixtures: int, *, seed: int) -> np.ndarray:
    """Vote of :func:`mixture_runs`, float64 (n, c), rows sum to one."""
    return vote(mixture_runs(views, n_domains, n_mixtures, seed=seed))


def vote(runs: Sequence[np.ndarray]) -> np.ndarray:
    """Average soft assignments after matching their columns to the run that agrees best with all others.

    Parameters
    ----------
    runs
        Arrays (n, c), rows sum to one, columns in any order.

    Returns
    -------
    float64 (n, c).
    """
    labels = [run.argmax(axis=1) for run in runs]
    agreement = [np.mean([adjusted_rand_score(a, b) for b in labels]) for a in labels]
    reference = runs[int(np.argmax(agreement))]
    for _ in range(_REFINEMENTS):
        reference = np.mean([_matched(run, reference) for run in runs], axis=0)
    return reference


def _matched(run: np.ndarray, reference: np.ndarray) -> np.ndarray:
    _, columns = linear_sum_assignment(reference.T @ run, maximize=True)
    return run[:, columns]


def _responsibilities(view: np.ndarray, n_domains: int, rng: np.random.Generator) -> np.ndarray:
    """Soft assignment (n, c) by a Gaussian mixture of one shared covariance, fitted to at most 10,000 spots."""
    state = int(rng.integers(2**31 - 1))
    fitted = view if len(view) <= _FITTED_SPOTS else view[np.sort(rng.choice(len(view), _FITTED_SPOTS, replace=False))]
    mixture = tied_mixture(fitted, n_domains, state)
    with threadpool_limits(1):
        return mixture.predict_proba(view)


def tied_mixture(fitted: np.ndarray, n_domains: int, state: int) -> GaussianMixture:
    """Gaussian mixture of one shared covariance, the likeliest of its starts, fitted to (n, k)."""
    starts = _STARTS if n_domains > 1 else 1
    mixture = GaussianMixture(n_domains, covariance_type="tied", n_init=starts, random_state=state, reg_covar=1e-4)
    # One thread: these products are small, and several threads would only wait for each other.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(fitted)
