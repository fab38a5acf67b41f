"""Spatially smooth non-negative factorisation in the manner of CARD (Ma and Zhou, Nat. Biotechnol. 2022).

Shares of the genes ``Y (n, g) ~ V B`` with signatures B (k, g) and weights V >= 0, whose columns have a conditional
autoregressive prior: ``V_k ~ N(b_k 1, lambda_k (D - phi A)^-1)`` with the spatial graph A and its degrees D. Written
from the published model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import splu
from torch import Tensor
from tqdm.auto import tqdm

from s3rl.deconvolution.mixture import TINY, mixture, precision

PHI_GRID = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
_TOLERANCE = 1e-4
_LEAST_SCALE = 1e-6


class CarFit(NamedTuple):
    """Weights of the types in each spot.

    Attributes
    ----------
    weights
        float32 (n, k), not negative.
    phi
        Spatial correlation that was given or chosen.
    likelihoods
        Log-likelihood (7,) of each correlation of the grid, or (1,) nan where it was given.
    scale
        float64 (k,): lambda, the conditional variance of each type's weights times the degree.
    level
        float64 (k,): b, the mean that weights are drawn to.
    objective
        Negative log posterior, up to a constant, at each update.
    """

    weights: np.ndarray
    phi: float
    likelihoods: np.ndarray
    scale: np.ndarray
    level: np.ndarray
    objective: np.ndarray


class Autoregression:
    """The matrix ``Q = D - phi A`` of a graph (n, n), weight 1; a spot without neighbours has degree 1."""

    def __init__(self, graph: sp.csr_matrix, phi: float) -> None:
        self.graph = sp.csr_matrix(graph, dtype=np.float64)
        degree = np.asarray(self.graph.sum(axis=1)).ravel()
        self.diagonal = np.where(degree > 0, degree, 1.0)
        self.phi = phi
        self.sums = self.diagonal - phi * degree

    def level(self, weights: np.ndarray) -> np.ndarray:
        """Return the likeliest means b (k,) of the columns of (n, k)."""
        return self.sums @ weights / self.sums.sum()

    def quadratic(self, deviations: np.ndarray) -> np.ndarray:
        """``x' Q x`` of each column x of (n, k)."""
        product = self.diagonal[:, None] * deviations - self.phi * (self.graph @ deviations)
        return np.maximum((deviations * product).sum(axis=0), 0.0)

    def log_determinant(self) -> float:
        """``log |Q|`` by a sparse factorisation."""
        matrix = sp.csc_matrix(sp.diags(self.diagonal) - self.phi * self.graph)
        factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        return float(np.log(np.abs(factor.U.diagonal())).sum())

    def scale(self, weights: np.ndarray) -> np.ndarray:
        """Return the likeliest lambda (k,) of weights (n, k) that were fitted without the prior."""
        return np.maximum(self.quadratic(weights - self.level(weights)) / len(weights), _LEAST_SCALE)

    def likelihood(self, weights: np.ndarray) -> float:
        """Log-likelihood of (n, k) at the likeliest b and lambda, up to a constant."""
        n, k = weights.shape
        return 0.5 * k * self.log_determinant() - 0.5 * n * float(np.log(self.scale(weights)).sum())


class _Noise:
    """What the data add to the update of V: the likelihood of the shares (n, g) under V B."""

    def __init__(self, spots: Tensor, signatures: Tensor, kind: str) -> None:
        self.spots, self.signatures, self.kind = spots, signatures, kind
        self.start = mixture(spots, signatures)
        fitted = self.start @ signatures
        if kind == "poisson":
            self.precision = precision(spots, fitted, len(signatures))[:, None]
            self.linear = self.precision * signatures.sum(dim=1)
            return
        self.cross, self.inner = spots @ signatures.T, signatures @ signatures.T
        for _ in range(100):
            self.start = self.start * self.cross / (self.start @ self.inner + TINY)
        self.precision = 1.0 / ((spots - self.start @ signatures) ** 2).mean().clamp_min(TINY)

    def terms(self, weights: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], float]:
        """Coefficients (n, k) of ``-a log v + b v + c v^2 / 2``, which touches the loss at V and is nowhere below it.

        And the loss at V itself.
        """
        fitted = weights @ self.signatures
        if self.kind == "poisson":
            fitted = fitted + TINY
            rise = weights * self.precision * ((self.spots / fitted) @ self.signatures.T)
            loss = (self.precision * (fitted - self.spots * fitted.log())).sum()
            return (rise, self.linear, torch.zeros_like(weights)), float(loss)
        curve = self.precision * (weights @ self.inner) / (weights + TINY)
        loss = 0.5 * self.precision * ((self.spots - fitted) ** 2).sum()
        return (self.precision * self.cross * weights, torch.zeros_like(weights), curve), float(loss)


