"""What needs no training: diffused principal components, mixtures on them, and the consensus of the mixtures.

The agreement of several mixtures is steadier than any one of them; it gives the prototypes their start, their target
and the sizes they expect.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.utils.sparsefuncs import mean_variance_axis
from threadpoolctl import threadpool_limits

from s3rl._random import stream
from s3rl.nn import Diffusion

COMPONENTS = (10, 15, 20)
STRENGTHS = (0.5, 1.0)
CLIP = 10.0
_FITTED_SPOTS = 10_000
_REFINEMENTS = 5


def gene_scale(x: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each gene of (n, g), in float64; a constant gene gets deviation 1."""
    mean, variance = (part.astype(np.float64) for part in mean_variance_axis(x, axis=0))
    deviation = np.sqrt(variance)
    return mean, np.where(deviation > 1e-6, deviation, 1.0)


def principal_components(x: sp.csr_matrix, n_components: int, *, seed: int) -> np.ndarray:
    """Principal components of the scaled expression, without making it dense.

    Parameters
    ----------
    x
        Expression (n, g).
    n_components
        Wanted; fewer come back where n or g is smaller.
    seed
        Start vector of the solver.

    Returns
    -------
    float32 (n, k), of genes scaled to unit variance and clipped at ten deviations.
    """
    mean, deviation = gene_scale(x)
    scaled = sp.csr_matrix(x, dtype=np.float64, copy=True)
    scaled.data = np.minimum(scaled.data / deviation[scaled.indices], CLIP + (mean / deviation)[scaled.indices])
    k = min(n_components, min(x.shape) - 1)
    state = int(stream(seed, 2).integers(2**31 - 1))
    return PCA(k, svd_solver="arpack", random_state=state).fit_transform(scaled).astype(np.float32)


def anchors(components: np.ndarray, spatial: sp.csr_matrix) -> list[np.ndarray]:
    """Diffuse the leading components at each strength: one float64 (n, k) array for each view of the tissue."""
    counts = sorted({min(k, components.shape[1]) for k in COMPONENTS})
    smooth = [Diffusion.on(spatial, a).apply(torch.from_numpy(components)).double().numpy() for a in STRENGTHS]
    return [array[:, :k] for k in counts for array in smooth]


def mixture_consensus(views: Sequence[np.ndarray], n_domains: int, n_mixtures: int, *, seed: int) -> np.ndarray:
    """Average the responsibilities of mixtures fitted to the views in turn.

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
    float64 (n, c), rows sum to one.
    """
    runs = [_responsibilities(views[i % len(views)], n_domains, stream(seed, 3, i)) for i in range(n_mixtures)]
    return vote(runs)


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
    mixture = GaussianMixture(n_domains, covariance_type="tied", random_state=state, reg_covar=1e-4)
    # One thread: these products are small, and several threads would only wait for each other.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(fitted).predict_proba(view)
