"""Deconvolution: rows for the laws, and what the tests of malformed input need."""

from __future__ import annotations

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from laws.row import Row


def cells_of_all_genes() -> ad.AnnData:
    """Forty cells of two types with counts of every gene that the small tissues of the tests can have."""
    import s3rl as s3

    names: list[str] = []
    for n_genes, n_layers in ((80, 4), (60, 3)):
        table = s3.datasets.simulated_cortex(60, n_genes, n_layers=n_layers, image=False).tables["table"]
        names.extend(name for name in table.var_names if name not in names)
    rng = np.random.default_rng(0)
    profiles = rng.lognormal(0, 1, (2, len(names)))
    codes = np.repeat([0, 1], 20)
    cells = ad.AnnData(
        sp.csr_matrix(rng.poisson(3 * profiles[codes]).astype(np.float32)), var=pd.DataFrame(index=names)
    )
    cells.obs_names = [f"cell{i}" for i in range(40)]
    cells.obs["cell_type"] = pd.Categorical(np.array(["NK cell", "T/NK"])[codes])
    return cells


CELLS = cells_of_all_genes()
GIVEN: dict[str, Any] = {"reference": CELLS, "cell_type_key": "cell_type", "progress": False, "device": "cpu"}

ROWS: tuple[Row, ...] = (
    Row(
        "tl.deconvolve",
        "trained",
        GIVEN | {"mapping": True, "params": {"n_steps": 5}},
        frozenset({"obsm/proportions", "obsm/proportions_mapping", "uns/proportions"}),
        gives="mixed",
        case="contrastive",
    ),
    Row(
        "tl.deconvolve",
        "trained",
        GIVEN | {"method": "car", "layer": "s3rl", "key_added": "car"},
        frozenset({"obsm/car", "uns/car"}),
        case="car",
    ),
    Row("pl.proportions", "mixed", {"show": False}, case="maps"),
    Row("pl.proportions", "mixed", {"kind": "pies", "show": False}, case="pies"),
)
# functions that neither write slots nor draw, and the test that holds each to its own promises
EXCEPTIONS: dict[str, str] = {}
# arguments without which a function cannot be called
DEFAULTS: dict[str, dict[str, Any]] = {"tl.deconvolve": GIVEN}
# the file, below tests, with what each function refuses
ELSEWHERE: dict[str, str] = {
    "tl.deconvolve": "tl/test_deconvolve_errors.py",
    "pl.proportions": "pl/test_proportions.py",
}
# functions that do not take one table
OTHERS: dict[str, str] = {}
