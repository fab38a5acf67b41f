from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nn.graphs import directed
from oracles.layers import attention, neighbours_of

from s3rl.nn import Neighborhood, edge_products, neighbor_attention

N = 9
GRAPH = directed(N, 0.35, 0, isolated=[4])


def inputs(*widths, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(N, k, generator=generator, dtype=dtype, requires_grad=True) for k in widths]


def test_attention_equals_loops():
    query, key, value = inputs(3, 3, 5)
    out = neighbor_attention(query, key, value, Neighborhood.from_scipy(GRAPH), 0.7)
    wanted = attention(*(t.detach().numpy() for t in (query, key, value)), neighbours_of(GRAPH), 0.7)
    np.testing.assert_allclose(out.detach().numpy(), wanted, atol=1e-12)
    assert (out[4] == 0).all()


def test_attention_gradients_by_differences():
    hood = Neighborhood.from_scipy(GRAPH)
    kept = torch.rand(hood.n_edges, generator=torch.Generator().manual_seed(3)) > 0.3
    for dropped in (None, kept):
        assert torch.autograd.gradcheck(
            lambda q, k, v, d=dropped: neighbor_attention(q, k, v, hood, 0.7, d), inputs(3, 3, 2)
        )


def test_dropped_edges_are_as_if_they_were_not_there():
    hood = Neighborhood.from_scipy(GRAPH)
    kept = torch.rand(hood.n_edges, generator=torch.Generator().manual_seed(5)) > 0.4
    kept[hood.rows == 2] = False
    reduced = GRAPH.copy()
    reduced.data[~kept.numpy()] = 0
    reduced.eliminate_zeros()
    first, second = inputs(3, 3, 2), inputs(3, 3, 2)
    out = neighbor_attention(*first, hood, 0.7, kept)
    wanted = neighbor_attention(*second, Neighborhood.from_scipy(reduced), 0.7)
    torch.testing.assert_close(out, wanted)
    assert (out[2] == 0).all()
    for result in (out, wanted):
        (result**3).sum().backward()
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_logits_too_large_for_the_exponential():
    query, key, value = (100 * t.detach() for t in inputs(3, 3, 2, dtype=torch.float32))
    assert torch.isfinite(neighbor_attention(query, key, value, Neighborhood.from_scipy(GRAPH), 10.0)).all()


def test_edge_products_equal_loops_and_differences():
    hood = Neighborhood.from_scipy(GRAPH)
    left, right = inputs(4, 4)
    wanted = [(left[i] @ right[j]).item() for i, j in zip(*GRAPH.nonzero(), strict=True)]
    np.testing.assert_allclose(edge_products(left, right, hood).detach().numpy(), wanted, atol=1e-12)
    assert torch.autograd.gradcheck(lambda a, b: edge_products(a, b, hood), (left, right))
    assert torch.autograd.gradcheck(lambda a: edge_products(a, a, hood), (left,))


def test_a_graph_without_edges():
    hood = Neighborhood.from_scipy(GRAPH * 0)
    empty = Neighborhood.from_scipy(directed(N, 0.0, 0))
    query, key, value = inputs(3, 3, 2)
    assert hood.n_edges == GRAPH.nnz
    out = neighbor_attention(query, key, value, empty, 1.0)
    assert (out == 0).all()
    assert edge_products(query, key, empty).shape == (0,)
    out.sum().backward()
    assert (query.grad == 0).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), density=st.floats(0, 1), shift=st.floats(-50, 50))
def test_attention_is_an_average(seed, density, shift):
    """Weights sum to one: it keeps constants and the range of the values, and ignores a shift of the logits."""
    graph = directed(N, density, seed)
    hood = Neighborhood.from_scipy(graph)
    query, key, value = (t.detach() for t in inputs(3, 3, 1, seed=seed))
    out = neighbor_attention(query, key, value, hood, 1.0)
    read = np.diff(graph.indptr) > 0
    constant = neighbor_attention(query, key, torch.full_like(value, 3.5), hood, 1.0)
    np.testing.assert_allclose(constant.numpy()[read], 3.5, rtol=1e-12)
    assert (out <= value.max() + 1e-9).all()
    assert (out[torch.from_numpy(read)] >= value.min() - 1e-9).all()
    # The same vector added to every key adds one constant to all logits of a row.
    shifted = neighbor_attention(query, key + shift * torch.ones(3), value, hood, 1.0)
    torch.testing.assert_close(shifted, out, atol=1e-8, rtol=1e-8)
