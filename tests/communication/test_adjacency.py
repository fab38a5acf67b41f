"""Which clusters touch."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from s3rl.communication.adjacency import contacts, touching


def line(n):
    return sp.diags([np.ones(n - 1), np.ones(n - 1)], [1, -1]).tocsr()


def test_edges_are_counted_once_whatever_their_direction():
    codes = np.array([0, 0, 1, 1, 1, 2])
    expected = [[1, 1, 0], [1, 2, 1], [0, 1, 0]]
    assert contacts(codes, 3, line(6)).tolist() == expected
    assert contacts(codes, 3, sp.triu(line(6))).tolist() == expected


def test_loops_stored_zeros_and_spots_without_a_cluster_do_not_count():
    graph = line(4).tolil()
    graph[1, 1] = 1
    graph = graph.tocsr()
    graph.data[graph.indptr[2] : graph.indptr[3]] = 0
    graph[3, 2] = 0
    assert contacts(np.array([0, 0, 1, 1]), 2, graph).tolist() == [[1, 1], [1, 0]]
    assert contacts(np.array([0, -1, 1, 1]), 2, line(4)).tolist() == [[0, 0], [0, 1]]


def test_a_few_stray_edges_between_large_neighbours_are_no_contact():
    counts = np.array([[50, 40, 1, 0], [40, 50, 40, 0], [1, 40, 50, 3], [0, 0, 3, 0]])
    found = touching(counts, 0.05)
    assert found.tolist() == [
        [True, True, False, False],
        [True, True, True, False],
        # all edges that leave the small cluster lead there
        [False, True, True, True],
        [False, False, True, False],
    ]
    assert touching(counts, 0.9)[2, 3]
    assert touching(counts, 0.0)[0, 2]
    assert not touching(counts, 0.0)[0, 3]
