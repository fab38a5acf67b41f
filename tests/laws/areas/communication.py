"""Ligands and receptors: rows for the laws, and what the tests of malformed input need."""

from __future__ import annotations

from typing import Any

import pandas as pd
from laws.row import Row

PAIRS = pd.DataFrame({"ligand": [f"LIG{i}" for i in range(1, 9)], "receptor": [f"REC{i}" for i in range(1, 9)]})
TEST = {"cluster_key": "domain", "resource": PAIRS, "n_perms": 60}
DENOISED = {**TEST, "layer": "s3rl", "calibrate": True}

ROWS: tuple[Row, ...] = (
    Row("tl.ligrec", "trained", {**TEST, "adjacent": True}, frozenset({"uns/ligrec"}), gives="interactions"),
    Row(
        "tl.ligrec",
        "interactions",
        DENOISED,
        frozenset({"uns/ligrec_s3rl"}),
        gives="interactions twice",
        case="denoised",
    ),
    Row("pl.ligrec_dots", "interactions", {"n_pairs": 4, "show": False}),
    Row("pl.ligrec_heatmap", "interactions", {"show": False}),
    Row("pl.chord", "interactions", {"use": "pvalue", "alpha": 0.5, "show": False}),
    Row("pl.ligrec_quadrants", "interactions twice", {"use": "pvalue", "show": False}),
    Row("pl.radar", "interactions twice", {"show": False}),
)
# functions that neither write slots nor draw, and the test that holds each to its own promises
EXCEPTIONS: dict[str, str] = {
    "tl.compare_ligrec": "takes two results: test_compare_ligrec.py::test_neither_table_is_changed",
}
# arguments without which a function cannot be called
DEFAULTS: dict[str, dict[str, Any]] = {"tl.ligrec": {"resource": PAIRS, "n_perms": 20}}
# the file, below tests, with what each function refuses
ELSEWHERE: dict[str, str] = {
    "tl.ligrec": "tl/test_ligrec_errors.py",
    "pl.ligrec_dots": "pl/test_ligrec_dots.py",
    "pl.ligrec_heatmap": "pl/test_ligrec_heatmap.py",
    "pl.chord": "pl/test_chord.py",
    "pl.ligrec_quadrants": "pl/test_ligrec_quadrants.py",
    "pl.radar": "pl/test_radar.py",
}
# functions that do not take one table
OTHERS: dict[str, str] = {"tl.compare_ligrec": "tl/test_compare_ligrec.py"}
