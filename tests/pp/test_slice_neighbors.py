from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import squidpy as sq

import s3rl as s3
from s3rl.errors import CoordinatesError, GraphError, LabelsError, MissingKeyError, ParameterError


@pytest.fixture(scope="module")
def source():
    table = s3.datasets.simulated_cortex(60, 60, n_slices=3, image=False, rng=2).tables["table"]
    s3.pp.normalize(table, library_key="slice")
    return table


@pytest.fixture
def adata(source):
    return source.copy()


def test_within_a_slice_it_is_squidpys_graph(adata):
    s3.pp.slice_neighbors(adata, "slice", spatial_key="spatial", n_neighs=5)
    graph = adata.obsp["spatial_connectivities"].toarray() > 0
    distances = adata.obsp["spatial_distances"].toarray()
    sq.gr.spatial_neighbors_knn(adata, n_neighs=5, library_key="slice", key_added="alone")
    alone = adata.obsp["alone_connectivities"].toarray() > 0
    alone |= alone.T
    same = adata.obs["slice"].to_numpy()[:, None] == adata.obs["slice"].to_numpy()[None]
    assert np.array_equal(graph & same, alone)
    lengths = np.linalg.norm(adata.obsm["spatial"][:, None] - adata.obsm["spatial"][None], axis=2)
    np.testing.assert_allclose(distances[graph], lengths[graph], rtol=1e-4, atol=1e-3)
    assert np.array_equal(graph, graph.T)


def test_only_slices_that_lie_on_each_other_are_joined(adata):
    s3.pp.slice_neighbors(adata, "slice", spatial_key="spatial", order=["slice2", "slice1", "slice3"])
    rows, columns = adata.obsp["spatial_connectivities"].nonzero()
    names = adata.obs["slice"].astype(str).to_numpy()
    pairs = {(a, b) for a, b in zip(names[rows], names[columns], strict=True) if a != b}
    assert pairs == {("slice1", "slice2"), ("slice2", "slice1"), ("slice1", "slice3"), ("slice3", "slice1")}
    assert adata.uns["spatial_neighbors"]["params"]["across"] > 0


def test_the_order_of_the_alignment_is_taken(adata):
    adata.obsm["spatial_aligned"] = adata.obsm["spatial"]
    adata.uns["spatial_aligned"] = {"order": np.array(["slice3", "slice1", "slice2"])}
    s3.pp.slice_neighbors(adata, "slice")
    assert adata.uns["spatial_neighbors"]["params"]["order"] == ["slice3", "slice1", "slice2"]


def test_the_model_takes_what_joins_slices_and_nothing_else(adata):
    s3.pp.slice_neighbors(adata, "slice", spatial_key="spatial")
    s3.pp.signed_neighbors(adata, library_key="slice")
    s3.tl.s3rl(adata, 3, library_key="slice", params={"max_epochs": 3}, progress=False)
    assert adata.obs["s3rl_domain"].notna().all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.nhood_enrichment(adata, "s3rl_domain", show_progress_bar=False, n_perms=10)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    adata.obsp["spatial_connectivities"][0, 100] = 1
    with pytest.raises(GraphError, match="slice_neighbors"):
        s3.pp.signed_neighbors(adata, library_key="slice")


def test_results_survive_a_file(adata, tmp_path):
    s3.pp.slice_neighbors(adata, "slice", spatial_key="spatial")
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    s3.pp.signed_neighbors(again, library_key="slice")
    assert again.uns["s3rl_neighbors"]["edges"]["spatial"] == adata.obsp["spatial_connectivities"].nnz // 2


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"library_key": "donor_", "spatial_key": "spatial"}, MissingKeyError, "donor_"),
        ({"library_key": "one", "spatial_key": "spatial"}, LabelsError, "only one slice"),
        ({}, MissingKeyError, "spatial_aligned"),
        ({"spatial_key": "broken"}, CoordinatesError, "finite"),
        ({"spatial_key": "spatial", "n_neighs": 60}, ParameterError, "n_neighs=59"),
        ({"spatial_key": "spatial", "n_across": 0}, ParameterError, "n_across"),
        ({"spatial_key": "spatial", "gap": -1}, ParameterError, "gap"),
        ({"spatial_key": "spatial", "gap": np.nan}, ParameterError, "gap"),
        ({"spatial_key": "spatial", "reach": "far"}, ParameterError, "reach"),
        ({"spatial_key": "spatial", "order": ["slice1"]}, ParameterError, "every slice once"),
    ],
)
def test_what_is_refused_changes_nothing(adata, arguments, error, said):
    adata.obs["one"] = "x"
    adata.obsm["broken"] = np.full((adata.n_obs, 2), np.nan)
    with pytest.raises(error, match=said):
        s3.pp.slice_neighbors(adata, **{"library_key": "slice"} | arguments)
    assert "spatial_connectivities" not in adata.obsp
