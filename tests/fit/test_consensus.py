from __future__ import annotations

import numpy as np
from fit.problems import tissue
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from s3rl.fit import consensus
from s3rl.fit.consensus import mixture_consensus, mixture_runs, vote
from s3rl.fit.views import anchors, principal_components

PROBLEM = tissue(150, 40, seed=1)


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


def test_the_likeliest_of_several_starts_is_kept(monkeypatch):
    views = [anchors(principal_components(PROBLEM.x, 20, seed=0), PROBLEM.spatial)[0]]
    tried = []
    usual = consensus.GaussianMixture

    def spy(*args, **kwargs):
        tried.append(kwargs["n_init"])
        return usual(*args, **kwargs)

    monkeypatch.setattr(consensus, "GaussianMixture", spy)
    runs = mixture_runs(views, 3, 2, seed=0)
    assert tried == [3, 3]
    assert len(runs) == 2
    assert np.array_equal(vote(runs), mixture_consensus(views, 3, 2, seed=0))


def test_mixtures_of_many_spots_are_fitted_to_some(monkeypatch):
    monkeypatch.setattr(consensus, "_FITTED_SPOTS", 100)
    views = anchors(principal_components(PROBLEM.x, 20, seed=0), PROBLEM.spatial)
    agreed = mixture_consensus(views, 3, 3, seed=0)
    assert agreed.shape == (150, 3)
    assert adjusted_rand_score(PROBLEM.layer, agreed.argmax(axis=1)) > 0.7
