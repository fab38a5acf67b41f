from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fit.problems import small, tissue
from fit.train_once import EPOCHS, INTERVAL, run

from s3rl.errors import ModelError
from s3rl.fit import loop
from s3rl.fit.checkpoint import load_checkpoint, save_checkpoint
from s3rl.fit.loop import new_model, train

PROBLEM = tissue()


def targets_of(params, known={}):  # noqa: B006
    """Targets that do not depend on how long it trains."""
    key = (params.anchor, params.consensus, params.size_prior)
    if key not in known:
        known[key] = PROBLEM.targets(params)
    return known[key]


def fit(params, seed=0, **kwargs):
    slide, targets = PROBLEM.slide(params), targets_of(params)
    return train(slide, targets, 3, params, PROBLEM.weights(), seed=seed, progress=False, **kwargs)


def content(trained):
    model, history = trained
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}, history


def stop_after(monkeypatch, n_epochs):
    """Interrupt as the user would, after so many epochs of this run."""
    inner, calls = loop._epoch, iter(range(n_epochs))

    def epoch(*args, **kwargs):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return inner(*args, **kwargs)

    monkeypatch.setattr(loop, "_epoch", epoch)


def test_same_seed_same_bytes():
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first, again, other = fit(small()), fit(small()), fit(small(), seed=1)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert random.getstate() == states[2]
    assert content(first) == content(again)
    assert first[1] != other[1]
    assert not torch.equal(first[0].encoder.query, other[0].encoder.query)


def test_history_and_state_of_a_run():
    model, history = fit(small(max_epochs=6))
    assert not model.training
    assert set(history) == {"loss", "reconstruction", "topology", "separability", "anchor", "consensus"}
    assert {len(values) for values in history.values()} == {6}
    params = small()
    for epoch in range(6):
        weighted = sum(
            getattr(params, name) * history[name][epoch] for name in set(history) - {"loss", "reconstruction"}
        )
        assert history["loss"][epoch] == pytest.approx(history["reconstruction"][epoch] + weighted, rel=1e-5)


def test_training_learns_the_layers():
    from sklearn.metrics import adjusted_rand_score

    params = small(max_epochs=60)
    model, history = fit(params)
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    slide = PROBLEM.slide(params)
    with torch.no_grad():
        labels = model.head(model.encode(slide.expression, slide.graph, slide.diffusion)).argmax(dim=1)
    assert adjusted_rand_score(PROBLEM.layer, labels) > 0.6


def test_evaluation_has_the_scale_of_the_unmasked_slide():
    params = small()
    model, _ = fit(params)
    slide = PROBLEM.slide(params)
    z = model.encode(slide.expression, slide.graph, slide.diffusion).detach()
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(6), atol=0.02, rtol=0)
    torch.testing.assert_close(z.std(dim=0), torch.ones(6), atol=0.05, rtol=0)


@pytest.mark.parametrize("patience", [3, 8])
def test_early_stopping_rule(patience):
    """It goes on while the mean over ten epochs improves by more than 0.1 %, and stops ``patience`` epochs after."""
    falling = list(np.linspace(5, 1, 40))
    flat = falling + [1.0] * 60
    stops = [n for n in range(1, len(flat) + 1) if loop._has_settled(flat[:n], patience)]
    # The mean over ten falls until the last of the falling values has left the window, 9 epochs after it came.
    assert stops[0] == 40 + 9 + patience
    assert not loop._has_settled(falling, patience)
    assert not loop._has_settled([1.0] * (patience + 19), patience)
    assert loop._has_settled([1.0] * (patience + 20), patience)
    slow = [1 - 0.002 * i / patience for i in range(80)]
    slower = [1 - 0.0005 * i / patience for i in range(80)]
    assert not loop._has_settled(slow, patience)
    assert loop._has_settled(slower, patience)


def test_training_stops_early():
    _, history = fit(small(max_epochs=200, patience=4, learning_rate=1e-7, mask_rate=0.0, edge_drop_rate=0.0))
    assert len(history["loss"]) == 24


@pytest.fixture(scope="module")
def unbroken():
    return content(fit(small()))


