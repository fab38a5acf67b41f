"""Non-negative mixtures of fixed profiles, each spot for itself: what the spatial methods start from."""

from __future__ import annotations

from torch import Tensor

TINY = 1e-12


def mixture(spots: Tensor, profiles: Tensor, *, n_steps: int = 100) -> Tensor:
    """Weights (n, k) of the profiles (k, g) in the spots (n, g) of largest Poisson likelihood, by multiplication.

    ``W <- W * ((Y / (W B)) B') / (1 B')``, the update of Lee and Seung (2001) for their divergence with the profiles
    fixed, which is expectation-maximisation: each step raises the likelihood.
    """
    totals = profiles.sum(dim=1).clamp_min(TINY)
    weights = spots.sum(dim=1, keepdim=True) / totals / len(profiles)
    for _ in range(n_steps):
        weights = weights * ((spots / (weights @ profiles + TINY)) @ profiles.T) / totals
    return weights


def precision(spots: Tensor, fitted: Tensor, n_types: int) -> Tensor:
    """Counts (n,) that a spot would have if its share of each gene were Poisson: genes over Pearson's chi-square.

    Where genes vary by more than counting, and where the profiles do not fit, it is less than the real depth.
    """
    chi = ((spots - fitted) ** 2 / (fitted + TINY)).sum(dim=1)
    free = max(spots.shape[1] - n_types, 1)
    return free / chi.clamp_min(1e-9)
