from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fit.tile_problems import stripes, train
from fit.train_together import SETTINGS

from s3rl.errors import ParameterError
from s3rl.fit.distributed import Team, computes, team_of

TESTS = Path(__file__).parents[1]


def test_alone_nothing_is_shared():
    with team_of("cpu") as team:
        assert (team.rank, team.size, team.device.type, team.leads) == (0, 1, "cpu", True)
        values = torch.ones(2, 3, requires_grad=True)
        assert team.gather(values) is values
        team.wait()
    assert not torch.distributed.is_initialized()


def test_a_device_that_is_not_there():
    with pytest.raises(ParameterError, match="device"), team_of("cuda:99"):
        pass
    assert computes(torch.device("cpu"))


def test_only_the_first_process_leads():
    assert not Team(1, 2, torch.device("cpu")).leads


def test_two_processes_learn_what_one_does(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*command, str(TESTS / "fit" / "train_together.py"), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    first, second = (np.load(tmp_path / f"rank{rank}.npz") for rank in (0, 1))
    alone, history = train(stripes()[0], backbone="test_vit", **SETTINGS)
    values = np.concatenate([value.numpy().ravel() for value in alone.state_dict().values()])
    assert int(first["size"]) == 2
    assert np.array_equal(first["values"], second["values"])
    np.testing.assert_allclose(first["loss"], history["loss"], rtol=1e-4)
    np.testing.assert_allclose(first["values"], values, atol=2e-3)
    start, _ = train(stripes()[0], backbone="test_vit", **SETTINGS | {"learning_rate": 1e-8})
    moved = np.concatenate([value.numpy().ravel() for value in start.state_dict().values()])
    assert np.abs(first["values"] - values).mean() < 0.02 * np.abs(moved - values).mean()
