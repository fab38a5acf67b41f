from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.losses import nt_xent as loops

from s3rl.errors import ParameterError
from s3rl.losses import nt_xent

some = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 9999)


def sample(seed=0, n=6, d=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, n, d, generator=generator, dtype=dtype).unbind()


def slopes(z_1, z_2, temperature, step=1e-6):
    """Central differences of the loops."""
    views = np.stack([z_1.numpy(), z_2.numpy()])
    out = np.zeros_like(views)
    for at in np.ndindex(views.shape):
        nudge = np.zeros_like(views)
        nudge[at] = step
        out[at] = (loops(*(views + nudge), temperature) - loops(*(views - nudge), temperature)) / (2 * step)
    return out


@pytest.mark.parametrize("temperature", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("n", [2, 7])
def test_equals_loops(n, temperature):
    z_1, z_2 = sample(n, n)
    assert nt_xent(z_1, z_2, temperature).item() == pytest.approx(loops(z_1.numpy(), z_2.numpy(), temperature), 1e-12)


def test_default_temperature_is_that_of_the_paper():
    z_1, z_2 = sample()
    assert nt_xent(z_1, z_2).item() == pytest.approx(loops(z_1.numpy(), z_2.numpy(), 0.5), 1e-12)


def test_gradients_are_those_of_the_loops():
    z_1, z_2 = sample(1, 4, 3)
    wanted = slopes(z_1, z_2, 0.3)
    leaves = [z_1.requires_grad_(), z_2.requires_grad_()]
    found = torch.autograd.grad(nt_xent(z_1, z_2, 0.3), leaves)
    np.testing.assert_allclose(torch.stack(found).numpy(), wanted, rtol=1e-6, atol=1e-9)
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.3), leaves)


@some
@given(seed=seeds, n=st.integers(2, 12), temperature=st.floats(0.05, 5))
def test_order_of_tiles_order_of_views_and_lengths_do_not_matter(seed, n, temperature):
    z_1, z_2 = sample(seed, n)
    value = nt_xent(z_1, z_2, temperature)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    lengths = torch.rand(2, n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.01
    torch.testing.assert_close(nt_xent(z_1[order], z_2[order], temperature), value)
    torch.testing.assert_close(nt_xent(z_2, z_1, temperature), value)
    torch.testing.assert_close(nt_xent(z_1 * lengths[0], z_2 * lengths[1], temperature), value)
    assert value >= 0


@some
@given(seed=seeds, n=st.integers(2, 12))
def test_pairs_that_agree_cost_less(seed, n):
    # in as many dimensions as tiles the tiles can be orthogonal, so only the pairing differs
    z = torch.eye(n, dtype=torch.float64)
    noise = 0.05 * sample(seed, n, n)[0]
    assert nt_xent(z, z + noise) < nt_xent(z, (z + noise).roll(1, 0))


def test_a_tile_without_its_other_view_does_not_weigh_on_itself():
    # with two tiles whose views coincide, each view sees one positive and two negatives
    z = torch.eye(2, dtype=torch.float64)
    wanted = -math.log(math.exp(2) / (math.exp(2) + 2))
    assert nt_xent(z, z).item() == pytest.approx(wanted, 1e-12)


def test_extreme_temperature_stays_finite():
    z_1, z_2 = sample(dtype=torch.float32)
    z_1.requires_grad_()
    value = nt_xent(z_1, -z_2 * 1e6, 1e-4)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(z_1.grad).all()


def test_a_dead_projection_is_finite():
    z_1, z_2 = sample(dtype=torch.float32)
    z_1[0] = 0
    z_1.requires_grad_()
    value = nt_xent(z_1, z_2)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(z_1.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    z_1, z_2 = (z.to(dtype) for z in sample(n=40, d=16))
    with torch.autocast("cpu", torch.bfloat16):
        value = nt_xent(z_1, z_2, 0.1)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(nt_xent(z_1.double(), z_2.double(), 0.1).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("shape_1", "shape_2"),
    [((4, 3), (4, 2)), ((4, 3), (3, 3)), ((12,), (12,)), ((2, 4, 3), (2, 4, 3)), ((1, 3), (1, 3)), ((0, 3), (0, 3))],
)
def test_wrong_shapes(shape_1, shape_2):
    with pytest.raises(ParameterError, match=r"\(B, d\).*Fix"):
        nt_xent(torch.ones(shape_1), torch.ones(shape_2))


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, math.nan])
def test_wrong_temperature(temperature):
    with pytest.raises(ParameterError, match=r"temperature.*above 0"):
        nt_xent(*sample(), temperature)
