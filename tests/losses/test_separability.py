from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.losses import prototype_deviation as deviation_loops
from oracles.losses import separability as separability_loops

from s3rl.losses import prototype_deviation, separability


def soft(n, c, seed, sharpness=2.0):
    logits = sharpness * torch.randn(n, c, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.softmax(logits, dim=1)


def hard(counts):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return torch.nn.functional.one_hot(labels, len(counts)).double(), torch.tensor(counts).double() / sum(counts)


@pytest.mark.parametrize(("n", "c"), [(10, 2), (30, 5), (41, 7)])
def test_equal_sizes_give_the_formula_of_the_paper(n, c):
    assignment = soft(n, c, n)
    wanted = separability_loops(assignment.numpy())
    assert separability(assignment).item() == pytest.approx(wanted, rel=1e-10)
    assert separability(assignment, torch.full((c,), 1 / c, dtype=torch.float64)).item() == pytest.approx(wanted)


@pytest.mark.parametrize("counts", [[5, 5], [1, 9], [20, 3, 7, 2]])
def test_zero_only_for_one_hot_of_the_given_sizes(counts):
    assignment, sizes = hard(counts)
    assert separability(assignment, sizes).item() == pytest.approx(0, abs=1e-7)
    if len(set(counts)) > 1:
        assert separability(assignment).item() > 0.01
        assert separability(assignment, sizes.flip(0)).item() > 0.01
    assert separability(0.9 * assignment + 0.1 / len(counts), sizes).item() > 0.01


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 40), c=st.integers(2, 8), seed=st.integers(0, 9999), sharpness=st.floats(0, 30))
def test_never_below_zero_and_one_where_uniform(n, c, seed, sharpness):
    sizes = soft(1, c, seed + 1)[0]
    assignment = soft(n, c, seed, sharpness)
    assert separability(assignment, sizes).item() >= -1e-6
    assert -1e-6 <= separability(assignment).item() <= 1 + 1e-6
    uniform = torch.full((n, c), 1 / c, dtype=torch.float64)
    assert separability(uniform, sizes).item() == pytest.approx(1)
    assert separability(uniform).item() == pytest.approx(1)


@pytest.mark.parametrize("sizes", [None, [0.5, 0.3, 0.2], [0.9, 0.08, 0.02]])
def test_deviation_equals_loops(sizes):
    assignment = soft(25, 3, 4)
    wanted = deviation_loops(assignment.numpy(), sizes or [1 / 3] * 3)
    given_sizes = None if sizes is None else torch.tensor(sizes)
    np.testing.assert_allclose(prototype_deviation(assignment, given_sizes).numpy(), wanted, rtol=1e-6, atol=1e-9)


def test_deviation_is_zero_where_the_assignment_is_ideal():
    assignment, sizes = hard([6, 3, 1])
    np.testing.assert_allclose(prototype_deviation(assignment, sizes).numpy(), 0, atol=1e-7)
    assert prototype_deviation(assignment).max() > 0.1


@settings(max_examples=25, deadline=None)
@given(n=st.integers(3, 40), c=st.integers(2, 6), seed=st.integers(0, 9999))
def test_deviation_is_a_divergence(n, c, seed):
    assert (prototype_deviation(soft(n, c, seed), soft(1, c, seed + 1)[0]) >= 0).all()


@pytest.mark.parametrize("loss", [separability, lambda y: prototype_deviation(y).sum()])
@pytest.mark.parametrize("wrong", [False, True], ids=["ideal", "one empty prototype"])
def test_gradients_are_finite_at_the_edges(loss, wrong):
    assignment = hard([4, 0, 4] if wrong else [4, 4, 4])[0].float().requires_grad_()
    loss(assignment).backward()
    assert torch.isfinite(assignment.grad).all()
