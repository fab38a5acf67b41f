from __future__ import annotations

import contextlib

import pytest
import torch
from fit.problems import small, tissue

from s3rl.errors import ParameterError
from s3rl.fit import device
from s3rl.fit.device import resolve_device
from s3rl.fit.inputs import Slide, targets_of
from s3rl.fit.loop import train


@pytest.fixture
def machine(monkeypatch):
    def has(*, cuda=False, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(device, "_trains", lambda _: True)

    return has


@pytest.mark.parametrize(
    ("cuda", "mps", "wanted"),
    [(False, False, "cpu"), (True, False, "cuda"), (False, True, "mps"), (True, True, "cuda")],
)
def test_auto_takes_the_best_there_is(machine, cuda, mps, wanted):
    machine(cuda=cuda, mps=mps)
    assert resolve_device("auto").type == wanted
    assert resolve_device("cpu").type == "cpu"


@pytest.mark.parametrize(("n_spots", "inside"), [(100, 1), (20_000, 1), (20_001, 3)])
def test_threads_come_back(n_spots, inside):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seen = []
        with contextlib.suppress(ZeroDivisionError), device.threads_for(n_spots):
            seen.append(torch.get_num_threads())
            raise ZeroDivisionError
        assert seen == [inside]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_model_trains_on_the_cpu():
    assert device._trains(torch.device("cpu"))


def test_auto_passes_over_a_device_that_cannot_train(machine, monkeypatch):
    machine(cuda=True)
    monkeypatch.setattr(device, "_trains", lambda place: place.type == "cpu")
    assert resolve_device("auto").type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_missing_device_does_not_train():
    assert not device._trains(torch.device("cuda"))


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "meta"])
def test_a_device_that_is_not_there(machine, name):
    machine()
    with pytest.raises(ParameterError, match="device") as caught:
        resolve_device(name)
    assert name in str(caught.value)
    assert "cpu" in str(caught.value)


@pytest.mark.parametrize("name", ["gpu", "", None, "cpu:x"])
def test_a_name_that_means_nothing(machine, name):
    machine(cuda=True)
    with pytest.raises(ParameterError, match="names no device"):
        resolve_device(name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_trains_towards_what_the_cpu_does():
    problem, params, losses = tissue(), small(), []
    for place in map(torch.device, ("cpu", "cuda")):
        graphs = (problem.attraction, problem.repulsion, problem.spatial)
        slide = Slide.of(problem.x, problem.attraction, problem.spatial, params, place)
        targets = targets_of(problem.x, *graphs, 3, params, seed=0, device=place)
        losses.append(train(slide, targets, 3, params, problem.weights(), seed=0, progress=False)[1]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
