from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from nn.graphs import directed, expression
from oracles.layers import graph_transformer, neighbours_of

from s3rl.nn import ExpressionDecoderLayer, ExpressionEncoderLayer, GraphTransformerLayer, Neighborhood, SparseMatrix

N, ISOLATED = 11, 6
GRAPH = directed(N, 0.35, 1, isolated=[ISOLATED])
HEADS = pytest.mark.parametrize("n_heads", [1, 2])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def reference(layer):
    """PyG's layer with the same parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # its import uses torch.jit
        from torch_geometric.nn import TransformerConv
    conv = TransformerConv(layer.n_in, layer.n_out, heads=layer.n_heads, concat=False, beta=True)
    with torch.no_grad():
        for name, parameter in named(conv):
            parameter.copy_(getattr(layer, name).reshape(parameter.shape))
    return conv


def named(conv):
    for name in ("query", "key", "value", "skip"):
        linear = getattr(conv, f"lin_{name}")
        yield name, linear.weight
        yield f"{name}_bias", linear.bias
    yield "gate", conv.lin_beta.weight


def edges_of(graph):
    rows, columns = (torch.from_numpy(part.astype(np.int64)) for part in graph.nonzero())
    return torch.stack([columns, rows])


def assert_same(layer, conv, out, wanted, pairs=()):
    """Outputs and, through an uneven loss, the gradients of all parameters and of the pairs of inputs."""
    torch.testing.assert_close(out, wanted, atol=2e-5, rtol=1e-4)
    weight = torch.randn(out.shape, generator=seeded(9))
    (weight * out + out**2).sum().backward()
    (weight * wanted + wanted**2).sum().backward()
    for name, parameter in named(conv):
        mine = getattr(layer, name).grad
        assert mine is not None, name
        torch.testing.assert_close(mine.reshape(parameter.shape), parameter.grad, atol=2e-4, rtol=1e-3, msg=name)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine.grad, theirs.grad, atol=2e-4, rtol=1e-3)


def twins(*shape, seed=4):
    x = torch.randn(*shape, generator=seeded(seed))
    return x.clone().requires_grad_(), x.clone().requires_grad_()


@HEADS
def test_general_layer_equals_pyg(n_heads):
    layer = GraphTransformerLayer(7, 5, n_heads, seeded())
    conv = reference(layer)
    x, y = twins(N, 7)
    assert_same(layer, conv, layer(x, Neighborhood.from_scipy(GRAPH)), conv(y, edges_of(GRAPH)), [(x, y)])


@HEADS
def test_general_layer_equals_loops(n_heads):
    layer = GraphTransformerLayer(7, 5, n_heads, seeded(1)).double()
    x = torch.randn(N, 7, generator=seeded(2), dtype=torch.float64)
    weights = {
        name: (getattr(layer, name).detach().numpy(), getattr(layer, f"{name}_bias").detach().numpy())
        for name in ("query", "key", "value", "skip")
    } | {"gate": layer.gate.detach().numpy()}
    wanted = graph_transformer(x.numpy(), neighbours_of(GRAPH), weights, n_heads)
    np.testing.assert_allclose(layer(x, Neighborhood.from_scipy(GRAPH)).detach().numpy(), wanted, atol=1e-10)


@HEADS
def test_general_layer_drops_edges_as_pyg_without_them(n_heads):
    layer = GraphTransformerLayer(7, 5, n_heads, seeded())
    conv = reference(layer)
    kept = torch.rand(GRAPH.nnz, generator=seeded(3)) > 0.4
    x, y = twins(N, 7)
    out = layer(x, Neighborhood.from_scipy(GRAPH), kept)
    assert_same(layer, conv, out, conv(y, edges_of(GRAPH)[:, kept]), [(x, y)])


@HEADS
@pytest.mark.parametrize("weighted", [False, True], ids=["equal genes", "gene weights"])
@pytest.mark.parametrize("masks", [False, True], ids=["all spots", "masked"])
def test_sparse_encoder_equals_pyg_on_dense_input(n_heads, weighted, masks):
    x = expression(N, 23, 5)
    layer = ExpressionEncoderLayer(23, 4, n_heads, seeded(6))
    with torch.no_grad():
        layer.token.copy_(torch.randn(23, generator=seeded(7)))
        if weighted:
            layer.gene_weights.copy_(torch.rand(23, generator=seeded(8)) + 0.5)
    conv = reference(layer)
    masked = torch.arange(N) % 3 == 0 if masks else None
    token = layer.token.detach().clone().requires_grad_()
    dense = torch.from_numpy(x.toarray())
    if masks:
        dense = torch.where(masked[:, None], token[None], dense)
    hood = Neighborhood.from_scipy(GRAPH)
    kept = torch.rand(GRAPH.nnz, generator=seeded(3)) > 0.2
    out = layer.attend(layer.project(SparseMatrix.from_scipy(x), masked), hood, kept)
    wanted = conv(dense * layer.gene_weights, edges_of(GRAPH)[:, kept])
    assert_same(layer, conv, out, wanted, [(layer.token, token)] if masks else [])


@HEADS
@pytest.mark.parametrize("drops", [False, True], ids=["all edges", "dropped edges"])
def test_factorised_decoder_equals_pyg(n_heads, drops):
    layer = ExpressionDecoderLayer(6, 29, n_heads, seeded(8))
    conv = reference(layer)
    kept = torch.rand(GRAPH.nnz, generator=seeded(3)) > 0.4 if drops else torch.ones(GRAPH.nnz, dtype=torch.bool)
    x, y = twins(N, 6)
    spots, genes = layer.factors(x, Neighborhood.from_scipy(GRAPH), kept if drops else None)
    assert spots.shape == (N, (n_heads + 1) * 7)
    assert genes.shape == (29, (n_heads + 1) * 7)
    assert_same(layer, conv, spots @ genes.T, conv(y, edges_of(GRAPH)[:, kept]), [(x, y)])


def test_start_weights_depend_on_the_generator_alone():
    before = torch.random.get_rng_state()
    first, second, other = (GraphTransformerLayer(4, 3, 1, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.query, other.query)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), GraphTransformerLayer(4, 3).parameters(), strict=True)
    )
    assert first.query.abs().max() <= 0.5


def test_genes_that_were_not_measured_count_with_their_mean():
    x = expression(9, 14, 0)
    layer = ExpressionEncoderLayer(14, 4, generator=torch.Generator().manual_seed(1))
    layer.gene_weights.uniform_(0.5, 2, generator=torch.Generator().manual_seed(2))
    layer.gene_means.copy_(SparseMatrix.from_scipy(x).column_means())
    np.testing.assert_allclose(layer.gene_means.numpy(), x.toarray().mean(axis=0), rtol=1e-5)
    missing = torch.arange(14) % 3 == 0
    filled, emptied = x.toarray(), x.toarray()
    filled[:, missing.numpy()] = layer.gene_means[missing].numpy()
    emptied[:, missing.numpy()] = 0
    wanted = layer.project(SparseMatrix.from_scipy(sp.csr_matrix(filled))).detach()
    layer.expect(missing)
    torch.testing.assert_close(layer.project(SparseMatrix.from_scipy(sp.csr_matrix(emptied))).detach(), wanted)
