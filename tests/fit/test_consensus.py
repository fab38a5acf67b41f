from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from fit.problems import tissue
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.layers import diffused
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from s3rl.fit import consensus
from s3rl.fit.consensus import anchors, gene_scale, mixture_consensus, principal_components, vote

PROBLEM = tissue(150, 40, seed=1)


def test_gene_scale_equals_numpy():
    mean, deviation = gene_scale(PROBLEM.x)
    dense = PROBLEM.x.toarray().astype(np.float64)
    np.testing.assert_allclose(mean, dense.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(deviation, dense.std(axis=0), rtol=1e-5)
    assert mean.dtype == deviation.dtype == np.float64


@pytest.mark.parametrize("value", [0.0, 3.3])
def test_a_constant_gene_has_deviation_one_on_large_slides(value):
    """Sums of 20,000 numbers in single precision would find a deviation."""
    x = sp.csr_matrix(np.full((20_000, 2), value, dtype=np.float32))
    mean, deviation = gene_scale(x)
    np.testing.assert_allclose(mean, value, rtol=1e-6)
    assert deviation.tolist() == [1, 1]


def scaled(x):
    dense = x.toarray().astype(np.float64)
    deviation = dense.std(axis=0)
    return np.minimum((dense - dense.mean(axis=0)) / np.where(deviation > 0, deviation, 1), 10)


def test_components_equal_those_of_the_dense_scaled_matrix():
    x = PROBLEM.x.tolil()
    x[:, 5] = 0
    x[:, 6] = 0
    x[3, 6] = 4  # twelve deviations: clipped
    x[:, 7] = 2
    x = x.tocsr()
    assert scaled(x).max() == 10
    components = principal_components(x, 8, seed=0)
    wanted = PCA(8, svd_solver="full").fit_transform(scaled(x))
    assert components.dtype == np.float32
    sign = np.sign((components * wanted).sum(axis=0))
    np.testing.assert_allclose(components * sign, wanted, atol=2e-4)


def test_fewer_components_where_the_matrix_is_small():
    assert principal_components(PROBLEM.x[:9], 20, seed=0).shape == (9, 8)
    assert principal_components(PROBLEM.x[:, :7], 20, seed=0).shape == (150, 6)


def test_components_leave_their_input_and_the_random_state_alone():
    before, values = np.random.get_state()[1].copy(), PROBLEM.x.data.copy()  # noqa: NPY002
    first, again = (principal_components(PROBLEM.x, 5, seed=2) for _ in range(2))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert np.array_equal(PROBLEM.x.data, values)
    assert first.tobytes() == again.tobytes()


def test_anchors_equal_the_dense_solve():
    components = principal_components(PROBLEM.x, 20, seed=0)
    views = anchors(components, PROBLEM.spatial)
    settings_ = [(k, a) for k in consensus.COMPONENTS for a in consensus.STRENGTHS]
    assert len(views) == len(settings_)
    for view, (k, strength) in zip(views, settings_, strict=True):
        np.testing.assert_allclose(view, diffused(components[:, :k], PROBLEM.spatial, strength), atol=5e-3)


def test_few_components_give_fewer_views():
    assert {view.shape for view in anchors(PROBLEM.x[:, :4].toarray(), PROBLEM.spatial)} == {(150, 4)}


def soft(n, c, seed, sharpness=4.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, c))
    logits[np.arange(n), np.arange(n) % c] += sharpness
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@settings(max_examples=30, deadline=None)
@given(c=st.integers(2, 7), n_runs=st.integers(1, 6), seed=st.integers(0, 9999))
def test_permuted_copies_are_matched_exactly(c, n_runs, seed):
    run, rng = soft(50, c, seed), np.random.default_rng(seed)
    runs = [run[:, rng.permutation(c)] for _ in range(n_runs)]
    agreed = vote(runs)
    columns = [int(np.argmin(np.abs(run - column[:, None]).sum(axis=0))) for column in agreed.T]
    assert sorted(columns) == list(range(c))
    np.testing.assert_allclose(agreed, run[:, columns], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999))
def test_order_of_the_columns_does_not_matter(seed):
    runs, rng = [soft(60, 4, seed + i, sharpness=3.0) for i in range(5)], np.random.default_rng(seed)
    agreed = vote(runs)
    permuted = vote([run[:, rng.permutation(4)] for run in runs])
    order = [int(np.argmin(np.abs(agreed - column[:, None]).sum(axis=0))) for column in permuted.T]
    np.testing.assert_allclose(permuted, agreed[:, order], atol=1e-12)
    np.testing.assert_allclose(agreed.sum(axis=1), 1, atol=1e-12)


def test_one_wrong_run_is_outvoted():
    truth = np.arange(60) % 3
    runs = [np.eye(3)[truth] for _ in range(4)] + [soft(60, 3, 0, sharpness=0.0)]
    assert adjusted_rand_score(vote(runs).argmax(axis=1), truth) == 1


def test_mixtures_find_the_planted_layers_and_repeat():
    views = anchors(principal_components(PROBLEM.x, 20, seed=0), PROBLEM.spatial)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (mixture_consensus(views, 3, 4, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert first.shape == (150, 3)
    np.testing.assert_allclose(first.sum(axis=1), 1, atol=1e-9)
    assert adjusted_rand_score(PROBLEM.layer, first.argmax(axis=1)) > 0.8
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_mixtures_of_many_spots_are_fitted_to_some(monkeypatch):
    monkeypatch.setattr(consensus, "_FITTED_SPOTS", 100)
    views = anchors(principal_components(PROBLEM.x, 20, seed=0), PROBLEM.spatial)
    agreed = mixture_consensus(views, 3, 3, seed=0)
    assert agreed.shape == (150, 3)
    assert adjusted_rand_score(PROBLEM.layer, agreed.argmax(axis=1)) > 0.7