def car_factorisation(
    spots: np.ndarray,
    signatures: np.ndarray,
    graph: sp.csr_matrix,
    *,
    phi: float | None,
    noise: str,
    max_iter: int,
    device: torch.device,
    progress: bool = True,
) -> CarFit:
    """Weights of largest posterior density, by updates that multiply and never lower it.

    The fit without the prior gives the noise, lambda and, over CARD's grid, phi: the likeliest ones of its
    columns under the prior. Noise in that fit makes them rather too rough than too smooth, and no type can shrink to
    its mean, as they can where lambda is estimated together with V.

    Parameters
    ----------
    spots
        Shares of the genes in each spot, float (n, g), rows sum to one.
    signatures
        Mean shares of each type (k, g).
    graph
        Neighbours of each spot, (n, n), symmetric, weight 1, zero diagonal.
    phi
        Correlation, or None to choose it.
    noise
        ``"poisson"`` or ``"gaussian"``.
    max_iter
        Updates at most; it ends before where no weight moves by 1e-4.
    device
        Where to compute.
    progress
        Whether to show a bar.
    """
    observed = torch.from_numpy(np.ascontiguousarray(spots, dtype=np.float32)).to(device)
    data = _Noise(observed, torch.from_numpy(signatures.astype(np.float32)).to(device), noise)
    start = data.start.cpu().numpy().astype(np.float64)
    grid = PHI_GRID if phi is None else ()
    likelihoods = np.array([Autoregression(graph, value).likelihood(start) for value in grid] or [np.nan])
    chosen = phi if phi is not None else PHI_GRID[int(likelihoods.argmax())]
    prior = Autoregression(graph, chosen)
    scale = prior.scale(start)
    weights, objective = np.maximum(start, TINY), []
    with tqdm(total=max_iter, disable=not progress, desc="deconvolve", unit="update") as bar:
        for _ in range(max_iter):
            level = prior.level(weights)
            updated, loss = _update(weights, data, prior, scale, level, device)
            objective.append(loss)
            moved = float(np.abs(updated - weights).max())
            weights = updated
            bar.update()
            if moved < _TOLERANCE:
                break
    return CarFit(weights.astype(np.float32), chosen, likelihoods, scale, prior.level(weights), np.array(objective))


def _update(
    weights: np.ndarray, data: _Noise, prior: Autoregression, scale: np.ndarray, level: np.ndarray, device: torch.device
) -> tuple[np.ndarray, float]:
    """Minimise, entry by entry, a function that touches the loss at V and is nowhere below it."""
    moved = torch.from_numpy(weights.astype(np.float32)).to(device)
    terms, loss = data.terms(moved)
    rise, slope, curve = (part.cpu().numpy().astype(np.float64) for part in terms)
    # -phi A is bounded by logarithms, since -v w <= -v0 w0 (1 + log(v w / (v0 w0)))
    rise = rise + weights * prior.phi * (prior.graph @ weights) / scale
    slope = slope - prior.sums[:, None] * level / scale
    curve = curve + prior.diagonal[:, None] / scale
    loss += 0.5 * float((prior.quadratic(weights - level) / scale).sum())
    root = np.sqrt(slope**2 + 4 * curve * rise)
    # of the two forms of the root, the one without cancellation
    updated = np.where(slope > 0, 2 * rise / (slope + root + TINY), (root - slope) / (2 * curve))
    return np.maximum(updated, TINY), loss
