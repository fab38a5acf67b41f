"""A denoiser that has not seen the gene: rates of false findings where the plain one has too many."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from s3rl.communication.permutation import Part, Trials, count_hits, count_hits_of, group_weights
from s3rl.statistics.crossfit import crossfit, halves
from s3rl.statistics.multiple import permutation_pvalue
from s3rl.statistics.permutations import permutation
from s3rl.statistics.readout import readout

N, G = 120, 60


def components(values, k=8):
    return np.linalg.svd(values - values.mean(axis=0), full_matrices=False)[0][:, :k]


def test_halves_are_equal_random_and_repeatable():
    half = halves(101, 5)
    assert sorted(np.bincount(half)) == [50, 51]
    assert np.array_equal(half, halves(101, 5))
    assert not np.array_equal(half, halves(101, 6))


def test_a_part_of_the_embedding_that_others_do_not_predict_is_not_used():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(N, 5))
    alone = rng.normal(size=(N, 1))
    alone -= shared @ np.linalg.lstsq(np.c_[np.ones(N), shared], alone, rcond=None)[0][1:]
    alone -= alone.mean()
    denoiser = crossfit(np.hstack([shared[:, :2], alone]), shared).readout()
    centred = shared[:, :2] - shared[:, :2].mean(axis=0)
    assert np.abs(denoiser.smooth(alone)).max() < 0.05 * np.abs(alone).max()
    assert np.corrcoef(denoiser.smooth(centred)[:, 0], centred[:, 0])[0, 1] > 0.99


@pytest.mark.parametrize("blind", [True, False])
def test_genes_without_a_pattern_are_found_at_the_nominal_rate_only_by_a_blind_denoiser(blind):
    """The embedding is made of nothing but the noise of the genes that are tested."""
    small = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        values, codes = rng.normal(size=(N, G)), rng.integers(0, 3, N)
        half = halves(G, seed)
        embedding = components(values)
        denoisers = [
            crossfit(embedding, components(values[:, half != own])).readout() if blind else readout(embedding)
            for own in (0, 1)
        ]
        parts = [Part(values[:, half == own], group_weights(codes, 3, denoisers[own])) for own in (0, 1)]
        gene, group = np.arange(G), np.arange(3)
        trials = Trials(gene, gene, group, group, np.ones((3, G), dtype=bool))
        hits = count_hits(parts, trials, lambda number, seed=seed: permutation(seed, number, N), 99)
        small.append((permutation_pvalue(hits, 99) <= 0.05).mean())
    rate = float(np.mean(small))
    assert (rate < 0.065) if blind else (rate > 0.08)


def line(n=N):
    """Every place receives the mean of itself and its neighbours on a line."""
    near = (np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= 2).astype(float)
    return near / near.sum(axis=1, keepdims=True)


def test_moved_spots_are_denoised_as_if_they_had_always_been_there():
    rng = np.random.default_rng(4)
    embedding, own, order = rng.normal(size=(N, 3)), rng.normal(size=(N, 5)), rng.permutation(N)
    spread, x = line(), rng.normal(size=(N, 2))
    found = crossfit(embedding, own, lambda values: spread @ values)
    design = np.hstack([own, spread @ own])
    model = LinearRegression().fit(design, embedding)
    for places, at in ((None, np.arange(N)), (order, order)):
        seen = model.predict(np.hstack([own[at], spread @ own[at]]))
        centred = seen - seen.mean(axis=0)
        ridge = Ridge(0.01 * (centred**2).sum() / 3).fit(seen, x)
        assert np.allclose(found.readout(places).smooth(x), ridge.predict(seen))


@pytest.mark.parametrize("moved", [True, False])
def test_genes_that_go_with_others_are_found_at_the_nominal_rate_only_if_all_expression_moves(moved):
    """Kinds of spots lie anywhere; genes follow them, and a denoiser of other genes follows the genes."""
    small = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        kinds = rng.normal(size=(N, 4))
        own = kinds + 0.1 * rng.normal(size=(N, 4))
        values, codes = kinds @ rng.normal(size=(4, G)) + rng.normal(size=(N, G)), np.repeat(np.arange(3), N // 3)
        spread = line()
        emulator = crossfit(spread @ own, own, lambda values, spread=spread: spread @ values)
        weights = group_weights(codes, 3, emulator.readout())
        gene, group = np.arange(G), np.arange(3)
        trials = Trials(gene, gene, group, group, np.ones((3, G), dtype=bool))

        def weights_of(number, seed=seed, weights=weights, emulator=emulator, codes=codes):
            order = permutation(seed, number, N)
            denoised = group_weights(codes, 3, emulator.readout(order))
            return [denoised[:, np.argsort(order)] if moved else weights[:, order]]

        hits = count_hits_of([Part(values, weights)], trials, weights_of, 99)
        small.append((permutation_pvalue(hits, 99) <= 0.05).mean())
    rate = float(np.mean(small))
    assert (rate < 0.07) if moved else (rate > 0.1), rate
