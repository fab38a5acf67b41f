from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nn.graphs import weighted
from oracles.layers import diffused

from s3rl.nn import Diffusion


def operator(graph, strength, tolerance=1e-5):
    return Diffusion.on(graph, strength, tolerance=tolerance)


def dense(smooth, n):
    return smooth.apply(torch.eye(n)).numpy()


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 25), density=st.floats(0, 1), strength=st.floats(0, 20), scale=st.floats(0.1, 3),
    seed=st.integers(0, 9999),
)  # fmt: skip
def test_equals_the_dense_inverse(n, density, strength, scale, seed):
    graph = weighted(n, density, seed) * np.float32(scale)
    smooth = operator(graph, strength)
    matrix = dense(smooth, n)
    np.testing.assert_allclose(matrix, diffused(np.eye(n), graph, strength), atol=1e-4)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    np.testing.assert_allclose(matrix.sum(axis=0), 1, atol=1e-4)  # mass is kept
    np.testing.assert_allclose(smooth(torch.full((n, 1), 2.0)).numpy(), 2, atol=4e-4)  # constants are kept


def test_tolerance_is_kept_and_costs_terms():
    graph = weighted(40, 0.2, 0)
    exact = diffused(np.eye(40), graph, 1.0)
    lengths = []
    for tolerance in (1e-1, 1e-2, 1e-3, 1e-5):
        smooth = operator(graph, 1.0, tolerance)
        assert np.linalg.norm(dense(smooth, 40) - exact, 2) <= tolerance + 2e-6
        lengths.append(len(smooth.coefficients))
    assert lengths == sorted(set(lengths))


def test_gradient_is_the_operator_itself():
    smooth = operator(weighted(20, 0.3, 1), 1.5)
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weight = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    (smooth(x) * weight).sum().backward()
    torch.testing.assert_close(x.grad, smooth.apply(weight))
    np.testing.assert_allclose(x.grad.numpy(), diffused(weight.numpy(), weighted(20, 0.3, 1), 1.5), atol=1e-4)


def test_strength_zero_is_the_identity():
    smooth = operator(weighted(6, 0.5, 2), 0.0)
    assert np.array_equal(dense(smooth, 6), np.eye(6, dtype=np.float32))


@pytest.mark.parametrize("n_pairs", [0, 1])
def test_isolated_spots_keep_their_values(n_pairs):
    graph = sp.csr_matrix((4, 4), dtype=np.float32).tolil()
    if n_pairs:
        graph[0, 1] = graph[1, 0] = 1
    x = torch.tensor([[3.0], [0.0], [5.0], [-2.0]])
    out = operator(graph.tocsr(), 1.0)(x).flatten()
    wanted = [2.0, 1.0, 5.0, -2.0] if n_pairs else [3.0, 0.0, 5.0, -2.0]
    np.testing.assert_allclose(out.numpy(), wanted, atol=1e-4)
