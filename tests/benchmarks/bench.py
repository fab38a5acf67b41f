"""The benchmark of domains, which is beside the package and not in it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ("tissues", "data", "scores", "floors", "methods", "rows", "run", "summary", "report", "figure")
LOOK = {"n_domains": 3, "n_found": 3, "nmi": 0.5, "chaos": 0.1, "pas": 0.0, "seconds": 1.0, "peak_mb": 100.0}


def modules() -> dict[str, ModuleType]:
    """Its pieces by name and ``domains``, the script; the calling module is skipped where they are not there."""
    if not (FOLDER / "domains.py").is_file():
        pytest.skip("no benchmarks beside the tests", allow_module_level=True)
    sys.path.insert(0, str(FOLDER))
    try:
        pieces = {name: importlib.import_module(f"_domains.{name}") for name in NAMES}
        return pieces | {"domains": importlib.import_module("domains")}
    finally:
        sys.path.remove(str(FOLDER))


def row(dataset="BZ5", method="s3rl", seed=0, ari=0.5, protocol="kept"):
    key = {"dataset": dataset, "protocol": protocol, "method": method, "seed": seed}
    return key | LOOK | {"ari": ari, "version": "1", "command": "python"}


def table(*lines):
    return pd.DataFrame([row(*line) for line in lines])
