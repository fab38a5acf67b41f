"""The number of domains: independent spots counted by dense algebra, planted domains found, nothing found in noise."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from s3rl.fit import n_domains
from s3rl.fit.n_domains import choose_n_domains, evidence, variance_inflation, varies_in_space

SIDE = 20
N = SIDE * SIDE


@pytest.fixture(autouse=True)
def _few_candidates(monkeypatch):
    """Up to 8 domains: the comparison of fifteen takes twice as long."""
    monkeypatch.setattr(n_domains, "N_DOMAINS_MAX", 8)


def lattice() -> sp.csr_matrix:
    """A square lattice that closes upon itself, so that every spot has the same surroundings."""
    step = sp.csr_matrix(np.roll(np.eye(SIDE), 1, axis=1))
    ring = step + step.T
    return sp.csr_matrix(sp.kron(ring, sp.eye(SIDE)) + sp.kron(sp.eye(SIDE), ring))


def smoother(strength: float) -> np.ndarray:
    laplacian = 4 * np.eye(N) - lattice().toarray()
    return np.linalg.inv(np.eye(N) + strength * laplacian)


def planted(k: int, n_genes: int = 60, contrast: float = 1.0) -> sp.csr_matrix:
    """Vertical bands of equal width, each with a tenth of the genes for itself, in counts."""
    rng = np.random.default_rng(k)
    domain = np.arange(N) // SIDE * k // SIDE
    mean = np.ones((k, n_genes))
    for j in range(k):
        mean[j, j * n_genes // k : j * n_genes // k + 6] += contrast
    return sp.csr_matrix(np.log1p(rng.poisson(2 * mean[domain])).astype(np.float32))


def moran(values: np.ndarray, weights: np.ndarray) -> float:
    """Moran's I as a plain double sum."""
    centred = values - values.mean()
    total = sum(weights[i, j] * centred[i] * centred[j] for i, j in zip(*weights.nonzero(), strict=True))
    return len(values) / weights.sum() * total / (centred**2).sum()


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_inflation_of_diffused_noise_is_that_of_the_smoother(strength):
    """Of S e with white e, the correlations with one spot sum to 1 / (S S')_ii, since rows of S sum to one."""
    smooth = smoother(strength)
    wanted = 1 / (smooth @ smooth.T)[0, 0]
    rng = np.random.default_rng(0)
    found = [variance_inflation(smooth @ rng.normal(size=(N, 2)), lattice(), rng) for _ in range(40)]
    assert found[0].shape == (2,)
    np.testing.assert_allclose(np.mean(found), wanted, rtol=0.2)


def test_independent_spots_are_not_inflated():
    noise = np.random.default_rng(0).normal(size=(N, 8))
    found = variance_inflation(noise, lattice(), np.random.default_rng(1))
    assert (found >= 1).all()
    assert np.mean(1 / found) > 0.7


def test_each_direction_has_its_own_inflation_whatever_the_axes():
    rng = np.random.default_rng(2)
    fields = np.column_stack([rng.normal(size=(N, 2)), smoother(2.0) @ rng.normal(size=N)])
    turned = fields @ rng.normal(size=(3, 3))
    plain, mixed = (variance_inflation(f, lattice(), np.random.default_rng(3)) for f in (fields, turned))
    np.testing.assert_allclose(plain, mixed, rtol=1e-6)
    assert plain[-1] > 5 * plain[:-1].max()


def test_components_that_vary_in_space_are_those_of_large_moran():
    rng = np.random.default_rng(4)
    components = np.column_stack([rng.normal(size=N), smoother(1.0) @ rng.normal(size=N), rng.normal(size=N)])
    assert varies_in_space(components, lattice()).tolist() == [1]
    noise = rng.normal(size=(N, 3))
    largest = int(np.argmax([moran(column, lattice().toarray()) for column in noise.T]))
    assert varies_in_space(noise, lattice()).tolist() == [largest]


