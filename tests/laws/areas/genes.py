"""Variable genes and metagenes: rows for the laws, and what the tests of malformed input need."""

from __future__ import annotations

from typing import Any

from laws.row import Row

ROWS: tuple[Row, ...] = (
    Row(
        "tl.spatially_variable_genes",
        "trained",
        {"n_perms": 9},
        frozenset({"uns/spatially_variable_genes"}),
        gives="tested",
        case="overall",
    ),
    Row(
        "tl.spatially_variable_genes",
        "trained",
        {"groupby": "domain", "mode": "geary", "layer": "s3rl", "calibrate": True, "n_perms": 19},
        frozenset({"uns/spatially_variable_genes_domain_s3rl"}),
        gives="tested within",
        case="within",
    ),
    Row(
        "tl.metagenes",
        "tested",
        {"n": 2},
        frozenset({"obsm/metagenes", "uns/metagenes"}),
        gives="metagenes",
    ),
    Row("pl.spatially_variable_genes", "tested", {"show": False}, case="overall"),
    Row(
        "pl.spatially_variable_genes",
        "tested within",
        {"key": "spatially_variable_genes_domain_s3rl", "show": False},
        case="within",
    ),
    Row("pl.metagenes", "metagenes", {"show": False}),
)
# functions that neither write slots nor draw, and the test that holds each to its own promises
EXCEPTIONS: dict[str, str] = {}
# arguments without which a function cannot be called
DEFAULTS: dict[str, dict[str, Any]] = {}
# the file, below tests, with what each function refuses
ELSEWHERE: dict[str, str] = {
    "tl.spatially_variable_genes": "tl/test_spatially_variable_genes_errors.py",
    "tl.metagenes": "tl/test_metagenes.py",
    "pl.spatially_variable_genes": "pl/test_spatially_variable_genes.py",
    "pl.metagenes": "pl/test_metagenes.py",
}
# functions that do not take one table
OTHERS: dict[str, str] = {}
