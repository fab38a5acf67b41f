"""The contrastive mapping: its loss against loops, its weights against planted ones, batches that change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from deconvolution.mixtures import error, planted, shares
from oracles.deconvolution import contrastive_loss
from scipy.optimize import nnls

from s3rl._random import stream
from s3rl.deconvolution.contrastive import contrastive_mapping
from s3rl.deconvolution.params import DeconvolveParams
from s3rl.deconvolution.reference import metacells

CPU = torch.device("cpu")
PARAMS = DeconvolveParams(n_metacells=4)


def fit(made, params=PARAMS, seed=0):
    cells = sp.csr_matrix(shares(made.cells), dtype=np.float32)
    groups = metacells(cells, made.codes, made.truth.shape[1], params.n_metacells, seed=0)
    spots = shares(made.spots).astype(np.float32)
    found = contrastive_mapping(spots, groups, made.graph, params, seed=seed, device=CPU, progress=False)
    return found, found.weights @ np.eye(made.truth.shape[1])[groups.types], groups


def test_the_loss_is_that_of_plain_loops():
    made = planted(n=12, g=15, k=3, per_type=4)
    graph = made.graph.tolil()
    graph[5] = 0
    graph[:, 5] = 0
    made = made._replace(graph=sp.csr_matrix(graph))
    params = replace(PARAMS, n_metacells=1, n_steps=3, n_negatives=7, contrast=0.7, temperature=0.4)
    found, _, groups = fit(made, replace(params, n_steps=1), seed=4)
    # the first loss is that of equal weights
    negatives = np.sort(stream(4, 1).permutation(12)[:7])
    predicted = shares(np.full((12, 3), 1 / 3) @ groups.profiles)
    expected = contrastive_loss(predicted, shares(made.spots), made.graph.toarray(), negatives, 0.7, 0.4)
    assert found.history["loss"][0] == pytest.approx(expected, rel=1e-4)
    assert found.history["loss"] == pytest.approx(
        found.history["reconstruction"] + 0.7 * found.history["contrast"], rel=1e-6
    )


def test_planted_proportions_are_found_better_than_by_least_squares():
    made = planted(depth=400)
    _, proportions, _ = fit(made)
    means = np.stack([shares(made.cells)[made.codes == kind].mean(axis=0) for kind in range(4)])
    plain = shares(np.stack([nnls(means.T, spot)[0] for spot in shares(made.spots)]))
    assert error(proportions, made.truth) < 0.06
    assert error(proportions, made.truth) < 0.9 * error(plain, made.truth)


def test_weights_are_on_the_simplex_and_training_lowers_the_loss():
    found, _, _ = fit(planted(n=60))
    assert found.weights.dtype == np.float32
    assert (found.weights >= 0).all()
    assert np.allclose(found.weights.sum(axis=1), 1, atol=1e-5)
    assert len(found.history["loss"]) == PARAMS.n_steps
    assert found.history["loss"][-1] < found.history["loss"][0]


def test_without_contrast_it_is_the_likeliest_mixture():
    """Each spot for itself: the same divergence as expectation-maximisation reaches."""
    from s3rl.deconvolution.mixture import mixture

    made = planted(n=40)
    found, _, groups = fit(made, replace(PARAMS, contrast=0.0, n_metacells=1, n_steps=400))
    spots = shares(made.spots)
    # totals of the profiles are one, so that both have the same scale
    best = mixture(torch.tensor(spots), torch.tensor(shares(groups.profiles)), n_steps=2000).numpy()

    def divergence(weights):
        fitted = shares(weights @ shares(groups.profiles))
        return -(spots * np.log(fitted)).sum(axis=1)

    assert np.allclose(divergence(found.weights), divergence(best), atol=1e-4)


def test_neighbours_help_where_proportions_are_smooth():
    made = planted(depth=150, seed=1)
    alone, together = (fit(made, replace(PARAMS, contrast=weight))[1] for weight in (0.0, 0.2))
    shuffled = sp.csr_matrix(made.graph[np.random.default_rng(0).permutation(150)])
    wrong = fit(made._replace(graph=shuffled), replace(PARAMS, contrast=0.2))[1]
    assert error(together, made.truth) < 0.98 * error(alone, made.truth)
    assert error(together, made.truth) < 0.98 * error(wrong, made.truth)


@pytest.mark.parametrize("batch_size", [7, 64, 1000])
def test_batches_change_nothing(batch_size):
    made = planted(n=70)
    whole, parts = fit(made)[0], fit(made, replace(PARAMS, batch_size=batch_size))[0]
    assert np.allclose(whole.weights, parts.weights, atol=2e-4)
    assert np.allclose(whole.history["loss"], parts.history["loss"], rtol=1e-4)


def test_the_seed_decides():
    made = planted(n=50)
    few = replace(PARAMS, n_negatives=10)
    once, again, other = (fit(made, few, seed=seed)[0].weights for seed in (1, 1, 2))
    assert once.tobytes() == again.tobytes()
    assert once.tobytes() != other.tobytes()
