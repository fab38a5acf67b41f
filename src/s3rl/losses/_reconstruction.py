"""Cosine error of the reconstruction (equation 3), from dense matrices or from factors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_TINY = 1e-8


def cosine_error(x: Tensor, reconstruction: Tensor, *, power: float = 2.0, counted: Tensor | None = None) -> Tensor:
    """Mean of ``(1 - cos(x_i, xhat_i))^power`` over the counted spots (equation 3).

    Parameters
    ----------
    x, reconstruction
        (n, g).
    power
        Exponent, at least 1; larger ones weigh badly reconstructed spots more.
    counted
        Boolean (n,): spots that count; None counts all.

    Returns
    -------
    Tensor
        Scalar between 0 and ``2 ** power``.

    Examples
    --------
    >>> import torch
    >>> from s3rl.losses import cosine_error
    >>> x = torch.eye(3)
    >>> cosine_error(x, 2 * x).item(), cosine_error(x, -x).item()
    (0.0, 4.0)
    """
    return _mean_power(functional.cosine_similarity(x, reconstruction, dim=1, eps=_TINY), power, counted)


def factored_cosine_error(
    x_by_factor: Tensor,
    x_norm: Tensor,
    spots: Tensor,
    genes: Tensor,
    *,
    power: float = 2.0,
    counted: Tensor | None = None,
) -> Tensor:
    """Cosine error of the reconstruction ``spots @ genes.T`` without building it.

    ``x_i . xhat_i = spots_i . (X genes)_i`` and ``|xhat_i|^2 = spots_i^T (genes^T genes) spots_i``.

    Parameters
    ----------
    x_by_factor
        ``X @ genes``, (n, r).
    x_norm
        Euclidean norm of each spot's expression, (n,).
    spots, genes
        Factors (n, r) and (g, r).
    power, counted
        As in ``cosine_error``.

    Returns
    -------
    Tensor
        Scalar, equal to ``cosine_error(X, spots @ genes.T)``.

    Examples
    --------
    >>> import torch
    >>> from s3rl.losses import cosine_error, factored_cosine_error
    >>> x, spots, genes = torch.rand(5, 7), torch.rand(5, 2), torch.rand(7, 2)
    >>> fast = factored_cosine_error(x @ genes, x.norm(dim=1), spots, genes)
    >>> torch.allclose(fast, cosine_error(x, spots @ genes.T))
    True
    """
    inner = (spots * x_by_factor).sum(dim=1)
    squared = (spots @ (genes.T @ genes) * spots).sum(dim=1)
    norm = torch.sqrt(squared.clamp_min(_TINY**2))
    return _mean_power(inner / (norm * x_norm.clamp_min(_TINY)), power, counted)


def _mean_power(cosine: Tensor, power: float, counted: Tensor | None) -> Tensor:
    error = (1 - cosine).clamp_min(0) ** power
    if counted is None:
        return error.mean()
    return (error * counted).sum() / counted.sum().clamp_min(1)
