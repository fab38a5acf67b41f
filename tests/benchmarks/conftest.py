"""A benchmark's command limits threads and silences loggers of its process, which here is that of all tests."""

from __future__ import annotations

import logging
import os

import pytest

LOGGERS = ("s3rl", "squidpy", "scanpy", "spatialdata", "spatialdata._logging")


@pytest.fixture(autouse=True)
def _process_as_it_was():
    environment = dict(os.environ)
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    yield
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
