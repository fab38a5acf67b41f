"""Over-representation and running scores against the definitions written as loops."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from s3rl.statistics.correlation import calibrated_pearson, pearson
from s3rl.statistics.overrepresentation import overrepresentation
from s3rl.statistics.preranked import preranked, random_places
from s3rl.statistics.rank_ties import tie_factor
from s3rl.statistics.readout import readout
from s3rl.statistics.running_score import enrichment_scores, running_score
from s3rl.statistics.spot_permutations import contrasts, gene_scale, permuted_scores


def tail(overlap: int, genes: int, size: int, drawn: int) -> float:
    """P(at least this overlap), counted."""
    ways = sum(
        math.comb(size, k) * math.comb(genes - size, drawn - k)
        for k in range(overlap, min(size, drawn) + 1)
        if drawn - k <= genes - size
    )
    return ways / math.comb(genes, drawn)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_counts_and_p_values_are_those_of_the_urn(seed):
    rng = np.random.default_rng(seed)
    genes = int(rng.integers(5, 40))
    lists, sets = rng.random((2, genes)) < rng.random(), rng.random((3, genes)) < rng.random()
    found = overrepresentation(lists, sp.csr_matrix(sets.astype(float)))
    for q, own in enumerate(lists):
        for t, member in enumerate(sets):
            both = int((own & member).sum())
            assert found.overlap[q, t] == both
            assert found.pvalue[q, t] == pytest.approx(tail(both, genes, int(member.sum()), int(own.sum())), abs=1e-12)
            a, b, c = both, (own & ~member).sum(), (~own & member).sum()
            d = (~own & ~member).sum()
            assert found.odds_ratio[q, t] == pytest.approx((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)))
            expected = own.sum() * member.sum() / genes
            assert np.isnan(found.fold[q, t]) if expected == 0 else found.fold[q, t] == pytest.approx(both / expected)


def walk(scores: np.ndarray, hits: np.ndarray, weight: float) -> list[float]:
    """The running score, step by step."""
    total = sum(abs(score) ** weight for score, hit in zip(scores, hits, strict=True) if hit)
    height, path = 0.0, []
    for score, hit in zip(scores, hits, strict=True):
        height += abs(score) ** weight / total if hit else -1 / (~hits).sum()
        path.append(height)
    return path


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.25, 1.0, 2.0]))
def test_the_running_score_and_its_extreme(seed, weight):
    rng = np.random.default_rng(seed)
    genes = int(rng.integers(6, 60))
    scores = rng.normal(size=genes)
    sets = np.zeros((4, genes), dtype=bool)
    for row in sets:
        row[rng.choice(genes, rng.integers(1, genes), replace=False)] = True
    order = np.argsort(-scores)
    found = enrichment_scores(scores, sp.csr_matrix(sets.astype(float)), weight)
    for row, score in zip(sets, found, strict=True):
        path = walk(scores[order], row[order], weight)
        assert running_score(scores[order], row[order], weight) == pytest.approx(path)
        high, low = max(path), min(0.0, *path)
        # as far up as down: rounding decides the sign
        expected = abs(high) if abs(high + low) < 1e-9 else high if high > -low else low
        assert (abs(score) if abs(high + low) < 1e-9 else score) == pytest.approx(expected)


def test_random_sets_have_uniform_p_values_and_a_planted_one_a_small_one():
    rng = np.random.default_rng(0)
    scores = np.sort(np.concatenate([rng.normal(size=700), rng.gamma(2, size=300)]))[::-1]  # not balanced around zero
    member = np.zeros((300, 1000))
    for row, size in zip(member, rng.integers(8, 60, 300), strict=True):
        row[rng.choice(1000, size, replace=False)] = 1
    member[0] = 0
    member[0, rng.choice(150, 30, replace=False)] = 1
    sets = sp.csr_matrix(member)
    es = enrichment_scores(scores, sets)
    places = random_places(1000, 60, 400, np.random.default_rng(1))
    assert all(len(set(row)) == 60 for row in places[:20].tolist())
    found = preranked(scores, es, np.diff(sets.indptr), places, 1.0)
    assert found.pvalue[0] == 2 / 401
    assert found.nes[0] > 1.8
    null = found.pvalue[1:]
    assert 0.02 <= (null <= 0.05).mean() <= 0.09
    assert 0.42 <= null.mean() <= 0.58


def test_ties_are_those_of_scanpy():
    import scanpy as sc
    from anndata import AnnData

    rng = np.random.default_rng(2)
    values = sp.csr_matrix(rng.poisson(0.4, (60, 20)).astype(np.float32))
    labels = pd.DataFrame({"g": pd.Categorical(rng.permutation(["a"] * 25 + ["b"] * 35))}, index=map(str, range(60)))
    scores = []
    for corrected in (True, False):
        table = AnnData(values.copy(), obs=labels.copy())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sc.tl.rank_genes_groups(table, "g", method="wilcoxon", tie_correct=corrected, use_raw=False)
        found = table.uns["rank_genes_groups"]
        scores.append(pd.Series(found["scores"]["a"], index=found["names"]["a"]).loc[table.var_names].to_numpy())
    assert scores[1] / np.sqrt(tie_factor(values)) == pytest.approx(scores[0], rel=1e-5)


def test_permuted_scores_are_those_of_permuted_expression():
    from s3rl.statistics.permutations import permutation

    rng = np.random.default_rng(3)
    values = sp.random(40, 15, 0.4, format="csr", random_state=3)
    smooth = readout(rng.normal(size=(40, 3)))
    weights = contrasts(np.array([0] * 15 + [1] * 20 + [-1] * 5), 2)
    assert weights[-5:].any() == np.False_
    assert weights[:, 0] @ np.arange(40.0) == pytest.approx(np.arange(15).mean() - np.arange(15, 35).mean())
    strata = np.repeat([0, 1], 20)
    parts = list(permuted_scores(values, smooth.smooth(weights), 70, 5, strata))
    found = np.concatenate(parts, axis=1)
    assert found.shape == (15, 70, 2)
    for number in (0, 33, 69):
        back = np.argsort(permutation(5, number, 40, strata))
        assert found[:, number] == pytest.approx(np.asarray(smooth.smooth(values.toarray()[back]).T @ weights))


def test_genes_that_do_not_vary_have_no_score():
    values = sp.csr_matrix(np.array([[1.0, 0, 3], [1, 0, 4], [1, 0, 9]]))
    scale = gene_scale(values)
    assert np.isinf(scale[:2]).all()
    assert scale[2] == pytest.approx(np.std([3, 4, 9]))


def test_correlations_are_scipys_and_constants_have_none():
    from scipy.stats import pearsonr

    rng = np.random.default_rng(4)
    values, patterns = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    values[:, 2] = 7.1
    r, p = pearson(values, patterns)
    for m in range(2):
        for k in range(2):
            expected = pearsonr(values[:, m], patterns[:, k])
            assert (r[m, k], p[m, k]) == pytest.approx((expected.statistic, expected.pvalue))
    assert np.isnan(r[2]).all()
    assert np.isnan(p[2]).all()


def test_calibrated_correlations_are_uniform_where_plain_ones_of_denoised_values_are_not():
    rng = np.random.default_rng(5)
    embedding = rng.normal(size=(120, 4))
    denoiser = readout(embedding)
    noise, pattern = rng.normal(size=(120, 300)), embedding[:, :1]
    plain = pearson(denoiser.smooth(noise), pattern)[1]
    honest = calibrated_pearson(noise, pattern, denoiser, n_perms=200, seed=1)
    assert (plain < 0.05).mean() > 0.4
    assert (honest <= 0.05).mean() < 0.09
    planted = calibrated_pearson(noise + 2 * pattern, pattern, denoiser, n_perms=200, seed=1)
    assert np.median(planted) == 1 / 201
