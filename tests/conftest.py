"""Fixtures that every room shares."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Two threads on a loaded machine are slower than one; set for each test, since libraries set it anew on import."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_figure_left() -> Iterator[None]:
    """A figure that a test leaves open must not reach the next one."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data: ``S3RL_DATA``, or ``../shared/data`` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("S3RL_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no real data: set S3RL_DATA or put shared/data beside the checkout")
    return folder
