"""Topology of the signed graph in the embedding (equation 4)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def topology(attracting: Tensor, repelling: Tensor) -> Tensor:
    """Mean over the signed edges of how much the embedding contradicts them (equation 4).

    ``-log sigmoid(z_i . z_j)`` for a pair that attracts and ``-log(1 - sigmoid(z_i . z_j))`` for one that repels.

    The sum of equation 4 runs over the edges of E' and E(-) alone; it is divided by their number, so that its weight
    means the same on every slice. Softplus keeps a gradient where a pair is confidently wrong.

    Parameters
    ----------
    attracting
        Inner products ``z_i . z_j`` over the edges of E', (e,).
    repelling
        Inner products over the edges of E(-), (f,).

    Returns
    -------
    Tensor
        Scalar, zero or more.

    Examples
    --------
    >>> import torch
    >>> from s3rl.losses import topology
    >>> round(topology(torch.zeros(3), torch.zeros(1)).item(), 4)
    0.6931
    """
    total = functional.softplus(-attracting).sum() + functional.softplus(repelling).sum()
    return total / max(1, attracting.numel() + repelling.numel())
