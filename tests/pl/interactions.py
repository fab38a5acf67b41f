"""A table whose interactions are known, for the tests of their plots."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd

NAMES = ["b", "a", "c"]
COLORS = ["#112233", "#445566", "#778899"]


def frame(pvalues):
    """Every pair of three clusters with ``pvalues[source, target, pair]``, two pairs X-R and Y-R; nan has no row."""
    rows = [
        (NAMES[s], NAMES[t], "XY"[pair], "R", 1.0 + s + t + pair, value)
        for (s, t, pair), value in np.ndenumerate(np.asarray(pvalues, dtype=float))
        if not np.isnan(value)
    ]
    found = pd.DataFrame(rows, columns=["source", "target", "ligand", "receptor", "mean", "pvalue"])
    for side in ("source", "target"):
        found[side] = pd.Categorical(found[side], NAMES)
    found["fdr"] = np.minimum(2 * found["pvalue"], 1.0)
    return found.set_index(found.index.astype(str))


def table(**entries):
    """Nine spots in three coloured clusters, and a result for each name with its p-values."""
    obs = pd.DataFrame({"group": pd.Categorical(np.repeat(NAMES, 3), NAMES)}, index=[f"spot{i}" for i in range(9)])
    found = ad.AnnData(np.ones((9, 2), np.float32), obs=obs, var=pd.DataFrame(index=["X", "R"]))
    found.uns["group_colors"] = COLORS
    for name, pvalues in entries.items():
        found.uns[name] = {"results": frame(pvalues), "params": {"cluster_key": "group"}}
    return found


def some(seed=0):
    """P-values (3, 3, 2), some of them small."""
    return np.random.default_rng(seed).choice([0.001, 0.01, 0.2, 0.9], (3, 3, 2))
