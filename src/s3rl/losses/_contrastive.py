"""Contrast of two views of each tile (NT-Xent, section 4.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from s3rl.errors import ParameterError

_TINY = 1e-8


def nt_xent(z_1: Tensor, z_2: Tensor, temperature: float = 0.5) -> Tensor:
    """Normalised temperature-scaled cross entropy between two views of the same tiles (section 4.2).

    ``-log( exp(cos(v_i, v_j) / t) / sum_{k != i} exp(cos(v_i, v_k) / t) )``, where v are the 2B views and j is the
    other view of the tile of i; the mean over all 2B views. Every view of another tile of the batch is a negative.

    Computed in at least 32 bits, also inside ``torch.autocast``.

    Parameters
    ----------
    z_1, z_2
        Projections of the first and the second view, (B, d); row b of both comes from tile b. Lengths do not matter.
    temperature
        Softness t, above 0.

    Returns
    -------
    Tensor
        Scalar, zero or more; ``log(2 B - 1)`` where all views are equal.

    Raises
    ------
    ParameterError
        If the views are not two (B, d) of the same shape with at least two tiles, or the temperature is not above 0.

    Examples
    --------
    >>> import torch
    >>> from s3rl.losses import nt_xent
    >>> z = torch.eye(4)
    >>> bool(nt_xent(z, z) < nt_xent(z, z.roll(1, 0)))
    True
    >>> round(nt_xent(torch.ones(4, 3), torch.ones(4, 3)).exp().item(), 4)
    7.0
    """
    _check(z_1, z_2, temperature)
    n = len(z_1)
    with torch.autocast(z_1.device.type, enabled=False):
        views = torch.cat([z_1, z_2])
        views = functional.normalize(views.to(torch.promote_types(views.dtype, torch.float32)), dim=1, eps=_TINY)
        logits = views @ views.T / temperature
        # exp(-inf) is 0 in the sum, and its gradient is 0 too: a view is no negative of itself
        logits = logits.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=logits.device), -math.inf)
        other = torch.arange(2 * n, device=logits.device).roll(n)
        return functional.cross_entropy(logits, other)


def _check(z_1: Tensor, z_2: Tensor, temperature: float) -> None:
    if z_1.ndim != 2 or z_1.shape != z_2.shape or len(z_1) < 2:
        raise ParameterError(
            "must be two views of the same shape (B, d), of at least two tiles",
            key="z_1, z_2",
            found=f"{tuple(z_1.shape)} and {tuple(z_2.shape)}",
            fix="pass the projections of both views of one batch; leave out a last batch of a single tile",
        )
    if not 0 < temperature < math.inf:
        raise ParameterError(
            "must be a number above 0", key="temperature", found=repr(temperature), fix="pass temperature=0.5"
        )
