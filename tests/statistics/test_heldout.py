from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from s3rl.statistics import heldout
from s3rl.statistics import neighbor_means as neighbors
from s3rl.statistics.heldout import (
    Part,
    areas_under_curve,
    balanced,
    best_mixing,
    deviance,
    gene_correlations,
    log_likelihood,
    mean_shares,
    thin,
    wilson,
)
from s3rl.statistics.neighbor_means import diffused, neighbor_means

N, G = 60, 15
RNG = np.random.default_rng(0)
COUNTS = sp.csr_matrix(RNG.poisson(2.0, (N, G)))
SHARES = RNG.dirichlet(np.ones(G), N)


def test_parts_add_up_and_the_input_stays():
    before = COUNTS.copy()
    kept, rest = thin(COUNTS, 0.3, np.random.default_rng(1))
    assert (kept + rest != COUNTS).nnz == 0
    assert (before != COUNTS).nnz == 0
    assert kept.data.min() > 0
    assert kept.dtype == np.int64


def test_each_count_is_kept_with_the_same_chance():
    counts = sp.csr_matrix(np.full((200, 50), 7))
    kept = thin(counts, 0.3, np.random.default_rng(2))[0].toarray()
    observed = np.bincount(kept.ravel(), minlength=8)
    expected = stats.binom.pmf(np.arange(8), 7, 0.3) * kept.size
    assert stats.chisquare(observed, expected).pvalue > 1e-3


def test_halves_of_poisson_counts_are_independent():
    counts = sp.csr_matrix(np.random.default_rng(3).poisson(4.0, (400, 100)))
    kept, rest = (part.toarray().ravel() for part in thin(counts, 0.5, np.random.default_rng(4)))
    assert abs(np.corrcoef(kept, rest)[0, 1]) < 0.02


@pytest.mark.parametrize("mixing", [0.0, 0.2, 0.99])
def test_log_likelihood_is_the_sum_of_poisson_ones(mixing):
    part, mean = Part.of(COUNTS), mean_shares(COUNTS)
    found = log_likelihood(SHARES, mean, mixing, part)
    dense = COUNTS.toarray()
    for i in range(N):
        total = 0.0
        for j in range(G):
            rate = dense[i].sum() * ((1 - mixing) * SHARES[i, j] + mixing * mean[j])
            total += stats.poisson.logpmf(dense[i, j], rate)
        assert found[i] == pytest.approx(total, rel=1e-9)


def test_deviance_is_zero_for_the_counts_themselves_and_twice_the_distance():
    part, mean = Part.of(COUNTS), mean_shares(COUNTS)
    own = COUNTS.toarray() / COUNTS.toarray().sum(axis=1, keepdims=True)
    best = log_likelihood(own, mean, 0.0, part).sum()
    assert deviance(float(best), part) == pytest.approx(0, abs=1e-9)
    other = log_likelihood(SHARES, mean, 0.0, part).sum()
    assert deviance(float(other), part) == pytest.approx(2 * (best - other) / COUNTS.sum())


def test_the_truth_wins_and_wants_no_mean():
    rng = np.random.default_rng(5)
    truth = rng.dirichlet(np.full(G, 0.5), N)
    kept, held = (np.stack([rng.multinomial(3000, own) for own in truth]) for _ in range(2))
    mean, part = mean_shares(sp.csr_matrix(kept)), Part.of(sp.csr_matrix(held))
    weight, found = best_mixing(truth, mean, part)
    assert weight <= 0.001
    for other in (kept / kept.sum(axis=1, keepdims=True), np.tile(mean, (N, 1)), 0.5 * truth + 0.5 * mean):
        assert best_mixing(other, mean, part)[1] < found


def test_a_prediction_that_knows_nothing_is_given_to_the_mean():
    part, mean = Part.of(COUNTS), mean_shares(COUNTS)
    assert best_mixing(RNG.dirichlet(np.full(G, 0.2), N), mean, part)[0] >= 0.9


def test_balanced_shares_have_the_totals():
    totals = np.asarray(COUNTS.sum(axis=1)).ravel()
    sums = np.asarray(COUNTS.sum(axis=0)).ravel()
    found = balanced(SHARES.copy(), totals.astype(float), sums.astype(float))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(totals @ found, sums, rtol=0.02)


def test_correlations_are_weighted_pearson():
    part = Part.of(COUNTS)
    genes = np.array([3, 0, 7])
    found = gene_correlations(SHARES, part, genes)
    dense, totals = COUNTS.toarray(), np.asarray(COUNTS.sum(axis=1)).ravel()
    for place, gene in enumerate(genes):
        both = np.cov(dense[:, gene] / totals, SHARES[:, gene], aweights=totals)
        assert found[place] == pytest.approx(both[0, 1] / np.sqrt(both[0, 0] * both[1, 1]))
    assert np.isnan(gene_correlations(np.tile(mean_shares(COUNTS), (N, 1)), part, genes)).all()


def test_totals_alone_do_not_correlate():
    rng = np.random.default_rng(6)
    totals = rng.integers(20, 2000, 800)
    kept, held = (sp.csr_matrix(rng.poisson(totals[:, None] * np.full(30, 1 / 30))) for _ in range(2))
    shares = kept.toarray() / np.asarray(kept.sum(axis=1))
    assert abs(gene_correlations(shares, Part.of(held), np.arange(30)).mean()) < 0.03


def test_areas_are_those_of_scikit_learn():
    inside = RNG.random(N) < 0.3
    values = np.round(RNG.normal(size=(N, 4)), 1)
    wanted = [roc_auc_score(inside, values[:, k]) for k in range(4)]
    np.testing.assert_allclose(areas_under_curve(values, inside), wanted)


def test_interval_of_a_share():
    low, high = wilson(5, 100, 100)
    wanted = stats.binomtest(5, 100).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((wanted.low, wanted.high))
    narrow, wide = wilson(500, 10_000, 10_000), wilson(500, 10_000, 100)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_means_are_those_of_the_nearest():
    where, codes = RNG.normal(size=(N, 2)), np.arange(N) % 2
    weights = neighbor_means(where, 4, codes)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    own = np.flatnonzero(codes == 1)
    nearest = NearestNeighbors(n_neighbors=4).fit(where[own]).kneighbors(where[own][:1])[1][0]
    assert sorted(weights[own[0]].indices) == sorted(own[nearest])
    assert weights[own[0], own[0]] == pytest.approx(0.25)
    np.testing.assert_allclose(neighbor_means(where[:3], 100).toarray(), 1 / 3)


def test_diffusion_solves_its_equation(monkeypatch):
    near = np.triu(RNG.random((N, N)) < 0.1, 1).astype(float)
    near += near.T
    system = np.eye(N) + 1.7 * (np.diag(near.sum(axis=1)) - near)
    monkeypatch.setattr(neighbors, "_GENES_AT_ONCE", 4)
    found = diffused(sp.csr_matrix(near), 1.7, COUNTS)
    np.testing.assert_allclose(found, np.linalg.solve(system, COUNTS.toarray()), rtol=1e-5)


def test_mixing_weights_are_in_order():
    assert list(heldout.MIXING) == sorted(heldout.MIXING)
