"""The autoregressive factorisation: its optimum against a general solver, its prior against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from deconvolution.mixtures import error, planted, shares
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.deconvolution import car_loss
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from s3rl.deconvolution import car
from s3rl.deconvolution.car import PHI_GRID, Autoregression, _Noise, car_factorisation
from s3rl.deconvolution.mixture import mixture

CPU = torch.device("cpu")


def means_of(made):
    return np.stack([shares(made.cells)[made.codes == kind].mean(axis=0) for kind in range(made.truth.shape[1])])


def fit(made, **more):
    given_ = {"phi": None, "noise": "poisson", "max_iter": 300} | more
    return car_factorisation(shares(made.spots), means_of(made), made.graph, device=CPU, progress=False, **given_)


@given(st.integers(0, 1000), st.sampled_from(PHI_GRID))
@settings(max_examples=20, deadline=None)
def test_the_prior_is_the_normal_density_with_that_precision(seed, phi):
    made = planted(n=16, g=10, k=2, seed=seed)
    graph = made.graph.toarray().astype(float)
    q = np.diag(graph.sum(axis=1)) - phi * graph
    prior = Autoregression(made.graph, phi)
    weights = np.random.default_rng(seed).normal(size=(16, 3))
    level, scale = prior.level(weights), prior.scale(weights)
    density = sum(
        multivariate_normal(np.full(16, level[t]), scale[t] * np.linalg.inv(q)).logpdf(weights[:, t]) for t in range(3)
    )
    constant = -0.5 * 16 * 3 * (np.log(2 * np.pi) + 1)
    assert prior.likelihood(weights) == pytest.approx(density - constant, rel=1e-6)
    # and level and scale are the likeliest
    for factor, shift in ((1.1, 0), (0.9, 0), (1, 0.05), (1, -0.05)):
        other = sum(
            multivariate_normal(np.full(16, level[t] + shift), factor * scale[t] * np.linalg.inv(q)).logpdf(
                weights[:, t]
            )
            for t in range(3)
        )
        assert other < density


@pytest.mark.parametrize("noise", ["poisson", "gaussian"])
def test_the_optimum_is_that_of_a_general_solver(noise, monkeypatch):
    monkeypatch.setattr(car, "_TOLERANCE", 1e-7)
    made = planted(n=9, g=12, k=2, depth=200)
    spots, means = shares(made.spots), means_of(made)
    found = fit(made, phi=0.9, noise=noise, max_iter=5000)
    data = _Noise(torch.tensor(spots, dtype=torch.float32), torch.tensor(means, dtype=torch.float32), noise)
    precision = np.broadcast_to(data.precision.numpy().ravel(), 9)
    graph = made.graph.toarray().astype(float)

    def loss(x):
        weights = x.reshape(9, 2)
        level = Autoregression(made.graph, 0.9).level(weights)
        return car_loss(weights, level, spots, means, graph, 0.9, found.scale, precision, noise)

    solved = minimize(loss, np.full(18, 0.5), bounds=[(1e-9, None)] * 18, options={"maxiter": 2000, "maxfun": 10**6})
    assert loss(found.weights.ravel().astype(float)) <= solved.fun + 1e-3 * abs(solved.fun)
    assert np.allclose(found.weights.ravel(), solved.x, atol=0.01)


@pytest.mark.parametrize("noise", ["poisson", "gaussian"])
def test_no_update_raises_the_objective(noise):
    found = fit(planted(n=60), noise=noise, phi=0.99)
    assert (np.diff(found.objective) <= 1e-4 * np.abs(found.objective[:-1])).all()
    assert found.objective[-1] < found.objective[0]
    assert (found.weights >= 0).all()


def test_smooth_tissue_is_found_better_than_spot_by_spot():
    made = planted(depth=150)
    plain = shares(mixture(torch.tensor(shares(made.spots)), torch.tensor(means_of(made))).numpy())
    found = fit(made)
    assert found.phi >= 0.9
    assert error(shares(found.weights), made.truth) < 0.85 * error(plain, made.truth)


def test_shuffled_tissue_gets_a_small_correlation_and_is_left_alone():
    made = planted(depth=1500)
    order = np.random.default_rng(0).permutation(len(made.spots))
    shuffled = made._replace(spots=made.spots[order], truth=made.truth[order])
    plain = shares(mixture(torch.tensor(shares(shuffled.spots)), torch.tensor(means_of(made))).numpy())
    found = fit(shuffled)
    assert found.phi <= 0.3
    assert error(shares(found.weights), shuffled.truth) < 1.1 * error(plain, shuffled.truth)


def test_a_given_correlation_is_used_and_the_grid_is_not():
    found = fit(planted(n=40), phi=0.42)
    assert found.phi == 0.42
    assert np.isnan(found.likelihoods).all()
    assert len(fit(planted(n=40)).likelihoods) == len(PHI_GRID)


def test_spots_without_neighbours_have_weights_too():
    made = planted(n=40)
    graph = made.graph.tolil()
    graph[3] = 0
    graph[:, 3] = 0
    found = fit(made._replace(graph=sp.csr_matrix(graph)))
    assert np.isfinite(found.weights).all()
    assert found.weights[3].sum() > 0.5
