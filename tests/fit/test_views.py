from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from fit.problems import tissue
from oracles.layers import diffused
from sklearn.decomposition import PCA

from s3rl.fit import views as views_
from s3rl.fit.views import anchors, consensus_views, fading, gene_scale, leading, principal_components
from s3rl.statistics.autocorrelation import morans_i

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
    for view, strength in zip(views, views_.STRENGTHS, strict=True):
        np.testing.assert_allclose(view, diffused(components, PROBLEM.spatial, strength), atol=5e-3)


def ring(n=3000):
    places = np.arange(n)
    ones = np.ones(n)
    pairs = sp.csr_matrix((np.r_[ones, ones], (np.r_[places, places], np.r_[(places + 1) % n, (places - 1) % n])))
    return pairs, 2 * np.pi * places / n


def test_morans_i_is_that_of_the_double_sum():
    graph, angle = ring(40)
    columns = np.c_[np.cos(angle), np.random.default_rng(0).normal(size=40), np.full(40, 2.5)]
    weights = graph.toarray()
    for column, found in zip(columns.T, morans_i(columns, graph), strict=True):
        apart = column - column.mean()
        double = sum(weights[i, j] * apart[i] * apart[j] for i in range(40) for j in range(40))
        wanted = 40 / weights.sum() * double / max((apart**2).sum(), 1e-300)
        assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(("size", "kept"), [(0.12, 20), (0.4, 30)])
def test_a_component_counts_from_a_small_part_of_it_in_space(size, kept):
    """Waves that are 1.4 and 14 % of the variance: Moran's I of .014 and .14, beside a limit of .05."""
    graph, angle = ring()
    components = np.random.default_rng(3).normal(size=(len(angle), 50))
    for column in range(30):
        components[:, column] += np.sqrt(2) * size * np.cos((column // 2 + 1) * angle + (column % 2) * np.pi / 2)
    assert leading(components, graph).shape == (3000, kept)


@pytest.mark.parametrize(("wave", "kept"), [(0, 20), (12, 20), (31, 31), (50, 50)])
def test_components_reach_to_as_many_as_vary_in_space(wave, kept):
    """Columns are white noise, but for the first ``wave``, which are waves on a ring."""
    graph, angle = ring()
    components = np.random.default_rng(3).normal(size=(len(angle), 50))
    for column in range(wave):
        components[:, column] = np.cos((column // 2 + 1) * angle + (column % 2) * np.pi / 2)
    assert leading(components, graph).shape == (3000, kept)
    assert leading(components, sp.csr_matrix(graph.shape)).shape == (3000, 20)
    assert leading(components[:, :7], graph).shape == (3000, 7)


@pytest.mark.parametrize("scaling", [0.0, 0.5])
def test_genes_divided_by_a_power_of_their_deviation(scaling):
    dense = PROBLEM.x.toarray().astype(np.float64)
    deviation = dense.std(axis=0)
    wanted = PCA(6, svd_solver="full").fit_transform(scaled(PROBLEM.x) * deviation ** (1 - scaling))
    found = principal_components(PROBLEM.x, 6, seed=0, scaling=scaling)
    np.testing.assert_allclose(found * np.sign((found * wanted).sum(axis=0)), wanted, atol=2e-4)


def faded(weights, view, contrast):
    """The formula, pair by pair."""
    standard = view / view.std(axis=0)
    pairs = [(i, j) for i in range(len(view)) for j in range(len(view)) if weights[i, j]]
    apart = {(i, j): float(((standard[i] - standard[j]) ** 2).sum()) for i, j in pairs}
    median = float(np.median(list(apart.values())))
    out = np.zeros_like(weights)
    for i, j in pairs:
        out[i, j] = weights[i, j] * np.exp(-apart[i, j] / (2 * contrast * median))
    return out * weights.sum() / out.sum()


def test_weights_fade_as_the_formula_says():
    view = principal_components(PROBLEM.x, 5, seed=0).astype(np.float64)
    weights = PROBLEM.spatial.toarray().astype(np.float64)
    for contrast in (1.0, 0.5):
        found = fading(PROBLEM.spatial, view, contrast)
        np.testing.assert_allclose(found.toarray(), faded(weights, view, contrast), rtol=1e-6)
        np.testing.assert_allclose(found.toarray(), found.toarray().T)
        assert found.sum() == pytest.approx(weights.sum())


def test_weights_of_spots_that_are_all_alike_stay_finite():
    found = fading(PROBLEM.spatial, np.ones((150, 3)), 1.0)
    np.testing.assert_allclose(found.toarray(), PROBLEM.spatial.toarray())


def test_a_border_stays_sharper_than_under_plain_diffusion():
    n = 60
    line = sp.diags([np.ones(n - 1), np.ones(n - 1)], [-1, 1], format="csr")
    step = np.where(np.arange(n) < n // 2, -1.0, 1.0)[:, None] + 0.02 * np.random.default_rng(0).normal(size=(n, 3))
    plain = anchors(step.astype(np.float32), line)[-1]
    sharp = consensus_views([step.astype(np.float32)], line)[-1]
    middle = slice(n // 2 - 1, n // 2 + 1)
    assert np.abs(np.diff(sharp[middle], axis=0)).min() > 1.5 * np.abs(np.diff(plain[middle], axis=0)).max()


def test_every_scaling_smoothing_and_number_of_components_is_a_view():
    sizes = (20, 32)
    components = [
        principal_components(PROBLEM.x, k, seed=0, scaling=scaling)
        for k, scaling in zip(sizes, views_.SCALINGS, strict=True)
    ]
    views = consensus_views(components, PROBLEM.spatial)
    ways = len(views_.STRENGTHS) + len(views_.CONTRASTS)
    assert [view.shape[1] for view in views] == [
        k for pair in ((10, 16), (15, 24), sizes) for k in pair for _ in range(ways)
    ]
    for view, strength in zip(views[ways : ways + 2], views_.STRENGTHS, strict=True):
        np.testing.assert_allclose(view, diffused(components[1][:, :16], PROBLEM.spatial, strength), atol=5e-3)
    weights = fading(PROBLEM.spatial, views[0], 1.0)
    np.testing.assert_allclose(views[2], diffused(components[0][:, :10], weights, 1.0), atol=5e-3)


@pytest.mark.parametrize(
    ("k", "widths"), [(4, [4]), (10, [10]), (12, [10, 12]), (20, [10, 15, 20]), (33, [17, 25, 33])]
)
def test_without_neighbours_the_components_are_the_views(k, widths):
    components = [principal_components(PROBLEM.x, k, seed=0)]
    views = consensus_views(components, sp.csr_matrix((150, 150)))
    assert [view.shape[1] for view in views] == widths
    np.testing.assert_allclose(views[-1], components[0], atol=1e-3)