def test_the_level_holds_for_permuted_spots():
    """Of 100 sets of 20 columns without a pattern about five have any."""
    rng = np.random.default_rng(5)
    sets = [varies_in_space(rng.normal(size=(N, 20)), lattice()) for _ in range(100)]
    graph = lattice().toarray()
    bound = 3.02 * np.sqrt(2 * graph.sum()) / graph.sum()
    columns = [rng.normal(size=N) for _ in range(400)]
    assert np.mean([moran(c, graph) > bound for c in columns]) < 0.01
    assert np.mean([len(found) > 1 for found in sets]) < 0.05


@pytest.mark.parametrize("k", [3, 5])
def test_planted_domains_are_counted(k):
    found = choose_n_domains(planted(k, contrast=2.0), lattice(), seed=0, n_repeats=2)
    assert found.chosen == k
    assert found.score.max() > found.null.max()
    assert found.score.max() > 0


def test_noise_has_no_domains():
    x = sp.csr_matrix(np.log1p(np.random.default_rng(6).poisson(2, size=(N, 60))).astype(np.float32))
    found = choose_n_domains(x, lattice(), seed=0, n_repeats=2)
    assert found.chosen == 2
    assert (found.score < 0).all()


def test_shapes_and_the_same_seed():
    x = planted(3, contrast=2.0)
    one, two = (choose_n_domains(x, lattice(), seed=3, n_repeats=2) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.candidates.tolist() == list(range(2, 9))
    assert one.runs.shape == (2, 7)
    np.testing.assert_allclose(one.score, one.runs.mean(axis=0))
    np.testing.assert_allclose(one.spread, one.runs.std(axis=0, ddof=1))
    assert one.candidates[one.score.argmax()] == one.chosen
    assert (one.effective_spots < N).all()
    assert (choose_n_domains(x, lattice(), seed=4, n_repeats=2).runs != one.runs).any()


def test_the_order_of_the_spots_does_not_matter_to_the_choice():
    x, graph = planted(4, contrast=2.0), lattice()
    order = np.random.default_rng(7).permutation(N)
    turned = choose_n_domains(x[order], sp.csr_matrix(graph[order][:, order]), seed=0, n_repeats=2)
    assert turned.chosen == choose_n_domains(x, graph, seed=0, n_repeats=2).chosen == 4


def test_without_smoothing_all_components_count():
    found = choose_n_domains(planted(3), lattice(), seed=0, n_repeats=1, smoothing=sp.csr_matrix((N, N)))
    assert found.n_components.tolist() == [20]
    assert found.spread.tolist() == [0.0] * 7


def test_slices_that_differ_are_centred():
    """A shift of every gene in half of the spots is no domain where slices are centred."""
    x = planted(3, contrast=2.0)
    slices = np.arange(N) % SIDE * 2 // SIDE
    shift = slices[:, None] * np.random.default_rng(8).uniform(0, 2, x.shape[1])
    shifted = sp.csr_matrix(x + shift.astype(np.float32))
    graph = lattice().multiply(slices[:, None] == slices).tocsr()
    assert choose_n_domains(shifted, graph, seed=0, slices=slices, batch="center", n_repeats=2).chosen == 3


def test_the_score_is_half_the_difference_of_two_criteria():
    """One component and two groups far apart: the likelihoods in closed form."""
    rng = np.random.default_rng(9)
    group = np.arange(N) // (N // 2)
    view = (rng.normal(size=N) + 40.0 * group)[:, None]
    score, size = evidence(view, lattice(), np.array([2]), np.random.default_rng(0))
    inside = np.concatenate([view[group == g] - view[group == g].mean() for g in (0, 1)])
    # log-likelihoods n times -log(sd) - 1/2 log(2 pi) - 1/2, and -log 2 for the group
    gain = N * (np.log(view.std()) - np.log(inside.std()) - np.log(2))
    np.testing.assert_allclose(score, gain * size / N - 0.5 * 2 * np.log(size), rtol=1e-4)
