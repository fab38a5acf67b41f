"""Gene sets, factors and motifs: rows for the laws, and what the tests of malformed input need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from laws.row import Row

SETS = {
    "first": [f"GENE{i}" for i in range(20)],
    "last": [f"GENE{i}" for i in range(40, 60)],
    "a/b": ["GENE1", "GENE9"],
}
FEW = {"n_perms": 20, "n_random_sets": 100, "min_size": 5}
NETWORK = pd.DataFrame(
    {
        "source": ["GENE3"] * 8 + ["TF/2"] * 9,
        "target": [f"GENE{i}" for i in [*range(8), *range(20, 29)]],
        "weight": np.linspace(-1, 2, 17),
    }
)
FAMILIES = {"GENE3": "zinc/finger", "TF/2": "bHLH"}
SEQUENCES = {f"GENE{i}": "ACGTTGACTCATGG" * 3 for i in range(20)}
MOTIFS = {"AP1/x": np.eye(4)[[3, 2, 0, 1, 3, 1, 0, 3]] * 10}

ROWS: tuple[Row, ...] = (
    Row("tl.enrich", "trained", {"gene_sets": SETS, "params": FEW}, frozenset({"uns/enrich_ora"}), gives="ora"),
    Row(
        "tl.enrich",
        "trained",
        {"gene_sets": SETS, "method": "gsea", "layer": "s3rl", "calibrate": True, "params": FEW},
        frozenset({"uns/enrich_gsea_s3rl"}),
        gives="gsea",
        case="gsea",
    ),
    Row(
        "tl.enrich",
        "trained",
        {"gene_sets": SETS, "method": "ora", "layer": "s3rl", "calibrate": True, "params": FEW},
        frozenset({"uns/enrich_ora_s3rl"}),
        case="denoised",
    ),
    Row(
        "tl.enrich",
        "trained",
        {"gene_sets": SETS, "method": "ssgsea", "params": {"min_size": 2}},
        frozenset({"uns/enrich_ssgsea", "obsm/enrich_ssgsea"}),
        gives="ssgsea",
        case="ssgsea",
    ),
    Row(
        "tl.enrich",
        "trained",
        {"gene_sets": SETS, "method": "gsva", "groupby": "domain", "params": FEW},
        frozenset({"uns/enrich_gsva"}),
        case="gsva",
    ),
    Row(
        "tl.tf_enrichment",
        "trained",
        {"network": NETWORK, "families": FAMILIES, "metagenes_key": "X_s3rl", "layer": "s3rl", "calibrate": True}
        | {"params": {"n_perms": 20}},
        frozenset({"uns/tf_enrichment_s3rl", "obsm/tf_enrichment_s3rl"}),
        gives="factors",
    ),
    Row(
        "tl.motif_scan",
        "trained",
        {"motifs": MOTIFS, "sequences": SEQUENCES, "genes": ["GENE1", "GENE2"], "max_pvalue": 1e-3},
        frozenset({"uns/motif_scan"}),
        gives="scanned",
    ),
    Row("pl.enrich", "ora", {"show": False}),
    Row("pl.enrich", "gsea", {"key": "enrich_gsea_s3rl", "kind": "curve", "show": False}, case="curve"),
    Row("pl.enrich", "ssgsea", {"key": "enrich_ssgsea", "show": False}, case="map"),
    *(
        Row("pl.tf_enrichment", "factors", {"key": "tf_enrichment_s3rl", "kind": kind, "show": False}, case=kind)
        for kind in ("factors", "families", "correlation")
    ),
    Row("pl.motif_scan", "scanned", {"show": False}),
)
# functions that neither write slots nor draw, and the test that holds each to its own promises
EXCEPTIONS: dict[str, str] = {}
# arguments without which a function cannot be called
DEFAULTS: dict[str, dict[str, Any]] = {
    "tl.enrich": {"gene_sets": SETS},
    "tl.tf_enrichment": {"network": NETWORK},
    "tl.motif_scan": {"motifs": MOTIFS, "sequences": SEQUENCES},
}
# the file, below tests, with what each function refuses
ELSEWHERE: dict[str, str] = {
    "tl.enrich": "tl/test_enrich_errors.py",
    "tl.tf_enrichment": "tl/test_tf_enrichment.py",
    "tl.motif_scan": "tl/test_motif_scan.py",
    "pl.enrich": "pl/test_enrich.py",
    "pl.tf_enrichment": "pl/test_enrich.py",
    "pl.motif_scan": "pl/test_enrich.py",
}
# functions that do not take one table
OTHERS: dict[str, str] = {}
