"""Spearman correlations against scipy, and the number of independent spots against simulation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import rankdata, spearmanr

from s3rl.statistics.rank_correlation import EffectiveSize, correlation_pvalue, sparse_ranks, unit, unit_ranks

RNG = np.random.default_rng(1)


def counts(n: int = 60, m: int = 12) -> np.ndarray:
    return RNG.poisson(0.8, size=(n, m)).astype(float)


def test_rho_and_p_are_those_of_scipy():
    values, target = counts(), RNG.normal(size=60)
    rho = unit_ranks(target[:, None])[:, 0] @ unit_ranks(values)
    p = correlation_pvalue(rho, 60)
    for column in range(values.shape[1]):
        wanted = spearmanr(values[:, column], target)
        assert rho[column] == pytest.approx(wanted.statistic)
        assert p[column] == pytest.approx(wanted.pvalue)


def test_perfect_correlation_has_p_zero_and_none_has_nan():
    target = np.arange(20.0)
    values = np.column_stack([target**3, np.full(20, 0.1)])
    rho = unit_ranks(target[:, None])[:, 0] @ unit_ranks(values)
    p = correlation_pvalue(np.clip(rho, -1, 1), 20)
    assert p[0] < 1e-12
    assert np.isnan(rho[1])
    assert np.isnan(p[1])
    assert np.isnan(unit(np.full((5, 1), 0.1))).all()


@pytest.mark.parametrize("full", [False, True])
def test_sparse_ranks_are_ranks_but_for_a_constant(full):
    values = counts() + full
    found = sparse_ranks(sp.csc_matrix(values)).toarray()
    wanted = rankdata(values, axis=0)
    assert np.allclose(found - found.mean(axis=0), wanted - wanted.mean(axis=0))
    assert not found[values == 0].any()


def field(xy: np.ndarray, reach: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random fields (n, count) whose correlation falls off exponentially."""
    distance = np.linalg.norm(xy[:, None] - xy, axis=2)
    return np.linalg.cholesky(np.exp(-distance / reach) + 1e-9 * np.eye(len(xy))) @ rng.normal(size=(len(xy), count))


def test_smooth_genes_are_not_found_by_chance():
    """Of fields that have nothing to do with the target a plain test finds a third, this one about one in twenty."""
    rng = np.random.default_rng(2)
    side = np.arange(15.0)
    xy = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    target = np.min([np.linalg.norm(xy - place, axis=1) for place in rng.uniform(0, 14, size=(5, 2))], axis=0)
    values = unit_ranks(field(xy, 3.0, 600, rng))
    ranks = unit_ranks(target[:, None])[:, 0]
    rho = ranks @ values
    size = EffectiveSize(ranks, xy, np.zeros(len(xy), dtype=int), rng)(values)
    assert (correlation_pvalue(rho, len(xy)) < 0.05).mean() > 0.3
    assert 0.005 < (correlation_pvalue(rho, size) < 0.05).mean() < 0.09
    assert np.median(size) < len(xy) / 3


def test_independent_spots_count_nearly_all():
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 20, size=(300, 2))
    ranks = unit_ranks(xy[:, :1])[:, 0]
    values = unit_ranks(rng.normal(size=(300, 200)))
    size = EffectiveSize(ranks, xy, np.zeros(300, dtype=int), rng)(values)
    assert np.median(size) > 200
    assert size.max() <= 300


def test_spots_of_other_slices_are_independent():
    rng = np.random.default_rng(4)
    xy = np.tile(np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2), (2, 1))
    slices = np.repeat([0, 1], 100)
    smooth = unit_ranks(np.vstack([field(xy[:100], 4.0, 50, rng), field(xy[:100], 4.0, 50, rng)]))
    ranks = unit_ranks(xy[:, :1])[:, 0]
    apart = EffectiveSize(ranks, xy, slices, rng)(smooth)
    together = EffectiveSize(ranks, xy, np.zeros(200, dtype=int), rng)(smooth)
    assert np.median(apart) != pytest.approx(np.median(together), rel=0.02)


def test_many_spots_are_sampled(monkeypatch):
    from s3rl.statistics import rank_correlation

    monkeypatch.setattr(rank_correlation, "_MOST_SPOTS", 100)
    rng = np.random.default_rng(5)
    xy = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2)
    ranks = unit_ranks(xy[:, :1])[:, 0]
    values = unit_ranks(field(xy, 3.0, 40, rng))
    sampled = EffectiveSize(ranks, xy, np.zeros(400, dtype=int), np.random.default_rng(0))
    again = EffectiveSize(ranks, xy, np.zeros(400, dtype=int), np.random.default_rng(0))
    assert len(sampled.spots) == 100
    assert np.array_equal(sampled(values), again(values))
    monkeypatch.setattr(rank_correlation, "_MOST_SPOTS", 1000)
    whole = EffectiveSize(ranks, xy, np.zeros(400, dtype=int), rng)(values)
    assert np.median(sampled(values)) == pytest.approx(np.median(whole), rel=0.5)
