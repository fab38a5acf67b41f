"""Views of the tissue that need no training: principal components, smoothed over neighbours in several ways.

A plain diffusion blends what lies on both sides of a border, and a mixture then finds a domain of blends there. Weights
that fade where neighbours differ keep the sides apart. Neither is better everywhere, so that both are views.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.decomposition import PCA
from sklearn.utils.sparsefuncs import mean_variance_axis

from s3rl._random import stream
from s3rl.nn import Diffusion
from s3rl.statistics.autocorrelation import morans_i

EXAMINED = 50
FEWEST = 20
PARTS = (0.5, 0.75, 1.0)
STRENGTHS = (0.5, 1.0)
CONTRASTS = (1.0, 0.5)
SCALINGS = (1.0, 0.5)
CLIP = 10.0
_LEADING = 10
_SPATIAL = 0.05


def gene_scale(x: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each gene of (n, g), in float64; a constant gene gets deviation 1."""
    mean, variance = (part.astype(np.float64) for part in mean_variance_axis(x, axis=0))
    deviation = np.sqrt(variance)
    return mean, np.where(deviation > 1e-6, deviation, 1.0)


def principal_components(x: sp.csr_matrix, n_components: int, *, seed: int, scaling: float = 1.0) -> np.ndarray:
    """Principal components of the scaled expression, without making it dense.

    Parameters
    ----------
    x
        Expression (n, g).
    n_components
        Wanted; fewer come back where n or g is smaller.
    seed
        Start vector of the solver.
    scaling
        Power of its deviation that every gene is divided by: 1 gives all genes unit variance, 0 leaves them.

    Returns
    -------
    float32 (n, k), of genes clipped at ten deviations.
    """
    mean, deviation = gene_scale(x)
    scaled = sp.csr_matrix(x, dtype=np.float64, copy=True)
    scaled.data = np.minimum(scaled.data / deviation[scaled.indices], CLIP + (mean / deviation)[scaled.indices])
    scaled.data *= (deviation ** (1 - scaling))[scaled.indices]
    k = min(n_components, min(x.shape) - 1)
    state = int(stream(seed, 2).integers(2**31 - 1))
    return PCA(k, svd_solver="arpack", random_state=state).fit_transform(scaled).astype(np.float32)


def anchors(components: np.ndarray, spatial: sp.csr_matrix) -> list[np.ndarray]:
    """Diffuse components (n, k) at each strength: one float64 (n, k) array for each view of the tissue."""
    return [_diffused(components, spatial, strength) for strength in STRENGTHS]


def leading(components: np.ndarray, spatial: sp.csr_matrix) -> np.ndarray:
    """As many of the leading components (n, k) as there are with a Moran's I above .05, and twenty at least.

    Twenty are enough where many genes share a few programmes. In a panel of few genes each component is a few of them,
    and the domains are in nearly all.
    """
    if not spatial.nnz:
        return components[:, :FEWEST]
    return components[:, : max(FEWEST, int((morans_i(components, spatial) > _SPATIAL).sum()))]


def consensus_views(components: Sequence[np.ndarray], spatial: sp.csr_matrix) -> list[np.ndarray]:
    """All views that the mixtures are fitted to.

    Parameters
    ----------
    components
        Components (n, k) of the expression, one array for each scaling of the genes.
    spatial
        Weights (n, n) of the spatial neighbours; without any, the components are the views.

    Returns
    -------
    float64 arrays (n, k_v): a half, three quarters and all of the components of every scaling, but ten at least,
    diffused at each strength and, with weights that fade across borders, at each contrast.
    """
    smooth = [view for array in components for view in _smoothed(array, spatial)]
    parts = [(place, view[:, :k]) for view in smooth for place, k in enumerate(_widths(view.shape[1]))]
    return [view for _, view in sorted(parts, key=lambda part: part[0])]


def fading(spatial: sp.csr_matrix, view: np.ndarray, contrast: float) -> sp.csr_matrix:
    """Multiply the weights of neighbours by how alike they are.

    Parameters
    ----------
    spatial
        Weights (n, n).
    view
        What they are compared by (n, k), each column at unit variance.
    contrast
        Squared distance at which the weight has fallen to exp(-1/2), in units of the median between neighbours.

    Returns
    -------
    CSR (n, n) with the pattern and the total weight of ``spatial`` and the weights
    ``w_ij exp(-|v_i - v_j|^2 / (2 contrast median))`` up to that total.
    """
    pairs = sp.coo_matrix(spatial, dtype=np.float64)
    standard = view / np.maximum(view.std(axis=0), 1e-12)
    apart = ((standard[pairs.row] - standard[pairs.col]) ** 2).sum(axis=1)
    weights = pairs.data * np.exp(-apart / max(2 * contrast * float(np.median(apart)), 1e-12))
    weights *= pairs.data.sum() / weights.sum()
    return sp.csr_matrix((weights, (pairs.row, pairs.col)), shape=pairs.shape)


def _smoothed(components: np.ndarray, spatial: sp.csr_matrix) -> list[np.ndarray]:
    plain = [_diffused(components, spatial, strength) for strength in STRENGTHS]
    if not spatial.nnz:
        return plain[:1]
    first = plain[0][:, :_LEADING]
    return plain + [_diffused(components, fading(spatial, first, contrast), 1.0) for contrast in CONTRASTS]


def _diffused(components: np.ndarray, spatial: sp.csr_matrix, strength: float) -> np.ndarray:
    return Diffusion.on(spatial, strength).apply(torch.from_numpy(components)).double().numpy()


def _widths(k: int) -> list[int]:
    return sorted({max(min(_LEADING, k), math.ceil(part * k)) for part in PARTS})
