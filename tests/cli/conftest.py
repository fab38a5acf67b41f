"""A small tissue as files, training cut short, and the command line called in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

N, G, LAYERS = 110, 80, 3
EPOCHS = 6
IMAGE_EPOCHS = 2


@pytest.fixture(autouse=True)
def _short(monkeypatch, tmp_path):
    """Few epochs and a checkpoint after each other one; every test in a folder of its own."""
    from s3rl.cli import _demo
    from s3rl.fit.params import S3RLParams
    from s3rl.fit.simclr_params import SimCLRParams
    from s3rl.tl._simclr import simclr

    defaults = S3RLParams.__init__.__kwdefaults__
    for name, value in {"max_epochs": EPOCHS, "n_mixtures": 2, "checkpoint_interval": 2}.items():
        monkeypatch.setitem(defaults, name, value)
    for name, value in {"epochs": IMAGE_EPOCHS, "min_steps": 1, "checkpoint_interval": 1}.items():
        monkeypatch.setitem(SimCLRParams.__init__.__kwdefaults__, name, value)
    monkeypatch.setitem(simclr.__kwdefaults__, "backbone", "test_resnet")
    for name, value in {"N_SPOTS": N, "N_GENES": G, "N_LAYERS": LAYERS, "IMAGE_EPOCHS": IMAGE_EPOCHS}.items():
        monkeypatch.setattr(_demo, name, value)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def sdata() -> Any:
    """Tissue with an image and columns that name slices."""
    import s3rl as s3

    sdata = s3.datasets.simulated_cortex(N, G, n_layers=LAYERS, rng=2)
    table = sdata.tables["table"]
    table.obs["half"] = ["a"] * (N // 2) + ["b"] * (N - N // 2)
    table.obs["lone"] = ["a"] * (N - 3) + ["b"] * 3
    return sdata


@pytest.fixture
def h5ad(sdata, tmp_path) -> Path:
    sdata.tables["table"].write_h5ad(tmp_path / "slice.h5ad")
    return tmp_path / "slice.h5ad"


@pytest.fixture
def store(sdata, tmp_path) -> Path:
    from s3rl._slots.store import write_results

    write_results(sdata, tmp_path / "slice.zarr")
    return tmp_path / "slice.zarr"


@pytest.fixture
def no_figures(monkeypatch):
    """Leave the pictures out where a test is about something else."""
    from s3rl.cli import _figures

    for name in ("draw_all", "draw_image"):
        monkeypatch.setattr(_figures, name, lambda *_, **__: [])


@pytest.fixture
def s3rl():
    """Call the command line: ``s3rl("run", path, "--n-domains", 3)``."""
    from s3rl.cli import main

    def call(*words: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words])

    return call


@pytest.fixture
def files_of():
    """Everything below a folder, byte for byte."""

    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read
