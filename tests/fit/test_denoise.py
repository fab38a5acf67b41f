from __future__ import annotations

import numpy as np
import pytest
import torch
from fit.problems import small, tissue
from sklearn.linear_model import Ridge

from s3rl.fit import denoise
from s3rl.fit.denoise import denoised, embed, readout, reconstruct
from s3rl.fit.loop import new_model

PROBLEM = tissue()
N, G = PROBLEM.x.shape
MODELLED, OTHERS = np.arange(0, G, 2), np.arange(1, G, 2)
OUTPUTS = pytest.mark.parametrize("linear", [True, False], ids=["linear", "ELU"])


@pytest.fixture(scope="module")
def network():
    slide = half().slide(small())
    model = new_model(len(MODELLED), 3, small(), seed=0)
    model.encode(slide.expression, slide.graph, slide.diffusion)
    return model.eval()


def half():
    """The problem with the modelled genes alone."""
    return PROBLEM._replace(x=PROBLEM.x[:, MODELLED].tocsr())


def test_embedding_and_affinities(network):
    slide = half().slide(small())
    z, probabilities = embed(network, slide)
    assert z.shape == (N, 6)
    assert probabilities.shape == (N, 3)
    assert z.dtype == probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    again = embed(network, slide)
    assert z.tobytes() == again.z.tobytes()
    turned = (network.head.prototypes @ network.head.rotation.T).detach().numpy()
    cosines = z @ turned.T / np.linalg.norm(z, axis=1, keepdims=True)
    assert np.array_equal(probabilities.argmax(axis=1), cosines.argmax(axis=1))


@OUTPUTS
def test_scale_is_the_least_squares_one(network, linear):
    factors = reconstruct(network, half().slide(small()), linear_output=linear)
    values = factors.spots @ factors.genes.T
    guess = (values if linear else torch.nn.functional.elu(values)).numpy().astype(np.float64)
    dense = half().x.toarray().astype(np.float64)
    for i in range(N):
        best = np.linalg.lstsq(guess[i][:, None], dense[i], rcond=None)[0][0]
        assert factors.scale[i].item() == pytest.approx(max(best, 0), rel=1e-3, abs=1e-5)
    assert (factors.scale > 0).any()


@OUTPUTS
def test_blocks_do_not_show(network, linear, monkeypatch):
    results = []
    for rows in (2048, 7):
        monkeypatch.setattr(denoise, "_ROWS_AT_ONCE", rows)
        factors = reconstruct(network, half().slide(small()), linear_output=linear)
        loadings = readout(factors, PROBLEM.x[:, OTHERS])
        results.append(denoised(factors, MODELLED, OTHERS, loadings, linear_output=linear))
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)
    assert results[0].shape == (N, G)
    assert results[0].dtype == np.float32
    assert results[0].min() == 0


@OUTPUTS
def test_denoised_equals_the_dense_product(network, linear):
    factors = reconstruct(network, half().slide(small()), linear_output=linear)
    loadings = readout(factors, PROBLEM.x[:, OTHERS])
    values = (factors.spots @ factors.genes.T).double()
    scale = factors.scale.double()[:, None]
    wanted = np.zeros((N, G))
    wanted[:, MODELLED] = scale * (values if linear else torch.nn.functional.elu(values))
    wanted[:, OTHERS] = scale * (factors.spots.double() @ loadings.double().T)
    result = denoised(factors, MODELLED, OTHERS, loadings, linear_output=linear)
    np.testing.assert_allclose(result, np.maximum(wanted, 0), atol=1e-4)


def test_readout_equals_ridge(network):
    factors = reconstruct(network, half().slide(small()), linear_output=True)
    spots = (factors.scale[:, None] * factors.spots).double().numpy()
    penalty = denoise._RIDGE * np.trace(spots.T @ spots) / spots.shape[1]
    wanted = (
        Ridge(alpha=penalty, fit_intercept=False).fit(spots, PROBLEM.x[:, OTHERS].toarray().astype(np.float64)).coef_
    )
    loadings = readout(factors, PROBLEM.x[:, OTHERS])
    assert loadings.dtype == torch.float32
    np.testing.assert_allclose(loadings.numpy(), wanted, atol=1e-4, rtol=1e-4)


def test_genes_without_loadings_stay_zero(network):
    factors = reconstruct(network, half().slide(small()), linear_output=True)
    result = denoised(factors, MODELLED, OTHERS, None, linear_output=True)
    assert (result[:, OTHERS] == 0).all()
    assert result[:, MODELLED].any()
