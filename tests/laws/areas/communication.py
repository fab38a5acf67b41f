"""Ligands and receptors: rows for the laws, and what the tests of malformed input need."""

from __future__ import annotations

from typing import Any

from laws.row import Row

ROWS: tuple[Row, ...] = ()
# functions that neither write slots nor draw, and the test that holds each to its own promises
EXCEPTIONS: dict[str, str] = {}
# arguments without which a function cannot be called
DEFAULTS: dict[str, dict[str, Any]] = {}
# the file, below tests, with what each function refuses
ELSEWHERE: dict[str, str] = {}
# functions that do not take one table
OTHERS: dict[str, str] = {}
