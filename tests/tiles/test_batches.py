from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3rl.errors import ParameterError
from s3rl.tiles.batches import in_batches


def groups_of(lengths):
    ends = np.cumsum([0, *lengths])
    order = np.random.default_rng(0).permutation(ends[-1])
    for first, last in itertools.pairwise(ends):
        positions = order[first:last]
        yield positions, np.broadcast_to(positions[:, None, None, None], (len(positions), 2, 3, 3)).copy()


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 12))
def test_same_tiles_in_the_same_order_in_batches_of_one_size(lengths, batch_size):
    batches = list(in_batches(groups_of(lengths), batch_size))
    n = sum(lengths)
    expected = [batch_size] * (n // batch_size) + ([n % batch_size] if n % batch_size else [])
    assert [len(positions) for positions, _ in batches] == expected
    assert all((tiles == positions[:, None, None, None]).all() for positions, tiles in batches)
    assert all(tiles.shape == (len(positions), 2, 3, 3) for positions, tiles in batches)
    given_order = [p for positions, _ in groups_of(lengths) for p in positions]
    assert [p for positions, _ in batches for p in positions] == given_order


def test_a_batch_comes_before_the_next_group_is_asked_for():
    asked = []

    def stream():
        for number, group in enumerate(groups_of([8, 4])):
            asked.append(number)
            yield group

    batches = in_batches(stream(), 4)
    assert [len(next(batches)[0]) for _ in range(2)] == [4, 4]
    assert asked == [0]


@pytest.mark.parametrize("batch_size", [0, -3, 2.0, True, None])
def test_batch_sizes_that_are_none(batch_size):
    with pytest.raises(ParameterError, match="batch_size"):
        in_batches([], batch_size)
