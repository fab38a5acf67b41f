"""scanpy, squidpy and cellrank run on the slots of the signed graph."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

import s3rl as s3

KEY = "s3rl_neighbors"


@pytest.fixture(scope="module")
def prepared():
    import squidpy as sq

    adata = s3.datasets.simulated_cortex(n_spots=300, n_genes=120, n_layers=4, image=False, rng=1).tables["table"]
    s3.pp.normalize(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    return adata


@pytest.fixture
def table(prepared):
    return prepared.copy()


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_graph_follows_the_layers(table):
    domain = table.obs["domain"].cat.codes.to_numpy()
    chance = (domain[:, None] == domain).mean()
    share = {}
    for slot in ("s3rl_connectivities", "s3rl_repulsions"):
        edges = table.obsp[slot].tocoo()
        share[slot] = (domain[edges.row] == domain[edges.col]).mean()
    assert share["s3rl_connectivities"] > 2 * chance
    assert share["s3rl_repulsions"] < chance


def test_scanpy_clusters(table):
    import scanpy as sc

    sc.tl.leiden(table, neighbors_key=KEY, flavor="igraph", n_iterations=2, directed=False)
    assert table.obs["leiden"].nunique() > 1
    sc.tl.paga(table, groups="leiden", neighbors_key=KEY)
    assert "connectivities" in table.uns["paga"]


@pytest.mark.slow
def test_scanpy_embeds(table):
    import scanpy as sc

    sc.tl.umap(table, neighbors_key=KEY, maxiter=20)
    assert np.isfinite(table.obsm["X_umap"]).all()


def test_scanpy_orders_along_the_depth(table):
    import scanpy as sc

    sc.tl.diffmap(table, neighbors_key=KEY)
    table.uns["iroot"] = int(table.obs["depth"].argmin())
    sc.tl.dpt(table, neighbors_key=KEY)
    order = table.obs[["depth", "dpt_pseudotime"]].corr("spearman").iloc[0, 1]
    assert order > 0.5


def test_squidpy_counts_neighbours_and_not_repulsions(table):
    import squidpy as sq

    sq.gr.nhood_enrichment(table, "domain", connectivity_key="s3rl", show_progress_bar=False, seed=0)
    scores = table.uns["domain_nhood_enrichment"]["zscore"]
    assert (np.diag(scores) > 5).all()
    assert scores[0, -1] < 0
    counted = table.uns["domain_nhood_enrichment"]["count"]
    assert counted.sum() == table.obsp["s3rl_connectivities"].nnz


@pytest.mark.slow
def test_squidpy_finds_genes_that_follow_the_graph(table):
    import squidpy as sq

    sq.gr.spatial_autocorr(
        table, connectivity_key="s3rl_connectivities", mode="moran", n_perms=None, show_progress_bar=False
    )
    by_kind = table.uns["moranI"]["I"].groupby(table.var["kind"], observed=True).mean()
    assert by_kind["marker"] > 1.5 * by_kind["null"]


def test_cellrank_makes_a_transition_matrix(table):
    cellrank = pytest.importorskip("cellrank")
    kernel = cellrank.kernels.ConnectivityKernel(table, conn_key="s3rl_connectivities").compute_transition_matrix()
    rows = kernel.transition_matrix
    assert sp.issparse(rows)
    np.testing.assert_allclose(np.asarray(rows.sum(axis=1)).ravel(), 1, rtol=1e-5)
