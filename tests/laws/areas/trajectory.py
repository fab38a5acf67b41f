"""Trajectories and dynamics: rows for the laws, and what the tests of malformed input need."""

from __future__ import annotations

from typing import Any

from laws.row import Row

ROWS: tuple[Row, ...] = (
    Row(
        "tl.trajectory",
        "trained",
        {"root": "WM", "groupby": "domain", "calibrate": 19},
        frozenset({"obs/s3rl_pseudotime", "obsm/s3rl_fates", "uns/s3rl_trajectory"}),
        gives="followed",
    ),
    Row(
        "tl.trajectory",
        "trained",
        {"root": "L3", "groupby": "domain", "terminal": ["WM", "L1"], "layer": "s3rl", "key_added": "two"},
        frozenset({"obs/two_pseudotime", "obsm/two_fates", "uns/two_trajectory"}),
        case="fates",
    ),
    Row("pl.trajectory", "followed", {"show": False}),
    Row(
        "tl.dynamics",
        "followed",
        {"genes": ["MARK-WM-1", "GENE1"], "pairs": [("MARK-WM-1", "MARK-L1-1")], "calibrate": 19},
        frozenset({"uns/dynamics"}),
        gives="measured_along",
    ),
    Row(
        "tl.dynamics",
        "trained",
        {"genes": "GENE1", "time_key": "depth", "layers": (None,), "key_added": "by_depth"},
        frozenset({"uns/by_depth"}),
        case="depth",
    ),
    Row("pl.dynamics", "measured_along", {"show": False}),
)
# functions that neither write slots nor draw, and the test that holds each to its own promises
EXCEPTIONS: dict[str, str] = {}
# arguments without which a function cannot be called
DEFAULTS: dict[str, dict[str, Any]] = {
    "tl.trajectory": {"root": "WM", "groupby": "domain"},
    "tl.dynamics": {"genes": ["GENE1"], "time_key": "depth"},
}
# the file, below tests, with what each function refuses
ELSEWHERE: dict[str, str] = {
    "tl.trajectory": "tl/test_trajectory.py",
    "tl.dynamics": "tl/test_dynamics.py",
    "pl.trajectory": "pl/test_trajectory.py",
    "pl.dynamics": "pl/test_dynamics.py",
}
# functions that do not take one table
OTHERS: dict[str, str] = {}
