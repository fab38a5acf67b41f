"""Hits of the permutation test against plain loops, in any batch, and its p-values where nothing is planted."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from s3rl.communication.permutation import (
    Part,
    Trials,
    count_hits,
    count_hits_of,
    expressed,
    group_means,
    group_weights,
    observed,
)
from s3rl.statistics.multiple import permutation_pvalue
from s3rl.statistics.permutations import permutation
from s3rl.statistics.readout import readout

N, G, C = 60, 9, 3


@pytest.fixture
def tissue():
    rng = np.random.default_rng(1)
    values = rng.gamma(1.0, size=(N, G)) * (rng.random((N, G)) < 0.6)
    return values, rng.integers(0, C, N)


def everything(n_genes=G, n_groups=C):
    """Every gene with every gene between all groups."""
    ligand, receptor = (side.ravel() for side in np.indices((n_genes, n_genes)))
    source, target = (side.ravel() for side in np.indices((n_groups, n_groups)))
    return Trials(ligand, receptor, source, target, np.ones((source.size, ligand.size), dtype=bool))


def loops(values, codes, tests, orders):
    """Hits one by one, as the statistic is written down."""
    hits = np.zeros(tests.chosen.shape, dtype=int)
    for order in [None, *orders]:
        labels = codes if order is None else codes[order]
        score = np.array(
            [
                [
                    values[labels == s, a].mean() + values[labels == t, b].mean()
                    for a, b in zip(tests.ligand, tests.receptor, strict=True)
                ]
                for s, t in zip(tests.source, tests.target, strict=True)
            ]
        )
        if order is None:
            seen = score
        else:
            hits += score > seen - 1e-9
    return hits * tests.chosen


@pytest.mark.parametrize(
    "form", [np.asarray, sp.csr_matrix, sp.csc_matrix, np.float32], ids=["array", "csr", "csc", "f4"]
)
def test_hits_are_those_of_plain_loops(form, tissue):
    values, codes = tissue
    given = form(values)
    dense = np.asarray(given.toarray() if sp.issparse(given) else given, dtype=float)
    tests = everything()
    tests.chosen[::2, ::3] = False
    orders = [permutation(5, number, N) for number in range(12)]
    hits = count_hits([Part(given, group_weights(codes, C))], tests, orders.__getitem__, 12)
    assert np.array_equal(hits, loops(dense, codes, tests, orders))
    assert 0 < hits.sum() < 12 * tests.chosen.sum()


@pytest.mark.parametrize("density", [0.02, 0.5])
def test_hits_do_not_depend_on_the_batches(density):
    rng = np.random.default_rng(0)
    values = sp.random(N, 30, density, random_state=rng, format="csr")
    weights, tests = group_weights(rng.integers(0, C, N), C), everything(30)
    found = [
        count_hits([Part(values, weights)], tests, lambda number: permutation(0, number, N), 25, memory=memory)
        for memory in (1, 5_000, 2**26)
    ]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_arrangements_with_weights_of_their_own_are_counted_as_written_down(tissue):
    values, codes = tissue
    halves = [np.arange(5), np.arange(5, G)]
    rng, tests = np.random.default_rng(8), everything()
    arranged = [rng.dirichlet(np.ones(N), size=(2, C)) for _ in range(11)]
    weights = group_weights(codes, C)
    parts = [Part(values[:, own], weights) for own in halves]
    found = [count_hits_of(parts, tests, arranged.__getitem__, 11, memory=memory) for memory in (1, 2**26)]
    means = [np.concatenate([w[0] @ values[:, halves[0]], w[1] @ values[:, halves[1]]], axis=1) for w in arranged]
    seen = weights @ values
    wanted = sum(
        (m[tests.source][:, tests.ligand] + m[tests.target][:, tests.receptor])
        >= (seen[tests.source][:, tests.ligand] + seen[tests.target][:, tests.receptor])
        for m in means
    )
    assert np.array_equal(found[0], wanted)
    assert np.array_equal(found[1], wanted)
    assert 0 < wanted.sum() < 11 * wanted.size


def test_a_gene_with_one_value_everywhere_is_always_reached():
    codes = np.repeat([0, 1], [7, 53])
    values = np.full((N, 2), 0.1)
    tests = everything(2, 2)
    hits = count_hits([Part(values, group_weights(codes, 2))], tests, lambda number: permutation(0, number, N), 50)
    assert (hits == 50).all()


def test_means_and_shares_are_those_of_the_groups(tissue):
    values, codes = tissue
    codes = np.where(np.arange(N) < 5, -1, codes)
    weights = group_weights(codes, C)
    for given in (values, sp.csc_matrix(values)):
        for memory in (1, 2**20):
            means = group_means(given, weights, memory=memory)
            shares = group_means(given, weights, memory=memory, above_zero=True)
            for group in range(C):
                assert np.allclose(means[group], values[codes == group].mean(axis=0))
                assert np.allclose(shares[group], (values[codes == group] > 0).mean(axis=0))
    assert expressed(np.array([[1.0, 1.0, 0.0]]), np.array([[0.5, 0.4, 0.9]]), 0.5).tolist() == [[True, False, False]]


def test_the_statistic_is_half_the_sum_of_two_means():
    means = np.array([[1.0, 2.0], [4.0, 8.0]])
    tests = Trials(np.array([0]), np.array([1]), np.array([0, 1]), np.array([1, 0]), np.ones((2, 1), dtype=bool))
    assert observed(means, tests).tolist() == [[4.5], [3.0]]


def test_a_denoiser_is_the_mean_over_the_denoised(tissue):
    values, codes = tissue
    denoiser = readout(np.random.default_rng(3).normal(size=(N, 4)))
    smooth = denoiser.smooth(values)
    means = group_weights(codes, C, denoiser) @ values
    assert np.allclose(means, [smooth[codes == group].mean(axis=0) for group in range(C)])


@pytest.mark.parametrize("denoised", [False, True])
def test_pvalues_are_uniform_where_nothing_is_planted(denoised):
    """Independent genes, also after a denoiser that borrows from every spot: a share alpha is below alpha."""
    rng = np.random.default_rng(7)
    n, pairs = 120, 400
    values = rng.gamma(1.0, size=(n, 2 * pairs))
    codes = np.repeat(np.arange(3), 40)
    place = np.arange(pairs)
    tests = Trials(place, pairs + place, np.array([0]), np.array([2]), np.ones((1, pairs), dtype=bool))
    embedding = np.stack([codes, rng.normal(size=n), np.linspace(0, 1, n)], axis=1)
    weights = group_weights(codes, 3, readout(embedding) if denoised else None)
    hits = count_hits([Part(values, weights)], tests, lambda number: permutation(2, number, n), 199)
    pvalues = permutation_pvalue(hits, 199)[0]
    for alpha in (0.05, 0.2, 0.5):
        spread = np.sqrt(alpha * (1 - alpha) / pairs)
        assert abs((pvalues <= alpha).mean() - alpha) < 3.5 * spread
