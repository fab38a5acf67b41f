"""Separability of the assignment (equation 9) and the deviation that moves the prototypes (equation 10)."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-12


def separability(assignment: Tensor, sizes: Tensor | None = None) -> Tensor:
    """Hyperspherical regularisation of the assignment, generalised to domains of unequal size (equation 9).

    ``(1 - sum_j sqrt(w_j / n) |y_:j|_2) / (1 - sum_j sqrt(w_j) / c)``. By Cauchy and Schwarz it is 0 exactly where the
    assignment is one-hot with the sizes w; with w_j = 1 / c it is the paper's
    ``(sqrt(c) - sum_j |y_:j|_2 / sqrt(n)) / (sqrt(c) - 1)``. It is 1 where the assignment is uniform.

    Parameters
    ----------
    assignment
        Affinities y, (n, c), rows sum to one.
    sizes
        Expected share of each domain w, (c,), sums to one; None expects equal sizes, the paper's form.

    Returns
    -------
    Tensor
        Scalar.

    Examples
    --------
    >>> import torch
    >>> from s3rl.losses import separability
    >>> separability(torch.eye(4)).item(), separability(torch.full((6, 3), 1 / 3)).item()
    (0.0, 1.0)
    """
    n, c = assignment.shape
    weights = assignment.new_full((c,), 1 / c) if sizes is None else sizes
    root = torch.sqrt(weights)
    norms = torch.sqrt((assignment**2).sum(dim=0).clamp_min(_TINY))
    return (1 - (root * norms).sum() / n**0.5) / (1 - root.sum() / c)


def prototype_deviation(assignment: Tensor, sizes: Tensor | None = None) -> Tensor:
    """Divergence of each prototype's spots from the ideal (equation 10).

    ``KL(y*_j / |y*_j|_1 || y_j / |y_j|_1)``, where ``y*_j`` is 1 on the ``floor(w_j n)`` spots with the largest
    affinity to prototype j and 0 elsewhere.

    Parameters
    ----------
    assignment
        Affinities y, (n, c), rows sum to one.
    sizes
        Expected share of each domain w, (c,); None expects equal sizes, the paper's form.

    Returns
    -------
    Tensor
        (c,), zero or more.

    Examples
    --------
    >>> import torch
    >>> from s3rl.losses import prototype_deviation
    >>> prototype_deviation(torch.eye(2)).abs().max().item() < 1e-6
    True
    """
    n, c = assignment.shape
    shares = [1 / c] * c if sizes is None else sizes.tolist()
    share = assignment / assignment.sum(dim=0).clamp_min(_TINY)
    out = []
    for j, expected in enumerate(shares):
        m = max(1, int(expected * n + 1e-6))
        top = torch.topk(share[:, j], m).values
        out.append(-(torch.log(top.clamp_min(_TINY)).mean() + torch.log(top.new_tensor(float(m)))))
    return torch.stack(out).clamp_min(0)
