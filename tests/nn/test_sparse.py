from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from nn.graphs import directed, expression

from s3rl.nn import Neighborhood, SparseMatrix, _sparse


def test_product_and_gradient_equal_the_dense_ones():
    x = expression(9, 14, 0)
    dense = torch.from_numpy(x.toarray())
    weights = torch.randn(14, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    same = weights.detach().clone().requires_grad_()
    out, wanted = SparseMatrix.from_scipy(x) @ weights, dense @ same
    torch.testing.assert_close(out, wanted)
    (out**2).sum().backward()
    (wanted**2).sum().backward()
    torch.testing.assert_close(weights.grad, same.grad)


@pytest.mark.parametrize("rows", [slice(0, 4), slice(3, 4), slice(6, 50), slice(0, 9)])
def test_rows_are_a_dense_copy(rows):
    x = expression(9, 14, 2)
    x.data[x.indptr[3] : x.indptr[4]] = 0
    x.eliminate_zeros()
    assert np.array_equal(SparseMatrix.from_scipy(x).rows(rows).numpy(), x.toarray()[rows])


def test_neighbours_in_both_directions():
    graph = directed(8, 0.4, 3, isolated=[5])
    hood = Neighborhood.from_scipy(graph)
    weights = torch.randn(hood.n_edges, generator=torch.Generator().manual_seed(0))
    values = torch.randn(8, 2, generator=torch.Generator().manual_seed(1))
    dense = torch.zeros(8, 8)
    dense[hood.rows, hood.columns] = weights
    assert (hood.n_nodes, hood.n_edges) == (8, graph.nnz)
    torch.testing.assert_close(hood.product(weights, values), dense @ values)
    torch.testing.assert_close(hood.transposed_product(weights, values), dense.T @ values)


def test_reductions_over_rows_with_an_empty_one():
    graph = sp.csr_matrix(np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0]], dtype=np.float32))
    hood = Neighborhood.from_scipy(graph)
    assert hood.segment(torch.tensor([2.0, -3.0, 5.0]), "sum").tolist() == [-1.0, 0.0, 5.0]


def test_the_matrix_handed_in_is_not_sorted_in_place():
    unsorted = sp.csr_matrix((np.array([1.0, 2.0, 3.0]), np.array([2, 0, 1]), np.array([0, 2, 3, 3])), shape=(3, 3))
    before = unsorted.indices.copy()
    hood = Neighborhood.from_scipy(unsorted)
    assert np.array_equal(unsorted.indices, before)
    assert hood.columns.tolist() == [0, 2, 1]


@pytest.mark.parametrize("width", [1, 31, 32, 33, 70])
def test_products_by_blocks_of_columns_are_the_whole_product(width, monkeypatch):
    matrix = sp.random(40, 30, 0.2, format="csr", random_state=0, dtype=np.float32)
    dense = torch.randn(30, width, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(_sparse, "_LARGE", 1)
    product = _sparse.multiply(_sparse.csr_tensor(matrix, torch.device("cpu")), dense)
    np.testing.assert_allclose(product.numpy(), matrix @ dense.numpy(), rtol=1e-5, atol=1e-6)
