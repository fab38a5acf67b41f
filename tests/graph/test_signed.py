"""The signed graph, against loops over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import signed_graph as oracle

from s3rl.graph.edges import from_pairs
from s3rl.graph.signed import combine, similar_pairs
from s3rl.graph.similar import Directions


def pairs(features, codes=None, *, k=3, f=1, cap=None, centered=False):
    codes = np.zeros(len(features), np.int64) if codes is None else codes
    directions = Directions(features, codes, centered=centered)
    return similar_pairs(directions, codes, n_nearest=k, n_farthest=f, max_far_degree=cap)


def is_undirected(graph):
    return (
        type(graph) is sp.csr_matrix
        and graph.dtype == np.float32
        and not (graph != graph.T).nnz
        and not graph.diagonal().any()
        and (graph.data == 1).all()
        and graph.has_sorted_indices
    )


@pytest.mark.parametrize("cap", [None, 1, 2])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_of_the_loops(seed, centered, cap):
    rng = np.random.default_rng(seed)
    features = rng.gamma(2.0, size=(36, 5))
    slices = rng.integers(2, size=36)
    found = pairs(features.astype(np.float32), slices, k=4, f=2, cap=cap, centered=centered)
    rows = oracle.centered(features.tolist(), slices) if centered else features.tolist()
    assert oracle.pairs_of(found.positive) == oracle.positive_pairs(rows, slices, 4)
    assert oracle.pairs_of(found.negative) == oracle.negative_pairs(rows, slices, 2, cap)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(16, 60),
    slices=st.integers(1, 3),
    k=st.integers(1, 4),
    f=st.integers(1, 3),
    cap=st.none() | st.integers(1, 4),
)
def test_promises_of_the_signed_graph(seed, n, slices, k, f, cap):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n) % slices)
    spatial = from_pairs(np.arange(n), np.array([rng.choice(np.flatnonzero(codes == c)) for c in codes]), n)
    features = [rng.normal(size=(n, 6)).astype(np.float32) for _ in range(2)]
    found = [pairs(part, codes, k=k, f=f, cap=cap) for part in features]
    graph = combine(spatial, {"a": found[0], "b": found[1]})
    for part in (graph.attraction, graph.repulsion):
        assert is_undirected(part)
        edges = part.tocoo()
        assert (codes[edges.row] == codes[edges.col]).all()
    assert graph.attraction.multiply(graph.repulsion).nnz == 0
    rows = [part.tolist() for part in features]
    attraction, repulsion = oracle.signed_pairs(oracle.pairs_of(spatial), rows, codes, k, f, cap)
    assert oracle.pairs_of(graph.attraction) == attraction
    assert oracle.pairs_of(graph.repulsion) == repulsion

    order = rng.permutation(n)
    moved = [pairs(part[order], codes[order], k=k, f=f, cap=cap) for part in features]
    again = combine(spatial[order][:, order], {"a": moved[0], "b": moved[1]})
    for name in ("attraction", "repulsion", "kinds"):
        assert (getattr(again, name) != getattr(graph, name)[order][:, order]).nnz == 0


def test_kinds_are_kept_apart():
    n = 6
    spatial = from_pairs([0, 2], [1, 3], n)
    found = pairs(np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32))
    a = found._replace(positive=from_pairs([0, 4], [1, 5], n), negative=from_pairs([2, 0], [3, 5], n))
    b = found._replace(positive=from_pairs([0], [5], n), negative=from_pairs([1], [5], n))
    graph = combine(spatial, {"a": a, "b": b})
    assert graph.names == ["spatial", "a+", "a-", "b+", "b-"]
    assert graph.kinds.dtype == np.uint8
    kinds = {(i, j): int(graph.kinds[i, j]) for i, j in oracle.pairs_of(graph.kinds)}
    assert kinds == {(1, 0): 0b00011, (3, 2): 0b00101, (5, 4): 0b00010, (5, 0): 0b01100, (5, 1): 0b10000}
    assert oracle.pairs_of(graph.attraction) == {(1, 0), (3, 2), (5, 4), (5, 0)}
    assert oracle.pairs_of(graph.repulsion) == {(5, 1)}
    assert graph.conflicts == 2


@pytest.mark.parametrize(("spaces", "dtype"), [(3, np.uint8), (4, np.uint16), (8, np.uint32), (31, np.uint64)])
def test_any_number_of_spaces(spaces, dtype):
    found = pairs(np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32))
    graph = combine(from_pairs([0], [1], 10), {str(i): found for i in range(spaces)})
    assert graph.kinds.dtype == dtype
    last = sp.csr_matrix(
        (graph.kinds.data >> np.array(2 * spaces, dtype) & np.array(1, dtype), graph.kinds.indices, graph.kinds.indptr)
    )
    last.eliminate_zeros()
    assert oracle.pairs_of(last) == oracle.pairs_of(found.negative)


def test_a_hub_keeps_its_least_similar_pairs():
    angles = np.array([np.pi, 0.0, 0.1, 0.2, -0.3, 0.4])
    features = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    free, capped = pairs(features, k=2), pairs(features, k=2, cap=2)
    assert oracle.pairs_of(free.negative) == {(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)}
    # spots 1 and 2 are the most opposite ones; spot 0's own farthest is spot 1
    assert oracle.pairs_of(capped.negative) == {(1, 0), (2, 0)}
    assert (free.report.max_far_degree, capped.report.max_far_degree) == (5, 5)
    assert (free.report.capped, capped.report.capped) == (0, 3)


def test_ties_at_the_cap_go_to_the_lowest_number():
    features = np.array([[-1.0, 0]] + [[1.0, 0]] * 5, dtype=np.float32)
    assert oracle.pairs_of(pairs(features, k=2, cap=2).negative) == {(1, 0), (2, 0)}


def test_report_counts_what_is_there():
    rng = np.random.default_rng(5)
    features = rng.normal(size=(80, 6)).astype(np.float32)
    features[[3, 40]] = 0
    found = pairs(features, k=3, f=2, cap=3)
    degrees = np.zeros(80)
    kept = [i for i in range(80) if i not in (3, 40)]
    rows = features[kept].tolist()
    for i in range(78):
        for j in oracle.ranked(rows, [0] * 78, i)[::-1][:2]:
            degrees[kept[j]] += 1
    report = found.report
    assert report.positives == len(oracle.pairs_of(found.positive))
    assert report.negatives == len(oracle.pairs_of(found.negative))
    assert report.without_mutual == (found.positive.sum(axis=1) == 0).mean()
    assert report.max_far_degree == degrees.max()
    assert report.far_degree_99 == np.percentile(degrees, 99)
    assert report.capped == np.maximum(degrees - 3, 0).sum()
    assert report.without_features == 2
    for graph in (found.positive, found.negative):
        assert graph[[3, 40]].nnz == 0
