"""Undirected edges."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from s3rl.graph.edges import from_pairs, undirected

DIRECTED = np.array([[5, 2, 0, 0], [0, 0, 0, 0.5], [0, 0, 0, 0], [0, 3, 0, 0]])
EXPECTED = np.array([[0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]])


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix, sp.coo_matrix, sp.csr_array])
def test_either_direction_makes_a_pair_of_weight_one(kind):
    graph = undirected(kind(DIRECTED))
    np.testing.assert_array_equal(graph.toarray(), EXPECTED)
    assert type(graph) is sp.csr_matrix
    assert graph.dtype == np.float32
    assert graph.has_sorted_indices


def test_stored_zeros_and_cancelling_weights_do_not_decide():
    stored = sp.coo_matrix(([0.0, 1.0, -1.0], ([0, 1, 2], [1, 2, 1])), shape=(3, 3))
    np.testing.assert_array_equal(undirected(stored).toarray(), [[0, 0, 0], [0, 0, 1], [0, 1, 0]])


def test_pairs_given_twice_count_once():
    graph = from_pairs(np.array([0, 2, 0, 1]), np.array([2, 0, 2, 1]), 3)
    np.testing.assert_array_equal(graph.toarray(), [[0, 0, 1], [0, 0, 0], [1, 0, 0]])
