"""Planted trajectories: an embedding that forks, and layers of a simulated cortex."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import s3rl as s3
from s3rl.statistics.readout import readout

ALONE = {"spatial_weight": 0.0}


def fork(n: int = 300, seed: int = 0) -> ad.AnnData:
    """A stem that splits in two. G0 rises with time, G1 falls, G2 is of ``left``, G3 of ``right``, others are noise."""
    rng = np.random.default_rng(seed)
    branch = np.repeat([0, 1, 2], n // 3)
    time = np.where(branch == 0, rng.uniform(0, 1, n), rng.uniform(1, 2, n))
    past, turn = np.maximum(time - 1, 0), np.deg2rad([0, 50, -50])[branch]
    plane = np.stack([np.minimum(time, 1) + past * np.cos(turn), past * np.sin(turn)], axis=1)
    names = np.where(branch == 0, np.where(time < 0.5, "stem", "middle"), np.array(["", "left", "right"])[branch])
    signal = np.stack([time, -time, (branch == 1) * past, (branch == 2) * past], axis=1)
    signal = np.hstack([signal, rng.normal(size=(n, 26))])
    rates = np.exp(0.8 + 0.8 * (signal - signal.mean(axis=0)) / signal.std(axis=0))
    adata = ad.AnnData(
        sp.csr_matrix(np.log1p(rng.poisson(rates)).astype(np.float32)),
        obs=pd.DataFrame({"group": pd.Categorical(names), "time": time}, index=[f"s{number}" for number in range(n)]),
        var=pd.DataFrame(index=[f"G{number}" for number in range(30)]),
    )
    adata.obsm["X_s3rl"] = np.hstack([10 * plane, np.zeros((n, 6))]) + rng.normal(0, 0.25, (n, 8))
    adata.obsm["spatial"] = rng.uniform(0, 10, (n, 2))
    return adata


def line(n: int) -> ad.AnnData:
    """Spots along a line; two groups, ``early`` and ``late``."""
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, n)
    values = np.stack([100 * time, np.zeros(n), np.zeros(n)], axis=1) + rng.normal(0, 0.3, (n, 3))
    adata = ad.AnnData(
        sp.csr_matrix(np.log1p(rng.poisson(2, (n, 8))).astype(np.float32)),
        obs=pd.DataFrame(
            {"group": pd.Categorical(np.where(time < 0.5, "early", "late")), "time": time},
            index=[f"s{number}" for number in range(n)],
        ),
    )
    adata.obsm["X_s3rl"] = values
    return adata


def cortex(seed: int = 1) -> ad.AnnData:
    """A normalised simulated cortex with components as its embedding, denoised by ridge regression on them."""
    import scanpy as sc
    import squidpy as sq

    sdata = s3.datasets.simulated_cortex(n_spots=400, n_genes=150, n_layers=4, image=False, rng=seed)
    adata = sdata.tables["table"]
    s3.pp.normalize(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.pca(adata, n_comps=8, random_state=0)
        sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    near = adata.obsp["spatial_connectivities"]
    mean = sp.diags(1 / np.asarray(near.sum(axis=1)).ravel()) @ near
    adata.obsm["X_s3rl"] = (adata.obsm["X_pca"] + 2 * (mean @ adata.obsm["X_pca"])).astype(np.float32)
    smoothed = readout(adata.obsm["X_s3rl"]).smooth(adata.X)
    adata.layers["s3rl"] = np.maximum(smoothed, 0).astype(np.float32)
    return adata
