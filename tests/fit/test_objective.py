from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from fit.problems import small, tissue

from s3rl.fit import objective as module
from s3rl.fit.loop import new_model
from s3rl.fit.objective import TERMS, Noise, Objective
from s3rl.fit.params import S3RLParams
from s3rl.nn import Diffusion

ARCHITECTURE = {"n_hidden": 16, "n_latent": 8, "n_mixtures": 2}
FORMS = {
    "linear output": small(n_hidden=16, n_latent=8),
    "ELU output": small(n_hidden=16, n_latent=8, linear_output=False, cosine_power=3.0),
    "two heads, no diffusion": small(n_hidden=16, n_latent=8, n_heads=2, diffusion=0.0, size_prior="equal"),
    "dynamic prototypes": small(n_hidden=16, n_latent=8, prototype_noise=0.2),
    "few terms": small(topology=0.0, separability=0.0, anchor=0.0, consensus=0.0, size_prior="equal"),
    "paper": dataclasses.replace(S3RLParams.paper(), **ARCHITECTURE),
    "paper, S3RL-3": dataclasses.replace(S3RLParams.paper("S3RL-3"), **ARCHITECTURE),
}


@pytest.fixture(scope="module")
def dense():
    """The straightforward implementation that the benchmark times."""
    place = Path(__file__).parents[2] / "benchmarks" / "_dense.py"
    spec = importlib.util.spec_from_file_location("benchmarks_dense", place)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def problem():
    return tissue(300, 120, seed=3)


def built(problem, params, n_domains=4, seed=5):
    """An objective away from its start, its slide with a finer diffusion, targets and noise."""
    slide, targets = problem.slide(params), problem.targets(params, n_domains)
    if params.diffusion > 0:
        fine = Diffusion.on(problem.spatial, params.diffusion, tolerance=1e-6)
        slide = dataclasses.replace(slide, diffusion=fine)
    model = new_model(problem.x.shape[1], n_domains, params, seed=seed)
    model.expression_encoder.gene_weights.copy_(problem.weights())
    objective = Objective(model, 0 if targets.anchor is None else targets.anchor.shape[1], params, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.expression_encoder.token.normal_(generator=generator)
        model.head.skew.normal_(std=0.1, generator=generator)
    noise = Noise.draw(slide, model.head.prototypes, params, seed=seed, epoch=2)
    return objective, slide, targets, noise


@pytest.mark.parametrize("params", FORMS.values(), ids=FORMS.keys())
def test_loss_and_gradients_equal_the_dense_implementation(dense, problem, params, monkeypatch):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 77)
    objective, slide, targets, noise = built(problem, params)
    data = dense.DenseData(*problem[:4], targets, diffusion=params.diffusion)
    plain = dense.DenseObjective(objective)
    loss = objective.total(objective(slide, targets, noise))
    wanted = plain(data, noise.masked, noise.kept, noise.prototypes)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)
    loss.backward()
    wanted.backward()
    named = plain.parameters_by_name()
    assert set(named) == {name for name, _ in objective.named_parameters()}
    worst, name = dense.largest_difference(objective, plain)
    assert worst < 1e-4, name


@pytest.mark.parametrize("name", TERMS[1:])
def test_a_term_of_weight_zero_is_left_out(problem, name):
    params = small(**{name: 0.0})
    objective, slide, targets, noise = built(problem, params)
    terms = objective(slide, targets, noise)
    assert set(terms) == set(TERMS) - {name}
    wanted = terms["reconstruction"] + sum(getattr(params, term) * terms[term] for term in set(TERMS[1:]) - {name})
    assert objective.total(terms).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_consensus_is_the_cross_entropy_of_the_head(problem):
    params = small()
    objective, slide, targets, noise = built(problem, params)
    value = objective(slide, targets, noise)["consensus"].item()
    with torch.no_grad():
        z = objective.model.encode(slide.expression, slide.graph, slide.diffusion, noise.masked, noise.kept)
        share = torch.softmax(objective.model.head(z), dim=1).double().numpy()
    loops = -np.mean(
        [
            sum(t * np.log(s) for t, s in zip(*rows, strict=True))
            for rows in zip(targets.consensus.double().numpy(), share, strict=True)
        ]
    )
    assert value == pytest.approx(loops, rel=1e-4)


def test_noise_depends_on_seed_and_epoch_alone(problem):
    params = small(mask_rate=0.3, edge_drop_rate=0.6)
    slide, prototypes = problem.slide(params), torch.zeros(4, 6)
    before = torch.random.get_rng_state()
    first, again, later, other = (
        Noise.draw(slide, prototypes, params, seed=seed, epoch=epoch)
        for seed, epoch in ((1, 4), (1, 4), (1, 5), (2, 4))
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.masked, again.masked)
    assert torch.equal(first.kept, again.kept)
    assert torch.equal(first.prototypes, again.prototypes)
    for changed in (later, other):
        assert not torch.equal(first.masked, changed.masked)
        assert not torch.equal(first.prototypes, changed.prototypes)
    assert abs(first.masked.float().mean() - 0.3) < 0.1
    assert abs(first.kept.float().mean() - 0.4) < 0.1


def test_no_noise_where_none_is_asked_for(problem):
    params = small(mask_rate=0.0, edge_drop_rate=0.0)
    noise = Noise.draw(problem.slide(params), torch.zeros(4, 6), params, seed=0, epoch=0)
    assert not noise.masked.any()
    assert noise.kept.all()
