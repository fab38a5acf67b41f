"""The report about the denoised layer: rows for the laws, and what the tests of malformed input need."""

from __future__ import annotations

from typing import Any

from laws.row import Row

QUICK = {"max_epochs": 4, "n_mixtures": 2}

ROWS: tuple[Row, ...] = (
    Row(
        "tl.denoising_report",
        "trained",
        {"groupby": "domain", "params": QUICK, "progress": False, "device": "cpu"},
        frozenset({"uns/denoising_report"}),
        gives="reported",
    ),
    Row("pl.denoising_report", "reported", {"show": False}),
)
# functions that neither write slots nor draw, and the test that holds each to its own promises
EXCEPTIONS: dict[str, str] = {}
# arguments without which a function cannot be called
DEFAULTS: dict[str, dict[str, Any]] = {
    "tl.denoising_report": {"n_domains": 3, "params": QUICK, "progress": False},
}
# the file, below tests, with what each function refuses
ELSEWHERE: dict[str, str] = {
    "tl.denoising_report": "tl/test_denoising_report.py",
    "pl.denoising_report": "pl/test_denoising_report.py",
}
# functions that do not take one table
OTHERS: dict[str, str] = {}
