"""Most and least similar rows, against all pairs at once."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from s3rl.graph import similar
from s3rl.graph.similar import Directions, extremes


def all_pairs(features, centered):
    values = np.asarray(features.todense() if sp.issparse(features) else features, dtype=np.float64)
    values = values - values.mean(axis=0) if centered else values
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit @ unit.T


def searched(features, *, k=4, f=2, tile=7, centered=False, members=None):
    n = features.shape[0]
    directions = Directions(features, np.zeros(n, np.int64), centered=centered)
    return extremes(directions, np.arange(n) if members is None else members, k, f, tile=tile)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("tile", [1, 7, 40, 2000])
def test_equals_sorting_all_pairs(sparse, centered, tile):
    features = np.random.default_rng(0).gamma(1.0, size=(40, 6)).astype(np.float32)
    features[np.random.default_rng(1).random(features.shape) < 0.4] = 0
    features[:, 0] += 0.1
    found = searched(sp.csr_matrix(features) if sparse else features, tile=tile, centered=centered)
    cosine = all_pairs(features, centered)
    near, far = cosine.copy(), cosine.copy()
    np.fill_diagonal(near, -np.inf)
    np.fill_diagonal(far, np.inf)
    np.testing.assert_array_equal(found.nearest, np.argsort(-near, axis=1)[:, :4])
    np.testing.assert_array_equal(found.farthest, np.argsort(far, axis=1)[:, :2])
    np.testing.assert_allclose(found.farthest_similarity, np.sort(far, axis=1)[:, :2], atol=2e-6)


@pytest.mark.parametrize("tile", [2, 3, 100])
def test_ties_go_to_the_lowest_number_whatever_the_tiles(tile):
    axes = np.eye(3, dtype=np.float32)[[0, 1, 0, 2, 1, 0, 2, 0]]
    found = searched(axes, k=3, f=3, tile=tile)
    np.testing.assert_array_equal(found.nearest[0], [2, 5, 7])
    np.testing.assert_array_equal(found.nearest[1], [4, 0, 2])
    np.testing.assert_array_equal(found.nearest[7], [0, 2, 5])
    np.testing.assert_array_equal(found.farthest[0], [1, 3, 4])
    np.testing.assert_array_equal(found.farthest[3], [0, 1, 2])


def test_ties_stay_in_order_in_long_lists():
    axes = np.eye(2, dtype=np.float32)[np.arange(80) % 2]
    found = searched(axes, k=30, f=30, tile=9)
    np.testing.assert_array_equal(found.nearest[79], np.arange(1, 60, 2))
    np.testing.assert_array_equal(found.farthest[79], np.arange(0, 60, 2))


def test_equal_rows_tie_in_spite_of_rounding():
    row = np.random.default_rng(3).normal(size=(1, 301))
    features = np.repeat(row, 50, axis=0).astype(np.float32)
    for tile in (6, 7, 50):
        np.testing.assert_array_equal(searched(features, k=2, f=1, tile=tile).nearest[10], [0, 1])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(6, 40), tile=st.integers(1, 45), centered=st.booleans())
def test_moves_with_the_rows(seed, n, tile, centered):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 5)).astype(np.float32)
    order = rng.permutation(n)
    found, moved = (searched(part, tile=tile, centered=centered) for part in (features, features[order]))
    np.testing.assert_array_equal(order[moved.nearest], found.nearest[order])
    np.testing.assert_array_equal(order[moved.farthest], found.farthest[order])
    assert not (found.nearest == np.arange(n)[:, None]).any()
    assert not (found.farthest == np.arange(n)[:, None]).any()


def test_only_members_are_compared_and_named_by_their_own_numbers():
    features = np.random.default_rng(2).normal(size=(30, 5)).astype(np.float32)
    members = np.arange(1, 30, 3)
    found, alone = searched(features, members=members), searched(features[members])
    np.testing.assert_array_equal(found.nearest, members[alone.nearest])
    np.testing.assert_array_equal(found.farthest, members[alone.farthest])


@pytest.mark.parametrize("sparse", [False, True])
def test_directions_are_unit_vectors_or_zero(sparse):
    features = np.array([[3.0, 4, 0], [0, 0, 0], [0, 0, 2], [3e19, 4e19, 0], [3e-19, 0, 4e-19]], dtype=np.float32)
    directions = Directions(sp.csr_matrix(features) if sparse else features, np.zeros(5, np.int64))
    np.testing.assert_array_equal(directions.has_one, [True, False, True, True, True])
    expected = [[0.6, 0.8, 0], [0, 0, 0], [0, 0, 1], [0.6, 0.8, 0], [0.6, 0, 0.8]]
    np.testing.assert_allclose(directions.take(np.arange(5)), expected, rtol=1e-6)


def test_centring_is_within_the_slice():
    rng = np.random.default_rng(0)
    codes = np.array([0, 1, 1, 0, 1, 0])
    features = rng.normal(size=(6, 4)) + 100 * codes[:, None]
    directions = Directions(features.astype(np.float32), codes, centered=True)
    for code in (0, 1):
        rows = np.flatnonzero(codes == code)
        deviation = features[rows] - features[rows].mean(axis=0)
        expected = deviation / np.linalg.norm(deviation, axis=1, keepdims=True)
        np.testing.assert_allclose(directions.take(rows), expected, atol=1e-4)


def test_a_row_equal_to_the_mean_up_to_rounding_points_nowhere():
    rows = np.random.default_rng(0).random((6, 50)).astype(np.float32)
    features = np.vstack([rows, rows.mean(axis=0, keepdims=True)])
    rest = features[6] - features.astype(np.float64).mean(axis=0).astype(np.float32)
    assert rest.any()
    found = Directions(features, np.zeros(7, np.int64), centered=True).has_one
    np.testing.assert_array_equal(found, [True] * 6 + [False])


def test_cosines_of_pairs():
    features = np.random.default_rng(0).gamma(1.0, size=(50, 8)).astype(np.float32)
    rows, columns = np.random.default_rng(1).integers(50, size=(2, 300))
    for matrix in (features, sp.csr_matrix(features)):
        found = Directions(matrix, np.zeros(50, np.int64)).cosines(rows, columns, chunk=64)
        np.testing.assert_allclose(found, all_pairs(features, False)[rows, columns], atol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_memory_is_far_below_all_pairs(sparse, monkeypatch):
    monkeypatch.setattr(similar, "TILE", 200)
    n = 2000
    rng = np.random.default_rng(0)
    features = sp.random(n, 30, 0.3, format="csr", dtype=np.float32, rng=rng) if sparse else rng.random((n, 30))
    directions = Directions(features, np.zeros(n, np.int64), centered=True)
    tracemalloc.start()
    extremes(directions, np.arange(n), 5, 1, tile=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * n * 4 / 10


def test_no_array_of_all_pairs_is_ever_made(monkeypatch):
    n, largest = 900, 0
    real = np.matmul

    def spy(*args, **kwargs):
        nonlocal largest
        result = real(*args, **kwargs)
        largest = max(largest, result.size)
        return result

    monkeypatch.setattr(similar.np, "matmul", spy)
    searched(np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32), tile=100)
    assert 0 < largest <= 100 * 100
