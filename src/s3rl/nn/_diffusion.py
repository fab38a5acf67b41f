"""Smoothing over the spatial graph as a linear operator of known strength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from s3rl.nn._sparse import able_device, csr_tensor, multiply

_NODES = 200


@dataclass(frozen=True)
class Diffusion:
    """``(I + strength * L)^-1`` with the graph Laplacian L, as a Chebyshev polynomial of sparse products.

    The operator is symmetric, so that its backward pass is itself; nothing but the graph is stored.

    Parameters
    ----------
    scaled_laplacian
        CSR (n, n): L shifted and scaled to the interval [-1, 1].
    coefficients
        Chebyshev coefficients of the inverse on that interval.

    Examples
    --------
    >>> import scipy.sparse as sp, torch
    >>> from s3rl.nn import Diffusion
    >>> pair = sp.csr_matrix([[0.0, 1.0], [1.0, 0.0]])
    >>> Diffusion.on(pair, strength=1.0)(torch.tensor([[3.0], [0.0]])).round(decimals=3).flatten().tolist()
    [2.0, 1.0]
    """

    scaled_laplacian: Tensor
    coefficients: tuple[float, ...]

    @classmethod
    def on(
        cls, graph: sp.csr_matrix, strength: float, *, tolerance: float = 1e-4, device: torch.device | str = "cpu"
    ) -> Diffusion:
        """Build the operator on a symmetric, non-negative (n, n) graph.

        Parameters
        ----------
        graph
            Weights of the spatial neighbours.
        strength
            How far it smooths: 0 is the identity.
        tolerance
            Largest error of the polynomial relative to 1, the operator's norm.
        device
            Where the products run.
        """
        degree = np.asarray(graph.sum(axis=1)).ravel()
        half = max(float(degree.max(initial=0.0)), 0.5)
        laplacian = sp.diags(degree) - graph
        scaled = sp.csr_matrix(laplacian / half - sp.identity(graph.shape[0]))
        return cls(csr_tensor(scaled, able_device(device)), _inverse_series(strength, half, tolerance))

    def __call__(self, x: Tensor) -> Tensor:
        """Smooth (n, k), differentiable in ``x``."""
        return _Apply.apply(x, self)

    def apply(self, x: Tensor) -> Tensor:
        """Smooth (n, k) without a gradient: Clenshaw's recurrence."""
        ahead, further = torch.zeros_like(x), torch.zeros_like(x)
        for coefficient in self.coefficients[:0:-1]:
            ahead, further = coefficient * x + 2 * multiply(self.scaled_laplacian, ahead) - further, ahead
        return self.coefficients[0] * x + multiply(self.scaled_laplacian, ahead) - further


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, operator: Diffusion) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.operator = operator
        return operator.apply(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        return ctx.operator.apply(grad.contiguous()), None


def _inverse_series(strength: float, half: float, tolerance: float) -> tuple[float, ...]:
    """Shortest Chebyshev series of ``1 / (1 + strength half (1 + t))`` whose dropped terms stay below ``tolerance``."""
    nodes = chebyshev.chebpts1(_NODES)
    # Discrete orthogonality of the polynomials at their own roots.
    series = 2 / _NODES * chebyshev.chebvander(nodes, _NODES - 1).T @ (1 / (1 + strength * half * (1 + nodes)))
    series[0] /= 2
    tail = np.cumsum(np.abs(series[::-1]))[::-1]
    length = max(1, int(np.argmax(tail < tolerance)) if (tail < tolerance).any() else len(series))
    return tuple(float(c) for c in series[:length])
