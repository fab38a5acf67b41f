"""Structures, co-expression, bulk, domains: rows for the laws, and what the tests of malformed input need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from laws.row import Row

MARKERS = ["MARK-L1-1", "MARK-L1-2", "MARK-WM-1", "MARK-WM-2", "GENE1"]
BULK = pd.DataFrame(
    np.random.default_rng(0).gamma(1.0, 100.0, size=(24, 2)),
    index=[f"GENE{number}" for number in range(1, 25)],
    columns=["first", "second"],
)

ROWS: tuple[Row, ...] = (
    Row(
        "tl.distance_gradient",
        "trained",
        {"target": ("domain", "WM"), "groupby": "s3rl_domain", "min_spots": 5, "calibrate": 19},
        frozenset({"obs/distance_to_WM", "uns/distance_gradient"}),
        gives="measured",
    ),
    Row(
        "tl.distance_gradient",
        "trained",
        {"target": [[100.0, 100.0]], "signed": True, "key_added": "vessel"},
        frozenset({"obs/distance_to_vessel", "uns/vessel"}),
        case="points",
    ),
    Row("pl.gradient", "measured", {"genes": ["GENE1", "GRAD1"], "show": False}),
    Row(
        "tl.coexpression",
        "trained",
        {"genes": MARKERS, "calibrate": 19},
        frozenset({"uns/coexpression"}),
        gives="connected",
    ),
    Row("pl.coexpression", "connected", {"show": False}),
    Row(
        "tl.bulk_correlation",
        "trained",
        {"bulk": BULK, "sample_key": "domain"},
        frozenset({"uns/bulk_correlation"}),
        gives="compared",
    ),
    Row("pl.bulk_correlation", "compared", {"show": False}),
    Row(
        "tl.rank_domains",
        "trained",
        {"groupby": "domain", "calibrate": 19},
        frozenset({"uns/rank_domains"}),
        gives="ranked",
    ),
    Row(
        "tl.rank_domains",
        "trained",
        {"groupby": "domain", "layer": "s3rl", "calibrate": 19},
        frozenset({"uns/rank_domains_s3rl"}),
        case="denoised",
    ),
    Row("pl.volcano", "ranked", {"show": False}),
)
# functions that neither write slots nor draw, and the test that holds each to its own promises
EXCEPTIONS: dict[str, str] = {}
# arguments without which a function cannot be called
DEFAULTS: dict[str, dict[str, Any]] = {
    "tl.distance_gradient": {"target": ("domain", "WM")},
    "tl.coexpression": {"genes": ["GENE1", "GENE2"]},
    "tl.bulk_correlation": {"bulk": BULK},
    "tl.rank_domains": {"groupby": "domain"},
    "pl.gradient": {"genes": ["GENE1"]},
}
# the file, below tests, with what each function refuses
ELSEWHERE: dict[str, str] = {
    "tl.distance_gradient": "tl/test_distance_gradient.py",
    "tl.coexpression": "tl/test_coexpression.py",
    "tl.bulk_correlation": "tl/test_bulk_correlation.py",
    "tl.rank_domains": "tl/test_rank_domains.py",
    "pl.gradient": "pl/test_gradient.py",
    "pl.coexpression": "pl/test_coexpression.py",
    "pl.bulk_correlation": "pl/test_bulk_correlation.py",
    "pl.volcano": "pl/test_volcano.py",
}
# functions that do not take one table
OTHERS: dict[str, str] = {}
