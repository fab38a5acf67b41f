from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.losses import cosine_error as loops

from s3rl.losses import cosine_error, factored_cosine_error

POWERS = pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 3.0])
N, G, R = 12, 17, 4


def sample(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(N, G, generator=generator, dtype=dtype)
    spots = torch.randn(N, R, generator=generator, dtype=dtype)
    genes = torch.randn(G, R, generator=generator, dtype=dtype)
    return x, spots, genes, torch.arange(N) % 3 > 0


@POWERS
@pytest.mark.parametrize("all_count", [True, False])
def test_equal_loops(power, all_count):
    x, spots, genes, counted = sample()
    guess = spots @ genes.T
    wanted = loops(x.numpy(), guess.numpy(), power, [True] * N if all_count else counted.tolist())
    counted = None if all_count else counted
    factored = factored_cosine_error(x @ genes, x.norm(dim=1), spots, genes, power=power, counted=counted)
    assert cosine_error(x, guess, power=power, counted=counted).item() == pytest.approx(wanted, rel=1e-10)
    assert factored.item() == pytest.approx(wanted, rel=1e-10)


@POWERS
def test_factors_have_the_gradients_of_the_dense_form(power):
    x, spots, genes, counted = sample(1)
    leaves = [spots.requires_grad_(), genes.requires_grad_()]
    factored = factored_cosine_error(x @ genes, x.norm(dim=1), spots, genes, power=power, counted=counted)
    dense = cosine_error(x, spots @ genes.T, power=power, counted=counted)
    for mine, theirs in zip(torch.autograd.grad(factored, leaves), torch.autograd.grad(dense, leaves), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), scale=st.floats(1e-3, 1e3), power=st.floats(1, 4))
def test_bounds_and_scale(seed, scale, power):
    x, spots, genes, _ = sample(seed)
    error = cosine_error(x, spots @ genes.T, power=power)
    assert 0 <= error <= 2**power
    np.testing.assert_allclose(cosine_error(x, scale * spots @ genes.T, power=power), error, rtol=1e-6)
    assert cosine_error(x, scale * x, power=power) < 1e-7


def test_spots_that_do_not_count_get_no_gradient():
    x, spots, genes, counted = sample(2)
    spots.requires_grad_()
    factored_cosine_error(x @ genes, x.norm(dim=1), spots, genes, counted=counted).backward()
    assert (spots.grad[~counted] == 0).all()
    assert (spots.grad[counted].abs().sum(dim=1) > 0).all()


def test_empty_spots_and_no_spots_are_finite():
    x, spots, genes, counted = sample(3)
    x[0] = 0
    spots[1] = 0
    leaves = [spots.requires_grad_(), genes.requires_grad_()]
    for none in (False, True):
        mask = torch.zeros(N, dtype=torch.bool) if none else counted
        for error in (
            factored_cosine_error(x @ genes, x.norm(dim=1), spots, genes, counted=mask),
            cosine_error(x, spots @ genes.T, counted=mask),
        ):
            assert torch.isfinite(error)
            assert all(torch.isfinite(grad).all() for grad in torch.autograd.grad(error, leaves))
            assert error.item() == 0 or not none
