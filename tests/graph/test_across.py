from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3rl.graph.across import neighbors_across, pitch_of


def by_hand(xy, slices, order, n_across, gap, reach):
    """Every pair that a double loop finds."""
    found = {}
    for a, b in [*pairwise(order), *pairwise(order[::-1])]:
        for i in np.flatnonzero(slices == a):
            ranked = sorted((np.sqrt(((xy[i] - xy[j]) ** 2).sum() + gap**2), j) for j in np.flatnonzero(slices == b))
            for distance, j in ranked[:n_across]:
                if distance <= reach:
                    found[i, j] = found[j, i] = distance
    return found


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_slices=st.integers(2, 4),
    n_across=st.integers(1, 3),
    gap=st.sampled_from([0.0, 0.5, 3.0]),
    reach=st.sampled_from([0.5, 1.0, 4.0]),
)
def test_pairs_are_those_of_a_double_loop(seed, n_slices, n_across, gap, reach):
    rng = np.random.default_rng(seed)
    slices = rng.permutation(np.arange(25) % n_slices)
    xy = rng.uniform(0, 4, (25, 2))
    order = rng.permutation(n_slices).tolist()
    graph = neighbors_across(xy, slices, order, n_across=n_across, gap=gap, reach=reach)
    wanted = by_hand(xy, slices, order, n_across, gap, reach)
    coo = graph.tocoo()
    assert {*zip(coo.row, coo.col, strict=True)} == set(wanted)
    for i, j, value in zip(coo.row, coo.col, coo.data, strict=True):
        assert value == pytest.approx(wanted[i, j], rel=1e-5)


def test_spots_at_one_place_are_joined_all_the_same():
    graph = neighbors_across(np.zeros((2, 2)), np.array([0, 1]), [0, 1], n_across=1, gap=0.0, reach=1.0)
    assert graph.nnz == 2
    assert (graph.data > 0).all()


def test_slices_farther_apart_than_the_reach_are_not_joined():
    xy = np.zeros((4, 2))
    assert neighbors_across(xy, np.array([0, 0, 1, 1]), [0, 1], n_across=1, gap=5.0, reach=4.0).nnz == 0


def test_pitch_is_that_of_the_grid():
    x, y = np.meshgrid(np.arange(6) * 7.0, np.arange(5) * 7.0)
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    assert pitch_of(xy) == pytest.approx(7)
    assert pitch_of(np.repeat(xy, 2, axis=0)) == pytest.approx(7)
    assert pitch_of(np.ones((3, 2))) == 0
