"""Mixtures without space against a general solver."""

from __future__ import annotations

import numpy as np
import torch
from deconvolution.mixtures import error, planted, shares
from scipy.optimize import minimize

from s3rl.deconvolution.mixture import mixture, precision

PLANTED = planted(n=30)
MEANS = np.stack([shares(PLANTED.cells)[PLANTED.codes == kind].mean(axis=0) for kind in range(4)])


def test_the_likeliest_weights_are_those_of_a_general_solver():
    spots = shares(PLANTED.spots)[:5]
    found = mixture(torch.tensor(spots), torch.tensor(MEANS), n_steps=3000).numpy()
    for spot, weights in zip(spots, found, strict=True):

        def loss(w, spot=spot):
            return (w @ MEANS).sum() - spot @ np.log(w @ MEANS + 1e-12)

        solved = minimize(loss, np.full(4, 0.25), bounds=[(0, None)] * 4, options={"ftol": 1e-14, "gtol": 1e-10})
        assert loss(weights) <= solved.fun + 1e-8
        assert np.allclose(weights, solved.x, atol=2e-3)


def test_every_step_raises_the_likelihood():
    spots, means = torch.tensor(shares(PLANTED.spots)), torch.tensor(MEANS)
    losses = []
    for steps in range(1, 20):
        fitted = mixture(spots, means, n_steps=steps) @ means
        losses.append(float((fitted - spots * fitted.log()).sum()))
    assert (np.diff(losses) <= 1e-12).all()
    assert losses[-1] < losses[0]


def test_planted_proportions_are_found():
    made = planted(depth=5000)
    means = np.stack([shares(made.cells)[made.codes == kind].mean(axis=0) for kind in range(4)])
    found = shares(mixture(torch.tensor(shares(made.spots)), torch.tensor(means), n_steps=300).numpy())
    assert error(found, made.truth) < 0.05


def test_precision_is_the_depth_of_poisson_counts_and_less_for_noisier_ones():
    rng = np.random.default_rng(0)
    profile = rng.dirichlet(np.full(400, 5.0))
    fitted = torch.tensor(np.tile(profile, (50, 1)))
    for depth in (500, 4000):
        spots = torch.tensor(rng.poisson(depth * profile, (50, 400)) / depth)
        assert abs(float(precision(spots, fitted, 0).mean()) / depth - 1) < 0.05
    noisy = torch.tensor(rng.poisson(rng.gamma(2.0, 4000 * profile / 2, (50, 400))) / 4000)
    assert float(precision(noisy, fitted, 0).mean()) < 2000
