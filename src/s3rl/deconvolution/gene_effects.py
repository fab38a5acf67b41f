"""Factor of each gene between two technologies, seen in the bulk where the mixture hardly matters."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

_TINY = 1e-12


def gene_effects(bulk: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Factors float64 (g,) by which the spots see each gene more often than the reference does, around one.

    The mixture p of the types that is nearest to the bulk on the log scale, ``min sum_g sqrt(y_g) (log y_g -
    log(p' B)_g - c)^2`` with p on the simplex, leaves residuals that are taken for the technology: of all spots
    together there are far more genes than types to explain, as in RCTD (Cable et al., 2022).

    Parameters
    ----------
    bulk
        Mean share of each gene over the spots, positive (g,).
    means
        Mean share of each gene in each type (k, g); each gene in one type at least.
    """
    observed = np.log(np.maximum(bulk, _TINY))
    weights = np.sqrt(bulk) / np.sqrt(bulk).sum()

    def residuals(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        parts = np.exp(logits - logits.max())
        parts /= parts.sum()
        mixed = parts @ means + _TINY
        apart = observed - np.log(mixed)
        return apart - weights @ apart, parts, mixed

    def objective(logits: np.ndarray) -> tuple[float, np.ndarray]:
        apart, parts, mixed = residuals(logits)
        # the mean that is taken off has no part in the gradient, since the weighted residuals sum to zero
        along = -2.0 * means @ (weights * apart / mixed)
        return float(weights @ apart**2), parts * (along - parts @ along)

    start = np.zeros(len(means))
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.exp(residuals(found.x)[0])
