"""Contrastive mapping of reference cells onto spots, in batches of spots over groups of alike cells.

The mapping ``M = A W'`` has one weight for each group of cells and spot (W, rows on the simplex) and shares it equally
among the cells of a group (A), so that ``M' X = W (A' X)`` needs only the mean profile of each group. The similarities
of the contrastive term are those of predicted with observed spots, as in GraphST (Long et al., 2023): no spot's
prediction enters another one's loss, and spots can be optimised in batches of any size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn.functional import normalize
from tqdm.auto import tqdm

from s3rl._random import stream
from s3rl.deconvolution.mixture import TINY
from s3rl.deconvolution.params import DeconvolveParams
from s3rl.deconvolution.reference import Metacells

_NEVER = -1e9


class ContrastiveFit(NamedTuple):
    """Weights of the groups of cells in each spot.

    Attributes
    ----------
    weights
        float32 (n, m), rows sum to one.
    history
        ``reconstruction``, ``contrast`` and their weighted sum ``loss``: mean over the spots at every step, (steps,).
    """

    weights: np.ndarray
    history: dict[str, np.ndarray]


class _Contrast:
    """Similarity of predicted spots to the spot itself and its neighbours, against other spots."""

    def __init__(self, spots: Tensor, graph: sp.csr_matrix, negatives: np.ndarray, temperature: float) -> None:
        self.centre = spots.sqrt().mean(dim=0)
        own = self.features(spots)
        degree = np.asarray(graph.sum(axis=1)).ravel()
        share = torch.from_numpy(np.where(degree > 0, 0.5, 1.0).astype(np.float32)).to(spots.device)
        around = sp.diags(1.0 / np.where(degree > 0, degree, 1.0)) @ graph
        near = torch.from_numpy(np.asarray(around @ own.cpu().numpy(), dtype=np.float32)).to(spots.device)
        self.positive = share[:, None] * own + (1 - share)[:, None] * near
        self.negatives = torch.from_numpy(negatives).to(spots.device)
        self.negative = own[self.negatives]
        self.temperature = temperature

    def features(self, shares: Tensor) -> Tensor:
        """Unit vectors (n, g): square roots of the shares, whose noise is level, from the average spot."""
        return normalize((shares + TINY).sqrt() - self.centre, dim=1)

    def __call__(self, predicted: Tensor, which: Tensor) -> Tensor:
        """Loss (b,) of the predicted shares (b, g) of the spots ``which`` (b,)."""
        found = self.features(predicted)
        near = (found * self.positive[which]).sum(dim=1) / self.temperature
        far = found @ self.negative.T / self.temperature
        far = far.masked_fill(self.negatives[None] == which[:, None], _NEVER)
        return torch.logsumexp(far, dim=1) - math.log(len(self.negatives)) - near


def contrastive_mapping(
    spots: np.ndarray,
    groups: Metacells,
    graph: sp.csr_matrix,
    params: DeconvolveParams,
    *,
    seed: int,
    device: torch.device,
    progress: bool = True,
) -> ContrastiveFit:
    """Learn the weights of the groups in each spot.

    For spot i with shares y_i, predicted shares ``p_i = softmax(l_i) C / |softmax(l_i) C|`` and features f, the loss is
    ``sum_g y_ig log(y_ig / p_ig) + contrast * (log mean_k exp(f(p_i).f(y_k) / t) - mean_j f(p_i).f(y_j) / t)``: the
    divergence whose minimum is the likeliest mixture of counts, and the contrastive term with other spots k as
    negatives and, half of the weight each, the spot itself and its neighbours j as positives.

    Parameters
    ----------
    spots
        Shares of the genes in each spot, float32 (n, g), rows sum to one.
    groups
        Groups of cells with profiles (m, g).
    graph
        Neighbours of each spot, (n, n), weight 1.
    params
        ``contrast``, ``temperature``, ``n_negatives``, ``n_steps``, ``learning_rate``, ``batch_size``.
    seed
        Seed of the negatives.
    device
        Where to compute.
    progress
        Whether to show a bar.
    """
    n = len(spots)
    observed = torch.from_numpy(np.ascontiguousarray(spots, dtype=np.float32)).to(device)
    profiles = torch.from_numpy(groups.profiles.astype(np.float32)).to(device)
    # a type starts with the same weight, however many groups it has
    sizes = np.bincount(groups.types)
    start = torch.from_numpy(-np.log(sizes[groups.types]).astype(np.float32)).to(device)
    negatives = np.sort(stream(seed, 1).permutation(n)[: params.n_negatives])
    contrast = _Contrast(observed, graph, negatives, params.temperature)
    weights = np.empty((n, len(profiles)), dtype=np.float32)
    sums = np.zeros((params.n_steps, 2))
    with tqdm(total=n, disable=not progress, desc="deconvolve", unit="spot") as bar:
        for first in range(0, n, params.batch_size):
            which = torch.arange(first, min(first + params.batch_size, n), device=device)
            found, losses = _fit_batch(observed[which], which, profiles, start, contrast, params)
            weights[first : first + len(which)] = found.cpu().numpy()
            sums += losses
            bar.update(len(which))
    mean = sums / n
    loss = mean[:, 0] + params.contrast * mean[:, 1]
    return ContrastiveFit(weights, {"loss": loss, "reconstruction": mean[:, 0], "contrast": mean[:, 1]})


def _fit_batch(
    observed: Tensor, which: Tensor, profiles: Tensor, start: Tensor, contrast: _Contrast, params: DeconvolveParams
) -> tuple[Tensor, np.ndarray]:
    logits = start.repeat(len(which), 1).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=params.learning_rate, betas=(0.9, 0.99))
    entropy = (observed * (observed + TINY).log()).sum(dim=1)
    losses = np.empty((params.n_steps, 2))
    for step in range(params.n_steps):
        for group in optimizer.param_groups:
            group["lr"] = params.learning_rate * 0.5 * (1 + math.cos(math.pi * step / params.n_steps))
        optimizer.zero_grad(set_to_none=True)
        predicted = normalize(torch.softmax(logits, dim=1) @ profiles, p=1, dim=1)
        reconstruction = (entropy - (observed * (predicted + TINY).log()).sum(dim=1)).sum()
        total, apart = reconstruction, torch.zeros((), device=observed.device)
        if params.contrast > 0:
            apart = contrast(predicted, which).sum()
            total = reconstruction + params.contrast * apart
        total.backward()
        optimizer.step()
        losses[step] = reconstruction.item(), apart.item()
    return torch.softmax(logits.detach(), dim=1), losses
