"""Fixtures that every room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Two threads on a loaded machine are slower than one, and results must not depend on their number."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data: ``S3RL_DATA``, or ``../shared/data`` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("S3RL_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no real data: set S3RL_DATA or put shared/data beside the checkout")
    return folder
