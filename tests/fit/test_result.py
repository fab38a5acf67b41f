from __future__ import annotations

import numpy as np
import pytest
import torch
from fit.problems import small, tissue

from s3rl.fit.loop import new_model, train
from s3rl.fit.result import infer

PROBLEM = tissue()
N, G = PROBLEM.x.shape
MODELLED, OTHERS = np.arange(0, G, 2), np.arange(1, G, 2)


@pytest.fixture(scope="module")
def trained():
    params = small(max_epochs=40)
    problem = PROBLEM._replace(x=PROBLEM.x[:, MODELLED].tocsr())
    slide = problem.slide(params)
    network, _ = train(slide, problem.targets(params), 3, params, problem.weights(), seed=0, progress=False)
    return network, slide


def test_arrays_of_a_result(trained):
    result = infer(*trained, PROBLEM.x, MODELLED, OTHERS, small())
    shapes = [(array.shape, array.dtype) for array in (result.embedding, result.probabilities, result.denoised)]
    assert shapes == [((N, 6), np.float32), ((N, 3), np.float32), ((N, G), np.float32)]
    assert result.loadings.shape == (G, 6 + 2)
    assert (result.denoised >= 0).all()


def test_the_decoder_denoises_where_it_is_asked_to(trained):
    result = infer(*trained, PROBLEM.x, MODELLED, OTHERS, small(denoise="decoder"))
    assert result.loadings.shape[0] == len(OTHERS)
    assert not np.allclose(result.denoised, infer(*trained, PROBLEM.x, MODELLED, OTHERS, small()).denoised, atol=0.1)


@pytest.mark.parametrize("denoise", ["all", "decoder"])
def test_denoised_is_on_the_scale_of_the_expression(trained, denoise):
    result = infer(*trained, PROBLEM.x, MODELLED, OTHERS, small(denoise=denoise))
    dense = PROBLEM.x.toarray()
    if denoise == "all":
        # it is the logarithm of what is expected, so the sums before the logarithm are those of the spots
        np.testing.assert_allclose(np.expm1(result.denoised).sum(axis=1), np.expm1(dense).sum(axis=1), rtol=1e-4)
        result, dense = result._replace(denoised=np.expm1(result.denoised)), np.expm1(dense)
    for columns in (MODELLED, OTHERS):
        assert result.denoised[:, columns].mean() == pytest.approx(dense[:, columns].mean(), rel=0.25)
        assert np.linalg.norm(result.denoised[:, columns] - dense[:, columns]) < 0.9 * np.linalg.norm(dense[:, columns])


def test_denoising_can_be_left_out(trained):
    result = infer(*trained, PROBLEM.x, MODELLED, OTHERS, small(denoise="none"))
    assert result.denoised is None
    assert result.loadings is None
    assert result.embedding.shape == (N, 6)


def test_loadings_of_an_earlier_fit_are_used(trained):
    params = small(denoise="decoder")
    fitted = infer(*trained, PROBLEM.x, MODELLED, OTHERS, params)
    doubled = infer(*trained, PROBLEM.x, MODELLED, OTHERS, params, loadings=2 * fitted.loadings)
    np.testing.assert_allclose(doubled.denoised[:, OTHERS], 2 * fitted.denoised[:, OTHERS], rtol=1e-5)
    assert np.array_equal(doubled.denoised[:, MODELLED], fitted.denoised[:, MODELLED])


def test_all_genes_modelled():
    params = small()
    network = new_model(G, 3, params, seed=0).eval()
    result = infer(network, PROBLEM.slide(params), PROBLEM.x, np.arange(G), np.arange(0), params)
    assert len(result.loadings) == G
    assert result.denoised.shape == (N, G)
    params = small(denoise="decoder")
    assert infer(network, PROBLEM.slide(params), PROBLEM.x, np.arange(G), np.arange(0), params).loadings is None
    assert torch.is_tensor(network.head.prototypes)