@pytest.mark.parametrize("stopped", [1, 4, 7])
def test_an_interrupted_run_ends_like_the_unbroken_one(tmp_path, monkeypatch, unbroken, stopped):
    path = tmp_path / "run.safetensors"
    with monkeypatch.context() as patch:
        stop_after(patch, stopped)
        with pytest.raises(KeyboardInterrupt):
            fit(small(), checkpoint=path, fingerprint="a")
    kept = len(load_checkpoint(path)[1]["history"]["loss"]) if path.exists() else 0
    assert stopped - kept < 2
    resumed = content(fit(small(), checkpoint=path, fingerprint="a"))
    assert resumed == unbroken
    with monkeypatch.context() as patch:  # the last checkpoint is complete: nothing is left to train
        stop_after(patch, 0)
        assert content(fit(small(), checkpoint=path, fingerprint="a")) == unbroken


def test_a_run_of_the_paper_is_resumed_too(tmp_path, monkeypatch):
    changes = {"prototype_noise": 0.1, "linear_output": False, "linear_embedding": False, "anchor": 0.0}
    params = small(**changes, weight_decay=0.01, n_heads=2, size_prior="equal")
    path = tmp_path / "run.safetensors"
    with monkeypatch.context() as patch:
        stop_after(patch, 5)
        with pytest.raises(KeyboardInterrupt):
            fit(params, checkpoint=path)
    assert content(fit(params, checkpoint=path)) == content(fit(params))


def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path):
    path = tmp_path / "run.safetensors"
    fit(small(), checkpoint=path, fingerprint="a")
    before = path.read_bytes()
    with pytest.raises(ModelError, match="another run"):
        fit(small(), checkpoint=path, fingerprint="b")
    assert path.read_bytes() == before


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    fit(small(), checkpoint=path, fingerprint="a")
    with pytest.raises(ModelError, match="does not fit this model"):
        fit(small(n_hidden=13), checkpoint=path, fingerprint="a")
    tensors, state = load_checkpoint(path)
    for broken in ({"objective.x": torch.ones(1)}, tensors | {"adam.0": torch.ones(1)}):
        save_checkpoint(path, broken, state)
        with pytest.raises(ModelError, match="does not fit this model"):
            fit(small(), checkpoint=path, fingerprint="a")


def test_a_loss_that_is_not_finite_stops_with_its_terms(monkeypatch):
    params = small()
    slide, targets = PROBLEM.slide(params), targets_of(params)
    slide.expression_norm[3] = torch.nan
    with pytest.raises(ModelError, match="stopped being finite") as caught:
        train(slide, targets, 3, params, seed=0, progress=False)
    assert "reconstruction" in str(caught.value)
    assert "learning_rate" in str(caught.value)


def test_progress_shows_the_losses(capsys):
    params = small(max_epochs=2)
    train(PROBLEM.slide(params), targets_of(params), 3, params, seed=0, progress=True)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "reconstruction" in shown
    fit(params)
    assert capsys.readouterr().err == ""


def test_new_models_depend_on_the_seed_alone():
    first, again, other = (new_model(30, 3, small(), seed=seed) for seed in (0, 0, 1))
    states = [model.state_dict() for model in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["encoder.query"], states[2]["encoder.query"])
    assert not torch.equal(states[0]["head.prototypes"], states[2]["head.prototypes"])


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_training_loses_at_most_one_interval(tmp_path, kills):
    """Kill the process at random moments; what is left resumes to the very bytes of the unbroken run."""
    path, chance = tmp_path / "run.safetensors", random.Random(kills)
    finished = 0
    for _ in range(kills):
        lines = killed_run(path, after=chance.randrange(2, 2 + EPOCHS // kills), wait=chance.random() * 0.02)
        if not lines:
            break
        finished = lines[-1] + 1
        kept = len(load_checkpoint(path)[1]["history"]["loss"]) if path.exists() else 0
        assert finished - kept <= INTERVAL
    assert finished
    assert content(run(path)) == content(run(None))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def killed_run(path, after, wait):
    """Epochs that a process finished before it was killed."""
    here = Path(__file__)
    command = [sys.executable, str(here.with_name("train_once.py")), str(path)]
    environment = os.environ | {"PYTHONPATH": str(here.parents[1]), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        lines = [int(line) for line, _ in zip(child.stdout, range(after), strict=False)]
        time.sleep(wait)
        child.send_signal(signal.SIGKILL)
        lines += [int(line) for line in child.stdout.read().split()]
    return lines
