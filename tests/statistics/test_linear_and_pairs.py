"""Permutation tests of sums and of pairs against loops that denoise every permuted vector."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from s3rl.statistics.linear import linear_pvalues
from s3rl.statistics.pairs import correlations, modules_of, pair_pvalues
from s3rl.statistics.permutations import permutation
from s3rl.statistics.readout import readout

RNG = np.random.default_rng(0)
N = 50
VALUES = RNG.poisson(1.0, size=(N, 6)).astype(float)
VALUES[:, 5] = 0
STRATA = np.repeat([0, 1], [30, 20])
DENOISER = readout(RNG.normal(size=(N, 4)))
H = DENOISER.basis @ np.diag(DENOISER.gain) @ DENOISER.basis.T


def test_linear_pvalues_are_those_of_a_loop_that_denoises_every_permutation():
    """The larger of two: values exchanged before H, and weights exchanged."""
    rows = np.arange(40)
    strata, weights = STRATA[rows], np.zeros(N)
    weights[rows] = RNG.normal(size=40)
    found = linear_pvalues(sp.csc_matrix(VALUES), weights, rows, strata, DENOISER, seed=3, count=70)
    numbers = [permutation(3, number, 40, strata) for number in range(70)]
    for code in (0, 1):
        weights[rows[strata == code]] -= weights[rows[strata == code]].mean()
    for gene in range(5):
        x = VALUES[:, gene]

        def with_values(order, x=x):
            return weights @ H @ np.concatenate([x[rows][order], x[40:]])

        def with_weights(order, x=x):
            return np.concatenate([weights[rows][order], weights[40:]]) @ H @ x

        many = [permutation(9, k, 40, strata) for k in range(6000)]
        middle = np.mean([with_values(order) for order in many])
        null = np.array([with_values(np.argsort(order)) for order in numbers])
        hits = (np.abs(null - middle) >= np.abs(weights @ H @ x - middle)).sum()
        of_weights = np.array([with_weights(order) for order in numbers])
        others = (np.abs(of_weights) >= np.abs(weights @ H @ x)).sum()
        assert found[gene] == pytest.approx((1 + max(hits, others)) / 71, abs=2.1 / 71)
    assert np.isnan(found[5])


def test_linear_pvalues_are_uniform_whichever_of_both_has_nothing_to_do_with_the_place():
    rng = np.random.default_rng(1)
    everywhere, once = np.arange(N), np.zeros(N, dtype=int)
    noise = sp.csc_matrix(rng.poisson(1.0, size=(N, 400)).astype(float))
    p = linear_pvalues(noise, DENOISER.basis[:, 1], everywhere, once, DENOISER, seed=0, count=199)
    assert 0.02 < (p < 0.05).mean() < 0.085
    p = linear_pvalues(noise, DENOISER.basis[:, 1], everywhere, once, seed=0, count=199)
    assert 0.02 < (p < 0.05).mean() < 0.085
    patterns = sp.csc_matrix(DENOISER.basis[:, 1:3] + 1)
    p = np.array([
        linear_pvalues(patterns, rng.normal(size=N), everywhere, once, DENOISER, seed=k, count=99) for k in range(200)
    ])  # fmt: skip
    assert 0.01 < (p < 0.05).mean() < 0.09


def test_raw_linear_pvalues_are_those_of_scipy():
    from scipy.stats import permutation_test

    weights = np.zeros(N)
    weights[:20] = 1 / 20
    weights[20:45] = -1 / 25
    rows = np.arange(45)
    found = linear_pvalues(sp.csc_matrix(VALUES), weights, rows, np.zeros(45, int), seed=0, count=1999)
    for gene in range(5):
        wanted = permutation_test(
            (VALUES[:20, gene], VALUES[20:45, gene]),
            lambda x, y: abs(x.mean() - y.mean()),
            alternative="greater",
            n_resamples=1999,
            rng=np.random.default_rng(0),
        )
        assert found[gene] == pytest.approx(wanted.pvalue, abs=0.05)


@pytest.mark.parametrize("denoiser", [None, DENOISER], ids=["raw", "denoised"])
def test_pair_pvalues_are_those_of_a_loop(denoiser):
    rows = np.flatnonzero(STRATA == 0)
    smooth = np.eye(N) if denoiser is None else H
    found = pair_pvalues(sp.csc_matrix(VALUES[:, :4]), rows, STRATA, denoiser, seed=3, count=60)
    numbers = [permutation(3, number, N, STRATA) for number in range(60)]
    if denoiser is not None:
        numbers = [np.argsort(order) for order in numbers]
    for a in range(4):
        for b in range(a + 1, 4):
            x = (smooth @ VALUES[:, a])[rows]
            observed = abs(np.corrcoef(x, (smooth @ VALUES[:, b])[rows])[0, 1])
            y = (smooth @ VALUES[:, b])[rows]
            hits = [
                sum(abs(np.corrcoef(fixed, (smooth @ VALUES[order, c])[rows])[0, 1]) >= observed - 1e-9
                    for order in numbers)
                for fixed, c in ((x, b), (y, a))
            ]  # fmt: skip
            assert found[a, b] == pytest.approx((1 + max(hits)) / 61)
            assert found[a, b] == found[b, a]


def test_correlations_are_those_of_numpy_and_scipy():
    from scipy.stats import spearmanr

    found = correlations(VALUES[:, :5], ranks=False)
    assert np.allclose(found, np.corrcoef(VALUES[:, :5].T))
    assert np.allclose(correlations(VALUES[:, :5], ranks=True), spearmanr(VALUES[:, :5]).statistic)
    assert np.isnan(correlations(VALUES, ranks=False)[5]).all()


def test_modules_are_cliques_that_hang_together_by_a_thread():
    weights = np.zeros((9, 9))
    weights[1:4, 1:4] = 1
    weights[4:8, 4:8] = 1
    weights[3, 4] = weights[4, 3] = 0.3
    np.fill_diagonal(weights, 0)
    assert modules_of(weights).tolist() == [-1, 1, 1, 1, 0, 0, 0, 0, -1]
    assert modules_of(np.zeros((3, 3))).tolist() == [-1, -1, -1]
