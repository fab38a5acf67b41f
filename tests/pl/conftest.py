"""A table with results made by hand, so that every artist has a known place and colour."""

from __future__ import annotations

from collections.abc import Iterator

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

SIDE = 10
GENES = ["flat", "steps", "single"]


@pytest.fixture(autouse=True)
def _no_window() -> Iterator[None]:
    plt.switch_backend("Agg")
    assert not plt.get_fignums()
    yield
    plt.close("all")


@pytest.fixture
def grid() -> ad.AnnData:
    """100 spots on a square lattice of spacing 50, twice as wide as high; domains are columns of the lattice."""
    rng = np.random.default_rng(0)
    column, row = np.meshgrid(np.arange(2 * SIDE), np.arange(SIDE // 2))
    column, row = column.ravel(), row.ravel()
    n = column.size
    codes = np.minimum(column // 7, 2)
    counts = np.stack([np.ones(n), codes + 1.0, np.arange(n) == 3], axis=1).astype(np.float32)
    adata = ad.AnnData(sp.csr_matrix(counts), var=pd.DataFrame(index=GENES))
    adata.obs_names = [f"spot{i}" for i in range(n)]
    adata.obsm["spatial"] = np.column_stack([50.0 * column + 1000, 50.0 * row + 300])
    adata.obs["s3rl_domain"] = pd.Categorical(codes.astype(str))
    adata.uns["s3rl_domain_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    truth = np.array(["a", "b", "c"], dtype=object)[codes]
    truth[::10] = None
    adata.obs["truth"] = pd.Categorical(truth)
    adata.obs["half"] = pd.Categorical(np.where(column < SIDE, "left", "right"))
    prototypes = np.eye(3, 4)
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    adata.obsm["X_s3rl"] = (rng.uniform(1, 9, size=(n, 1)) * (prototypes @ rotation.T)[codes]).astype(np.float32)
    adata.layers["s3rl"] = (0.5 * counts).astype(np.float32)
    adata.uns["s3rl"] = {
        "prototypes": prototypes.astype(np.float32),
        "rotation": rotation.astype(np.float32),
        "history": {"epoch": np.arange(5), "topology": np.full(5, 0.5), "loss": np.array([90.0, 30, 9, 3, 1])},
    }
    near = (np.abs(column[:, None] - column) + np.abs(row[:, None] - row)) == 1
    adata.obsp["spatial_connectivities"] = sp.csr_matrix(near.astype(np.float32))
    attraction = near.astype(np.float32)
    attraction[0, 99] = attraction[99, 0] = attraction[0, 50] = attraction[50, 0] = 1
    repulsion = np.zeros((n, n), dtype=np.float32)
    repulsion[5, 60:70] = repulsion[60:70, 5] = 1
    adata.obsp["s3rl_connectivities"], adata.obsp["s3rl_repulsions"] = map(sp.csr_matrix, (attraction, repulsion))
    adata.uns["s3rl_neighbors"] = {
        "connectivities_key": "s3rl_connectivities",
        "repulsions_key": "s3rl_repulsions",
        "params": {"connectivity_key": "spatial"},
    }
    return adata
