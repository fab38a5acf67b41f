"""False discovery rates, permutations and the linear denoiser against independent ways to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from s3rl.statistics.multiple import fdr, permutation_pvalue
from s3rl.statistics.permutations import permutation
from s3rl.statistics.readout import readout

RNG = np.random.default_rng(0)


def test_fdr_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = RNG.uniform(size=50) ** 2
    assert np.allclose(fdr(p), multipletests(p, method="fdr_bh")[1])


def test_tests_of_a_group_are_adjusted_together_and_nan_is_no_test():
    p, groups = RNG.uniform(size=(4, 6)), np.repeat(np.arange(4)[:, None], 6, axis=1)
    p[2] = np.nan
    p[1, 3] = np.nan
    adjusted = fdr(p, groups)
    assert np.isnan(adjusted[2]).all()
    assert np.allclose(adjusted[0], fdr(p[0]))
    assert np.allclose(np.delete(adjusted[1], 3), fdr(np.delete(p[1], 3)))
    assert not np.allclose(adjusted[0], fdr(p)[0])


def test_no_pvalue_of_permutations_is_zero():
    assert permutation_pvalue(np.array([0, 99]), 99) == pytest.approx([0.01, 1.0])


def test_permutations_have_streams_of_their_own():
    one, two = permutation(3, 0, 40), permutation(3, 1, 40)
    assert not np.array_equal(one, two)
    assert np.array_equal(two, permutation(3, 1, 40))
    assert sorted(one) == list(range(40))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_spots_stay_in_their_stratum(codes):
    strata = np.array(codes)
    order = permutation(0, 5, len(strata), strata)
    assert sorted(order) == list(range(len(strata)))
    assert np.array_equal(strata[order], strata)


def test_the_readout_is_ridge_regression():
    from sklearn.linear_model import Ridge

    embedding, values = RNG.normal(size=(60, 5)) * [3, 1, 1, 0.5, 0.1], RNG.normal(size=(60, 4))
    ours = readout(embedding, ridge=0.05)
    penalty = 0.05 * ((embedding - embedding.mean(axis=0)) ** 2).sum() / 5
    oracle = Ridge(alpha=penalty).fit(embedding, values).predict(embedding)
    assert np.allclose(ours.smooth(values), oracle)
    assert np.allclose(ours.smooth(sp.csr_matrix(values)), oracle)


def test_a_flat_embedding_leaves_the_mean():
    values = RNG.normal(size=(20, 2))
    smooth = readout(np.ones((20, 3))).smooth(values)
    assert np.allclose(smooth, values.mean(axis=0))
