"""Trends, correlations and pseudotime against plain loops, scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import SplineTransformer

from s3rl.statistics import absorption as ab
from s3rl.statistics import pseudotime as pt
from s3rl.statistics import trend as tr


@pytest.fixture
def along():
    rng = np.random.default_rng(0)
    time = np.sort(rng.uniform(size=300))
    clean = np.stack([3 * time, np.sin(2 * np.pi * time), np.zeros(300), np.zeros(300)], axis=1)
    values = clean + rng.normal(0, [0.3, 0.3, 1.0, 0.0], size=(300, 4)) + 2
    return time, clean, values


# ------------------------------------------------------------------------------------------------------- correlation


def test_correlation_is_scipys_whatever_the_storage(along):
    time, _, values = along
    targets = np.stack([time, time**2], axis=1)
    sparse = sp.csc_matrix(np.where(values > 2, values, 0))
    for given_values in (values, sparse):
        dense = given_values.toarray() if sp.issparse(given_values) else given_values
        found = tr.correlation(given_values, targets)
        for gene in range(3):
            for target in range(2):
                r = pearsonr(dense[:, gene], targets[:, target])[0]
                assert found.r[gene, target] == pytest.approx(r, abs=1e-10)
    assert np.isnan(tr.correlation(values, targets).r[3]).all()
    assert np.isnan(tr.correlation(values, targets).pvalues[3]).all()


def test_pvalues_are_fishers_and_never_zero(along):
    time, _, values = along
    found = tr.correlation(values, time[:, None])
    low, high = pearsonr(values[:, 2], time).confidence_interval(1 - found.pvalues[2, 0])
    # the interval of this level, from the same transformation, touches zero
    assert min(abs(low), abs(high)) < 1e-6
    exact = tr.correlation(np.stack([time], axis=1), time[:, None])
    assert exact.r[0, 0] == pytest.approx(1)
    assert 0 < exact.pvalues[0, 0] < 1e-100


def test_pvalues_of_noise_are_uniform():
    rng = np.random.default_rng(1)
    found = tr.correlation(rng.normal(size=(100, 2000)), rng.normal(size=(100, 1)))
    for level in (0.01, 0.1, 0.5):
        assert (found.pvalues < level).mean() == pytest.approx(level, abs=3 * np.sqrt(level / 2000))


# ------------------------------------------------------------------------------------------------------------- trends


def test_explained_is_what_a_held_out_fifth_shows(along):
    time, clean, values = along
    found = tr.explained(time, values, n_knots=6, seed=3)
    share = 1 - 0.3**2 / values.var(axis=0)[:2]
    np.testing.assert_allclose(found[:2], share, atol=0.05)
    assert -0.15 < found[2] < 0.03
    assert np.isnan(found[3])
    assert (clean[:, 1] * (time - 0.5)).mean() < 0  # the sine has no direction that a correlation would need


def test_explained_against_a_loop_over_folds(along):
    from sklearn.model_selection import KFold

    time, _, values = along
    knots = np.quantile(time, np.linspace(0, 1, 6))[:, None]
    basis = SplineTransformer(knots=knots, degree=3, include_bias=False).fit_transform(time[:, None])
    errors = np.zeros(4)
    for train, test in KFold(5, shuffle=True, random_state=3).split(time):
        fitted = LinearRegression().fit(basis[train], values[train])
        errors += ((values[test] - fitted.predict(basis[test])) ** 2).sum(axis=0)
    loop = 1 - errors[:3] / ((values - values.mean(axis=0)) ** 2).sum(axis=0)[:3]
    # our slight ridge penalty is the difference
    np.testing.assert_allclose(tr.explained(time, values, n_knots=6, seed=3)[:3], loop, atol=0.02)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 50), st.floats(-20, 20), st.integers(0, 2**40))
def test_explained_knows_no_units(scale, shift, seed):
    rng = np.random.default_rng(0)
    time = rng.uniform(size=60)
    values = np.sin(4 * time)[:, None] + rng.normal(0, 0.2, size=(60, 2))
    one = tr.explained(time, values, n_knots=4, seed=seed)
    np.testing.assert_allclose(
        tr.explained(10 * time + 3, values * scale + shift, n_knots=4, seed=seed), one, atol=1e-7
    )


def test_times_that_many_spots_share_are_no_hindrance():
    rng = np.random.default_rng(0)
    layer = rng.integers(0, 4, size=200).astype(float)
    values = (layer[:, None] - 1.5) ** 2 + rng.normal(0, 0.1, size=(200, 1))
    assert tr.explained(layer, values, n_knots=6, seed=0)[0] > 0.9
    middle = tr.trend(layer, values, np.array([0.0, 3.0]), n_knots=6)[:, 0]
    np.testing.assert_allclose(middle, 2.25, atol=0.15)


def test_the_trend_goes_through_the_clean_curve(along):
    time, clean, values = along
    at = np.linspace(time.min(), time.max(), 30)
    fitted = tr.trend(time, values, at, n_knots=6)
    for gene in range(2):
        assert np.abs(fitted[:, gene] - np.interp(at, time, clean[:, gene]) - 2).max() < 0.25


def test_windows_have_equal_numbers_of_spots_and_keep_ties_together():
    rng = np.random.default_rng(0)
    time = rng.uniform(size=100)
    codes = tr.windows(time, 10)
    assert np.bincount(codes).tolist() == [10] * 10
    assert (np.diff(codes[np.argsort(time)]) >= 0).all()
    tied = tr.windows(np.repeat([0.0, 1.0, 2.0], 20), 5)
    assert [len(set(tied[start : start + 20])) for start in (0, 20, 40)] == [1, 1, 1]
    assert len(set(tied)) == 3


def test_variation_against_a_loop():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, size=80)
    values = rng.gamma(2.0, 1.0, size=(80, 3)) + codes[:, None]
    values[:, 2] = 0
    squares = np.zeros(3)
    for code in range(5):
        own = values[codes == code]
        squares += ((own - own.mean(axis=0)) ** 2).sum(axis=0)
    expected = np.sqrt(squares / (80 - 5))[:2] / values.mean(axis=0)[:2]
    found = tr.variation(codes, values)
    np.testing.assert_allclose(found[:2], expected)
    assert np.isnan(found[2])


# --------------------------------------------------------------------------------------------------------- pseudotime


def test_a_component_that_a_few_spots_own_is_not_stretched():
    n = 500
    vectors = np.zeros((n, 4))
    vectors[:, 0] = n**-0.5
    vectors[:3, 1] = 3**-0.5
    vectors[:, 2] = np.linspace(-1, 1, n) / np.linalg.norm(np.linspace(-1, 1, n))
    vectors[:, 3] = np.cos(np.linspace(0, 9, n)) / 16
    np.testing.assert_allclose(pt.spots_of(vectors)[:2], [n, 3])
    values = np.array([1.0, 0.99995, 0.9997, 0.9])
    gain = np.abs(pt.dpt_coordinates(values, vectors)).max(axis=0) / np.abs(vectors).max(axis=0)
    np.testing.assert_allclose(gain, [1, 1, 0.9997 / 0.0003, 9], rtol=1e-6)


def test_the_root_lies_on_the_far_side_of_its_group():
    line = np.linspace(0, 10, 101)[:, None]
    own = np.append(np.arange(20, 40), 95)  # one spot of the group lies beyond all others
    other = np.setdiff1d(np.arange(101), own)
    other = other[other > 40]
    assert pt.outermost(line, own, other) == 20
    distance = pt.distance_from(line, 20)
    assert distance[20] == 0
    assert distance.max() == 1
    assert distance[30] == pytest.approx(1 / 8)


def test_ends_are_the_groups_that_are_not_left():
    """Five groups of ten on a path, the third and the fifth ends: its neighbours further on are gone."""
    n = 50
    weights = sp.diags([np.ones(n - 1), np.ones(n - 1)], [1, -1]).tolil()
    for place in (29, 30):
        weights[place, 59 - place] = 0
    weights[5, 30] = weights[30, 5] = 1
    time = np.concatenate([np.arange(30.0), np.arange(6.0, 26.0)])
    codes = np.repeat(np.arange(5), 10)
    graph = weights.tocsr()
    every = np.ones(5, dtype=bool)
    assert pt.ends(graph, time, codes, every, count=4, share=0.05).tolist() == [2, 4]
    assert pt.leaving(graph, time, codes, 0, 3)[0] == pytest.approx(1 / 6)
    assert pt.leaving(graph, time, codes, 0, 3)[1] == pytest.approx(1 / 2)
    assert pt.ends(graph, time, codes, every, count=4, share=2.6).tolist() == [2, 4, 1, 3, 0]
    # without an end among those allowed, the latest
    assert pt.ends(graph, time, codes, np.array([1, 1, 0, 0, 0], bool), count=4, share=0.05).tolist() == [1]


def test_unnamed_spots_do_not_take_an_end_away():
    weights = sp.diags([np.ones(19), np.ones(19)], [1, -1]).tocsr()
    codes = np.repeat([0, -1], [10, 10])
    time = np.arange(20.0)
    assert pt.leaving(weights, time, codes, 0, 3) == (0.0, 0.0)
    assert pt.latest(time, np.arange(10), 30).tolist() == [9, 8, 7, 6, 5]


# --------------------------------------------------------------------------------------------------------- absorption


def test_the_gamblers_ruin():
    n, up = 30, 0.45
    walk = sp.diags([np.full(n - 1, 1 - up), np.full(n - 1, up)], [-1, 1]).tocsr()
    found = ab.absorption(walk, [np.array([0]), np.array([n - 1])])
    odds = (1 - up) / up
    np.testing.assert_allclose(found[:, 1], (odds ** np.arange(n) - 1) / (odds ** (n - 1) - 1), atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("converges", [True, False])
def test_absorption_against_a_dense_solution(converges, monkeypatch):
    rng = np.random.default_rng(0)
    walk = rng.random((80, 80)) * (rng.random((80, 80)) < 0.1) + np.eye(80, k=1) + np.eye(80, k=-1)
    walk /= walk.sum(axis=1, keepdims=True)
    ends = [np.array([3, 7]), np.array([50]), np.array([60, 61, 62])]
    if not converges:
        monkeypatch.setattr("scipy.sparse.linalg.gmres", lambda system, target, **_: (0 * target, 1))
    found = ab.absorption(sp.csr_matrix(walk), ends)
    through = np.setdiff1d(np.arange(80), np.concatenate(ends))
    out = np.stack([walk[np.ix_(through, places)].sum(axis=1) for places in ends], axis=1)
    expected = np.linalg.solve(np.eye(len(through)) - walk[np.ix_(through, through)], out)
    np.testing.assert_allclose(found[through], expected, atol=1e-6)
    assert (found[ends[2]] == [0, 0, 1]).all()


def test_nothing_but_ends():
    found = ab.absorption(sp.identity(3, format="csr"), [np.array([0, 2]), np.array([1])])
    assert found.tolist() == [[1, 0], [0, 1], [1, 0]]
