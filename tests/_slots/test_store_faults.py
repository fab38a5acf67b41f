"""Full and read-only disks and killed processes: the input and the previous results stay whole."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from _slots.store_samples import digest_of, make_spatialdata, make_table
from fit.disk_faults import leftovers, needs_fork

from s3rl._slots.read import read_input
from s3rl._slots.store import verify_store, write_results
from s3rl.errors import StoreError
from s3rl.fit import atomic

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("name", ["out.h5ad", "out.zarr"])
@pytest.mark.parametrize("when", ["open", "write", "replace"])
def test_a_full_or_read_only_disk_keeps_the_previous_results(tmp_path, monkeypatch, name, code, when):
    import h5py
    from zarr.storage import LocalStore

    write_results(make_table(), tmp_path / name)
    before = digest_of(tmp_path)

    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    async def fail_later(*args, **kwargs):
        fail()

    if when == "replace":
        monkeypatch.setattr(
            os if name.endswith("h5ad") else atomic, "replace" if name.endswith("h5ad") else "_flush", fail
        )
    elif name.endswith("zarr"):
        monkeypatch.setattr(LocalStore, "_open" if when == "open" else "set", fail_later)
    else:
        monkeypatch.setattr(*((h5py.File, "__init__") if when == "open" else (h5py.Group, "create_dataset")), fail)
    with pytest.raises(StoreError, match="nothing was overwritten") as caught:
        write_results(make_table(), tmp_path / name, overwrite=True)
    monkeypatch.undo()
    assert caught.value.key == str(tmp_path / name)
    assert ("another disk" if code == errno.ENOSPC else "may write to") in caught.value.fix
    assert digest_of(tmp_path) == before
    verify_store(tmp_path / name)


def run_killer(folder, name, kills, **options):
    script, tests = Path(__file__).with_name("kill_writer.py"), Path(__file__).parents[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tests)}
    return subprocess.Popen(
        [sys.executable, str(script), str(folder), name, str(kills)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


@needs_fork
@pytest.mark.parametrize(
    ("name", "kills"),
    [
        ("out.h5ad", 4),
        ("spatial.zarr", 1),
        pytest.param("out.zarr", 20, marks=pytest.mark.slow),
        pytest.param("spatial.zarr", 20, marks=pytest.mark.slow),
    ],
)
def test_a_kill_leaves_the_input_and_whole_results(tmp_path, name, kills):
    with run_killer(tmp_path, name, kills) as program:
        out, _ = program.communicate()
    assert program.returncode == 0
    assert out.split() == ["new", "old", "1", "0"]


@pytest.mark.parametrize(
    ("name", "kills"),
    [("out.h5ad", 1), *(pytest.param(n, 12, marks=pytest.mark.slow) for n in ("out.h5ad", "out.zarr", "spatial.zarr"))],
)
def test_random_kills_leave_the_input_and_whole_results(tmp_path, name, kills):
    delays, before = random.Random(0), None
    for _ in range(kills):
        with run_killer(tmp_path, name, "loop") as program:
            assert program.stdout.readline() == "ready\n"
            time.sleep(delays.uniform(0, 0.5))
            program.send_signal(signal.SIGKILL)
        source = tmp_path / f"input{Path(name).suffix}"
        before = before or digest_of(source)
        assert digest_of(source) == before
        verify_store(source)
        verify_store(tmp_path / name)
    data = read_input(tmp_path / name)
    write_results(data if name != "spatial.zarr" else make_spatialdata(), tmp_path / name, overwrite=True)
    assert leftovers(tmp_path) == []
