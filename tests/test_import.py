"""Importing the package is cheap, and brings in nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import time

HEAVY = {
    "albumentations",
    "anndata",
    "cellrank",
    "dask",
    "matplotlib",
    "pandas",
    "scanpy",
    "sklearn",
    "spatialdata",
    "squidpy",
    "timm",
    "torch",
    "torch_geometric",
    "xarray",
    "zarr",
}


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def best_of_five(code: str) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        run(code)
        times.append(time.perf_counter() - start)
    return min(times)


def test_import_takes_under_half_a_second_more_than_python_itself():
    assert best_of_five("import s3rl") - best_of_five("pass") < 0.5


def test_import_and_looking_around_bring_in_nothing_heavy():
    code = "import sys, s3rl; s3rl.pp, s3rl.tl, s3rl.pl, s3rl.datasets, s3rl.transforms, s3rl.errors; dir(s3rl.tl)"
    loaded = set(run(f"{code}; print(*sys.modules)").split())
    assert "s3rl.pp" in loaded
    assert loaded & HEAVY == set()
