from __future__ import annotations

import pytest
import torch
from nn.graphs import directed, expression, weighted

from s3rl.nn import (
    Diffusion,
    Neighborhood,
    PrototypeHead,
    SeparableAutoencoder,
    SparseMatrix,
    hyperspherical_prototypes,
)

N, G = 40, 30
X = SparseMatrix.from_scipy(expression(N, G, 0))
GRAPH = Neighborhood.from_scipy(directed(N, 0.2, 1))
SMOOTH = Diffusion.on(weighted(N, 0.2, 2), 1.0)
FORMS = pytest.mark.parametrize("linear", [True, False], ids=["linear embedding", "ELU embedding"])


def network(linear, seed=0):
    return SeparableAutoencoder(
        G, 8, 5, head=PrototypeHead(hyperspherical_prototypes(3, 5)), n_heads=2, linear_embedding=linear,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip


@FORMS
@pytest.mark.parametrize("smooth", [None, SMOOTH], ids=["plain", "diffused"])
def test_embedding_is_centred_and_scaled_over_the_spots(linear, smooth):
    z = network(linear).encode(X, GRAPH, smooth).detach()
    assert z.shape == (N, 5)
    dim = 0 if linear else (0, 1)
    torch.testing.assert_close(z.mean(dim=dim), torch.zeros(z.mean(dim=dim).shape), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(dim=dim, correction=0), torch.ones(z.mean(dim=dim).shape), atol=5e-3, rtol=0)


@FORMS
def test_evaluation_repeats_the_scale_of_the_last_training_call(linear):
    model = network(linear)
    trained = model.encode(X, GRAPH, SMOOTH)
    evaluated = model.eval().encode(X, GRAPH, SMOOTH)
    torch.testing.assert_close(evaluated, trained, atol=0.1, rtol=0)  # n - 1 in place of n
    part = Neighborhood.from_scipy(directed(N, 0.0, 1))
    assert not torch.allclose(model.encode(X, part, SMOOTH).mean(dim=0), torch.zeros(5), atol=1e-3)


@FORMS
def test_every_parameter_is_trained(linear):
    model = network(linear)
    masked = torch.arange(N) % 4 == 0
    z = model.encode(X, GRAPH, SMOOTH, masked)
    spots, genes = model.decode(z, GRAPH)
    assert (spots @ genes.T).shape == (N, G)
    ((spots @ genes.T) ** 2).sum().add(model.head(z)[:, 0].sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_masked_spots_are_not_read():
    """Whatever the masked spots hold, embedding and reconstruction stay the same."""
    model = network(True)
    masked = torch.arange(N) % 4 == 0
    changed = expression(N, G, 0).tolil()
    changed[masked.numpy()] = 7.0
    other = SparseMatrix.from_scipy(changed.tocsr())
    assert torch.equal(model.encode(X, GRAPH, SMOOTH, masked), model.encode(other, GRAPH, SMOOTH, masked))


def test_same_generator_same_model():
    first, again, other = network(True), network(True), network(True, seed=1)
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.encoder.query, other.encoder.query)
