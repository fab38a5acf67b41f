from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from fit.problems import small, tissue

from s3rl.errors import ModelError
from s3rl.fit.loop import train
from s3rl.fit.model import FittedModel
from s3rl.fit.model_folder import load_model, save_model
from s3rl.fit.params import S3RLParams
from s3rl.fit.result import infer

PROBLEM = tissue()
N, G = PROBLEM.x.shape
PAPER = dataclasses.replace(S3RLParams.paper(), n_hidden=8, n_latent=4, n_heads=2, max_epochs=4)
MODELLED, OTHERS = np.arange(0, G, 2), np.arange(1, G, 2)


def fitted(params, *, with_others=True):
    problem = PROBLEM._replace(x=PROBLEM.x[:, MODELLED].tocsr())
    slide = problem.slide(params)
    network, _ = train(slide, problem.targets(params), 3, params, problem.weights(), seed=0, progress=False)
    others = OTHERS if with_others else np.arange(0)
    result = infer(network, slide, PROBLEM.x, MODELLED if with_others else np.arange(len(MODELLED)), others, params)
    model = FittedModel(
        network, params, genes=[f"g{i}" for i in MODELLED], other_genes=[f"g{i}" for i in others],
        loadings=result.loadings, domains=["0", "1", "2"], graph_params={"n_neighbors": 6},
    )  # fmt: skip
    return model, slide, result


@pytest.mark.parametrize("params", [small(), PAPER], ids=["own", "paper"])
@pytest.mark.parametrize("with_others", [True, False])
def test_a_model_from_its_folder_infers_the_same_bytes(tmp_path, params, with_others):
    model, slide, result = fitted(params, with_others=with_others)
    save_model(tmp_path / "model", model.saved())
    back = FittedModel.of(load_model(tmp_path / "model"), "model")
    assert dataclasses.replace(back, network=None, loadings=None) == dataclasses.replace(
        model, network=None, loadings=None
    )
    assert not back.network.training
    others = OTHERS if with_others else np.arange(0)
    columns = MODELLED if with_others else np.arange(len(MODELLED))
    again = infer(back.network, slide, PROBLEM.x, columns, others, back.params, back.loadings)
    for name in ("embedding", "probabilities", "denoised"):
        assert getattr(again, name).tobytes() == getattr(result, name).tobytes(), name


def test_saved_tensors_are_those_of_the_network_and_the_readout():
    model, _, _ = fitted(small(max_epochs=1))
    tensors = model.saved().tensors
    assert set(tensors) == {*model.network.state_dict(), "readout"}
    assert all(not tensor.requires_grad for tensor in tensors.values())
    assert tensors["expression_encoder.gene_weights"].min() > 0
    assert model.to(torch.device("cpu")) is model


@pytest.fixture(scope="module")
def saved():
    return fitted(small(max_epochs=1))[0].saved()


def missing(saved, name):
    return {key: value for key, value in saved.description.items() if key != name}, saved.tensors


@pytest.mark.parametrize(
    "breaks",
    [
        lambda s: missing(s, "params"),
        lambda s: missing(s, "genes"),
        lambda s: missing(s, "graph_params"),
        lambda s: (s.description | {"params": {"n_latnt": 3}}, s.tensors),
        lambda s: (s.description | {"params": s.description["params"] | {"n_hidden": 0}}, s.tensors),
        lambda s: (s.description | {"genes": ["g0"]}, s.tensors),
        lambda s: (s.description | {"domains": 3}, s.tensors),
        lambda s: (s.description, {name: t for name, t in s.tensors.items() if name != "head.skew"}),
        lambda s: (s.description, s.tensors | {"more": torch.ones(1)}),
    ],
)
def test_a_description_that_does_not_fit_is_refused(breaks, saved):
    description, tensors = breaks(saved)
    with pytest.raises(ModelError, match="describes no model") as caught:
        FittedModel.of(dataclasses.replace(saved, tensors=tensors, description=description), "there")
    assert "there" in str(caught.value)
