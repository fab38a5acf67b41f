from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from oracles.losses import topology as loops

from s3rl.losses import topology
from s3rl.nn import Neighborhood, edge_products


def sample(n=200, d=6):
    rng = np.random.default_rng(0)
    pairs = np.triu(rng.random((n, n)), k=1)
    attracting, repelling = (pairs > 0.97), (pairs > 0) & (pairs < 0.02)
    return rng.normal(size=(n, d)), attracting, repelling


def test_edge_form_equals_the_dense_form():
    z, attracting, repelling = sample()
    hoods = [Neighborhood.from_scipy(sp.csr_matrix(part.astype(np.float32))) for part in (attracting, repelling)]
    z_torch = torch.from_numpy(z).requires_grad_()
    value = topology(*(edge_products(z_torch, z_torch, hood) for hood in hoods))
    assert value.item() == pytest.approx(loops(z, attracting, repelling), rel=1e-10)

    dense = torch.from_numpy(z).requires_grad_()
    products = torch.sigmoid(dense @ dense.T)
    plus, minus = torch.from_numpy(attracting), torch.from_numpy(repelling)
    total = -(torch.log(products)[plus].sum() + torch.log(1 - products)[minus].sum())
    (total / (plus.sum() + minus.sum())).backward()
    value.backward()
    torch.testing.assert_close(z_torch.grad, dense.grad, rtol=1e-8, atol=1e-12)


def test_a_confidently_wrong_pair_has_value_and_gradient():
    products = torch.tensor([-300.0, 300.0], requires_grad=True)
    value = topology(products[:1], products[1:])
    assert value.item() == pytest.approx(300)
    value.backward()
    assert products.grad.tolist() == pytest.approx([-0.5, 0.5])


def test_right_pairs_cost_nothing_and_no_edges_are_zero():
    assert topology(torch.tensor([300.0]), torch.tensor([-300.0])).item() == 0
    assert topology(torch.zeros(0), torch.zeros(0)).item() == 0
    assert topology(torch.zeros(7), torch.zeros(2)).item() == pytest.approx(math.log(2))
