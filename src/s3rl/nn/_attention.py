"""Scaled dot-product attention over neighbours, with memory linear in the number of spots."""

from __future__ import annotations

import torch
from torch import Tensor

from s3rl.nn._sparse import Neighborhood


def neighbor_attention(
    query: Tensor, key: Tensor, value: Tensor, graph: Neighborhood, scale: float, kept: Tensor | None = None
) -> Tensor:
    """Attend from each spot to its neighbours (equation 2, the sum over N(i)).

    Nothing of size e x k is ever built, and only the (e,) attention weights are kept for the backward pass; sums run
    over CSR rows, never through atomic scatters, so that the same input gives the same bits.

    Parameters
    ----------
    query, key
        (n, k).
    value
        (n, d).
    graph
        Neighbours of each spot, e directed edges.
    scale
        Factor of the logits, 1 / sqrt(channels).
    kept
        Boolean (e,): edges that take part; None keeps all.

    Returns
    -------
    Tensor
        (n, d); zeros for a spot without neighbours.

    Examples
    --------
    >>> import scipy.sparse as sp, torch
    >>> from s3rl.nn import Neighborhood, neighbor_attention
    >>> graph = Neighborhood.from_scipy(sp.csr_matrix([[0, 1, 1], [0, 0, 0], [0, 0, 0]]))
    >>> value = torch.tensor([[1.0], [2.0], [4.0]])
    >>> neighbor_attention(torch.zeros(3, 2), torch.zeros(3, 2), value, graph, 1.0).flatten().tolist()
    [3.0, 0.0, 0.0]
    """
    return _Attention.apply(query, key, value, graph, scale, kept)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, key, value, graph, scale, kept):  # type: ignore[no-untyped-def]
        logits = graph.inner(query, key).mul_(scale)
        if kept is not None:
            logits.masked_fill_(~kept, -torch.inf)
        weights = _softmax(logits, graph)
        ctx.save_for_backward(query, key, value, weights)
        ctx.graph, ctx.scale = graph, scale
        return graph.product(weights, value)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        query, key, value, weights = ctx.saved_tensors
        graph = ctx.graph
        grad = grad.contiguous()
        through = graph.inner(grad, value)
        mean = graph.segment(weights * through, "sum")
        by_logit = weights * (through - graph.spread(mean)) * ctx.scale
        return (
            graph.product(by_logit, key),
            graph.transposed_product(by_logit, query),
            graph.transposed_product(weights, grad),
            None,
            None,
            None,
        )


def _softmax(logits: Tensor, graph: Neighborhood) -> Tensor:
    """Softmax of (e,) logits over the neighbours of each row; a row whose edges are all dropped gets zeros."""
    top = graph.segment(logits, "max")
    top = torch.where(torch.isfinite(top), top, torch.zeros_like(top))
    weights = torch.exp(logits - graph.spread(top))
    total = graph.segment(weights, "sum").clamp_min(torch.finfo(weights.dtype).tiny)
    return weights / graph.spread(total)


def edge_products(left: Tensor, right: Tensor, graph: Neighborhood) -> Tensor:
    """Inner products of the two ends of each edge of a graph, with deterministic gradients.

    Parameters
    ----------
    left, right
        (n, d).
    graph
        Edges from row i to column j.

    Returns
    -------
    Tensor
        Inner product of row i of ``left`` and row j of ``right`` for each edge, (e,).

    Examples
    --------
    >>> import scipy.sparse as sp, torch
    >>> from s3rl.nn import Neighborhood, edge_products
    >>> graph = Neighborhood.from_scipy(sp.csr_matrix([[0, 1], [0, 0]]))
    >>> edge_products(torch.ones(2, 3), torch.ones(2, 3), graph).tolist()
    [3.0]
    """
    return _EdgeProducts.apply(left, right, graph)


class _EdgeProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx, left, right, graph):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(left, right)
        ctx.graph = graph
        return graph.inner(left, right)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        left, right = ctx.saved_tensors
        return ctx.graph.product(grad, right), ctx.graph.transposed_product(grad, left), None
