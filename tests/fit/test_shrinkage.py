from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats
from scipy.integrate import quad

from s3rl.fit import shrinkage
from s3rl.fit.shrinkage import measured_of, posterior, share_readout

N, G, D = 300, 40, 4


@pytest.fixture(scope="module")
def problem():
    """Shares that follow two of four channels in half of the genes, with counts of them."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(N, D))
    base = rng.gamma(1.0, 1.0, G) + 0.2
    slopes = np.zeros((G, D))
    slopes[: G // 2, :2] = rng.normal(scale=0.25, size=(G // 2, 2))
    rate = base * np.exp(z @ slopes.T)
    share = rate / rate.sum(axis=1, keepdims=True)
    totals = rng.integers(80, 300, N)
    counts = np.stack([rng.multinomial(total, own) for total, own in zip(totals, share, strict=True)])
    return z.astype(np.float32), counts, share


def normalised(counts, target=1e4):
    return sp.csr_matrix(np.log1p(counts / counts.sum(axis=1, keepdims=True) * target).astype(np.float32))


@pytest.mark.parametrize("target", [1.0, 217.5, 1e4, 1e6])
def test_counts_come_back_from_normalised_expression(problem, target):
    _, counts, _ = problem
    measured = measured_of(normalised(counts, target))
    assert measured.counted
    assert np.array_equal(measured.values.toarray(), counts)
    assert np.array_equal(measured.totals, counts.sum(axis=1))
    np.testing.assert_allclose(measured.scale, target, rtol=1e-5)


def test_counts_come_back_where_the_smallest_is_two_or_three():
    counts = np.array([[2, 3, 0, 5], [3, 4, 7, 0], [1, 0, 2, 2]])
    assert np.array_equal(measured_of(normalised(counts)).values.toarray(), counts)


def test_values_without_a_unit_become_shares(problem):
    x = sp.csr_matrix(np.random.default_rng(1).gamma(1.0, 1.0, (20, 7)).astype(np.float32))
    measured = measured_of(x)
    assert not measured.counted
    np.testing.assert_allclose(measured.values.sum(axis=1), 1)
    np.testing.assert_allclose(measured.scale, np.expm1(x.toarray()).sum(axis=1), rtol=1e-5)
    layer = posterior(problem[0][:20], measured, share_readout(problem[0][:20], measured))
    assert layer.dtype == np.float32
    assert np.isfinite(layer).all()


def test_a_few_odd_spots_do_not_hide_the_counts(problem):
    _, counts, _ = problem
    x = normalised(counts).toarray()
    x[5] = np.random.default_rng(1).gamma(1.0, 1.0, G)
    measured = measured_of(sp.csr_matrix(x))
    assert measured.counted
    others = np.arange(N) != 5
    assert np.array_equal(measured.values.toarray()[others], counts[others])


def test_without_shrinkage_the_readout_is_weighted_least_squares(problem, monkeypatch):
    z, counts, _ = problem
    monkeypatch.setattr(shrinkage, "_shrunk", lambda scores: scores)
    readout = share_readout(z, measured_of(normalised(counts)))
    totals = counts.sum(axis=1)
    design = np.column_stack([np.ones(N), z]) * np.sqrt(totals)[:, None]
    for gene in range(G):
        wanted = np.linalg.lstsq(design, counts[:, gene] / np.sqrt(totals), rcond=None)[0]
        np.testing.assert_allclose(readout[gene, 1:], wanted, atol=1e-6)
    np.testing.assert_allclose(readout[:, 0], counts.sum(axis=0) / counts.sum(), rtol=1e-5)


def test_noise_is_shrunk_away_and_signal_kept():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(6, 4000))
    assert np.abs(shrinkage._shrunk(noise)).mean() < 0.1 * np.abs(noise).mean()
    strong = noise.copy()
    strong[2] += rng.normal(scale=30, size=4000)
    kept = shrinkage._shrunk(strong)
    np.testing.assert_allclose(kept[2], strong[2], atol=3)
    signal = strong - noise
    assert ((kept - signal) ** 2).mean() < 0.5 * ((strong - signal) ** 2).mean()


def test_the_update_is_the_mean_of_gamma_times_poisson(monkeypatch):
    share, total, count, concentration = 0.03, 200.0, 11.0, 2.5

    def weight(rate):
        return stats.gamma.pdf(rate, concentration, scale=share / concentration) * stats.poisson.pmf(
            count, total * rate
        )

    wanted = quad(lambda rate: rate * weight(rate), 0, 1)[0] / quad(weight, 0, 1)[0]
    monkeypatch.setattr(shrinkage, "_CONCENTRATIONS", (concentration, 1e9))
    given = np.array([[share]]), np.array([[count]]), np.array([total])
    assert shrinkage._updated(*given, np.array([[1.0], [0.0]]))[0, 0] == pytest.approx(wanted, rel=1e-6)
    assert shrinkage._updated(*given, np.array([[0.0], [1.0]]))[0, 0] == pytest.approx(share)
    both = shrinkage._updated(*given, np.array([[0.25], [0.75]]))[0, 0]
    assert both == pytest.approx(0.25 * wanted + 0.75 * share)


def test_weights_of_concentrations_are_those_of_the_negative_binomial(problem):
    z, counts, _ = problem
    measured = measured_of(normalised(counts))
    readout, seen = share_readout(z, measured), np.ones(G, dtype=bool)
    weights = shrinkage._concentrations(z, measured, readout, seen)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    mean = measured.totals[:, None] * shrinkage._expected(z, readout, seen)
    grid = np.array(shrinkage._CONCENTRATIONS)
    found = np.array(
        [stats.nbinom.logpmf(counts, value, value / (value + mean)).sum(axis=0) for value in grid]
    )  # fmt: skip
    prior = np.full(len(grid), 1 / len(grid))
    for _ in range(50):
        likely = prior[:, None] * np.exp(found - found.max(axis=0))
        prior = (likely / likely.sum(axis=0)).mean(axis=1)
    likely = prior[:, None] * np.exp(found - found.max(axis=0))
    np.testing.assert_allclose(weights, likely / likely.sum(axis=0), atol=1e-3)


def test_closer_to_the_truth_than_counts_mean_and_least_squares(problem, monkeypatch):
    z, counts, share = problem
    measured = measured_of(normalised(counts))

    def error(layer):
        values = np.expm1(layer)
        return ((values / values.sum(axis=1, keepdims=True) - share) ** 2).sum()

    ours = error(posterior(z, measured, share_readout(z, measured)))
    assert ours < 0.5 * ((counts / counts.sum(axis=1, keepdims=True) - share) ** 2).sum()
    assert ours < 0.6 * ((counts.sum(axis=0) / counts.sum() - share) ** 2).sum()
    monkeypatch.setattr(shrinkage, "_shrunk", lambda scores: scores)
    assert ours < error(posterior(z, measured, share_readout(z, measured)))


def test_a_gene_that_the_embedding_does_not_explain_follows_its_counts(problem):
    z, counts, _ = problem
    patchy = counts.copy()
    own = np.random.default_rng(5).random(N) < 0.1
    patchy[:, 3] = np.where(own, 40, 1)
    measured = measured_of(normalised(patchy))
    layer = posterior(z, measured, share_readout(z, measured))
    assert layer[own, 3].min() > layer[~own, 3].max()


def test_totals_stay_and_blocks_do_not_show(problem, monkeypatch):
    z, counts, _ = problem
    x = normalised(counts)
    measured = measured_of(x)
    readout = share_readout(z, measured)
    whole = posterior(z, measured, readout)
    np.testing.assert_allclose(np.expm1(whole.astype(np.float64)).sum(axis=1), 1e4, rtol=1e-4)
    monkeypatch.setattr(shrinkage, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(posterior(z, measured, readout), whole, atol=1e-5)


def test_genes_that_were_not_measured_take_what_is_expected(problem):
    z, counts, _ = problem
    full = measured_of(normalised(counts))
    readout = share_readout(z, full)
    without = counts.copy()
    without[:, :2] = 0
    layer = posterior(z, measured_of(normalised(without)), readout)
    wanted = np.expm1(posterior(z, full._replace(counted=False), readout))
    found = np.expm1(layer)
    # their place beside the other genes is that of the expectation
    seen = wanted[:, 2:].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found[:, :2], 1e4 * wanted[:, :2] / seen, rtol=0.05)


def test_an_embedding_that_says_nothing_and_few_spots():
    counts = np.random.default_rng(0).poisson(3.0, (5, 6)) + 1
    measured = measured_of(normalised(counts))
    for z in (np.zeros((5, 3), np.float32), np.random.default_rng(1).normal(size=(5, 9)).astype(np.float32)):
        layer = posterior(z, measured, share_readout(z, measured))
        assert np.isfinite(layer).all()
        assert (layer >= 0).all()
