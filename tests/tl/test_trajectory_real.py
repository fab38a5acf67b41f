"""The layers of a human cortex, put in order from the white matter outwards."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import spearmanr

import s3rl as s3

pytestmark = pytest.mark.real
ORDER = ["WM", "L6", "L5", "L4", "L3", "L2", "L1"]
MARKERS = ["MBP", "PLP1", "MOBP", "SNAP25", "NRGN"]


@pytest.fixture(scope="module", params=["151673", "151674"])
def cortex(real_data, request):
    """Principal components diffused over the tissue in the place of a trained embedding."""
    import scanpy as sc
    import squidpy as sq

    adata = ad.read_h5ad(real_data / "dlpfc" / f"{request.param}.h5ad")
    s3.pp.normalize(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.pca(adata, n_comps=15, random_state=0)
        sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    near = adata.obsp["spatial_connectivities"].maximum(adata.obsp["spatial_connectivities"].T)
    system = sp.diags(np.asarray(near.sum(axis=1)).ravel() / 6 + 1) - near / 6
    adata.obsm["X_smooth"] = sp.linalg.spsolve(system.tocsc(), adata.obsm["X_pca"])
    return adata[:, adata.var["highly_variable"] | adata.var_names.isin(MARKERS)].copy()


def test_from_the_white_matter_to_the_surface(cortex):
    s3.tl.trajectory(cortex, root="WM", groupby="ground_truth", use_rep="X_smooth", fates=False)
    known = cortex.obs["ground_truth"].isin(ORDER)
    depth = cortex.obs.loc[known, "ground_truth"].astype(str).map(ORDER.index)
    assert spearmanr(cortex.obs.loc[known, "s3rl_pseudotime"], depth)[0] > 0.85
    record = cortex.uns["s3rl_trajectory"]
    assert "L1" in list(record["states"])
    drivers = record["results"].set_index("gene")["correlation"]
    assert drivers[["MBP", "PLP1", "MOBP"]].max() < -0.4
    assert drivers[["SNAP25", "NRGN"]].min() > 0.3
    places = [record["groups"]["group"].tolist().index(name) for name in ORDER]
    links = record["connectivities"].toarray()[np.ix_(places, places)]
    assert np.diag(links, 1).min() > np.triu(links, 2).max()
