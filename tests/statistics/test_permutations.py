"""Which spots are exchanged with each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from s3rl.statistics.permutations import alike, permutation


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=120),
    st.integers(1, 12),
    st.integers(1, 30),
)
def test_parts_are_of_one_stratum_ordered_and_keep_ties_together(spots, parts, fewest):
    strata, values = np.array(spots).T
    codes = alike(values, strata, parts=parts, fewest=fewest)
    frame = pd.DataFrame({"stratum": strata, "value": values, "part": codes})
    assert (frame.groupby("part")["stratum"].nunique() == 1).all()
    assert (frame.groupby(["stratum", "value"])["part"].nunique() == 1).all()
    for _, own in frame.groupby("stratum"):
        assert own["part"].nunique() <= min(parts, max(1, len(own) // fewest))
        limits = own.groupby("part")["value"].agg(["min", "max"])
        assert (limits["max"].to_numpy()[:-1] < limits["min"].to_numpy()[1:]).all()


@given(st.integers(1, 200), st.integers(1, 12), st.integers(1, 30))
def test_parts_of_different_values_are_of_one_size(n, parts, fewest):
    codes = alike(np.random.default_rng(n).permutation(n), np.zeros(n, int), parts=parts, fewest=fewest)
    sizes = np.bincount(codes)
    assert len(sizes) == min(parts, max(1, n // fewest))
    assert sizes.max() - sizes.min() <= 1


def test_spots_of_one_depth_are_all_exchanged_whatever_their_order():
    assert len(set(alike(np.full(400, 100.0), np.zeros(400, int)))) == 1


def test_parts_are_the_tenths_of_pandas():
    values = np.random.default_rng(0).permutation(1000)
    np.testing.assert_array_equal(alike(values, np.zeros(1000, int)), pd.qcut(values, 10, labels=False))


def test_spots_stay_in_their_part():
    codes = alike(np.random.default_rng(1).normal(size=300), np.arange(300) % 2)
    order = permutation(0, 0, 300, codes)
    np.testing.assert_array_equal(codes[order], codes)
    assert (order != np.arange(300)).mean() > 0.8
