"""Tissue with planted genes for the tests of enrichment."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from s3rl.statistics.readout import readout

N, G = 150, 400
GENES = [f"GENE{i}" for i in range(G)]
PLANTED = {"a": GENES[:30], "b": GENES[30:60]}


def tissue(planted: bool = True, seed: int = 0) -> ad.AnnData:
    """Three groups side by side; 30 genes are higher in a and 30 in b, the rest has no pattern."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(["a", "b", "c"], N // 3)
    rate = np.tile(rng.gamma(2.0, 0.5, G), (N, 1))
    if planted:
        for name, genes in PLANTED.items():
            rate[np.ix_(labels == name, [GENES.index(gene) for gene in genes])] *= 2.5
    values = np.log1p(rng.poisson(rate)).astype(np.float32)
    table = ad.AnnData(
        sp.csr_matrix(values),
        obs=pd.DataFrame({"group": pd.Categorical(labels)}, index=[f"s{i}" for i in range(N)]),
        var=pd.DataFrame(index=GENES),
    )
    table.obsm["spatial"] = np.column_stack([np.arange(N) % 15, np.arange(N) // 15]).astype(float)
    return table


def random_sets(count: int, seed: int = 1, low: int = 12, high: int = 40) -> dict[str, list[str]]:
    """Sets of genes without a pattern."""
    rng = np.random.default_rng(seed)
    return {
        f"R{i}": [GENES[60 + k] for k in rng.choice(G - 60, rng.integers(low, high), replace=False)]
        for i in range(count)
    }


def planted_sets() -> dict[str, list[str]]:
    """Twenty of the planted genes each, with five others."""
    return {"A": [*PLANTED["a"][:20], *GENES[100:105]], "B": [*PLANTED["b"][:20], *GENES[105:110]]}


def with_denoised(table: ad.AnnData) -> ad.AnnData:
    """A layer that ridge regression on a smooth embedding has denoised."""
    xy = table.obsm["spatial"] / table.obsm["spatial"].max(axis=0)
    waves = [np.cos(np.pi * k * xy[:, axis]) for k in (1, 2, 3) for axis in (0, 1)]
    table.obsm["X_s3rl"] = np.column_stack(waves).astype(np.float32)
    smooth = readout(table.obsm["X_s3rl"]).smooth(table.X)
    table.layers["s3rl"] = np.maximum(smooth, 1e-6).astype(np.float32)
    return table
