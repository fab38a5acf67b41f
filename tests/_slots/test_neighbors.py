"""Graphs read from a table."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from s3rl import errors
from s3rl._slots.neighbors import signed_graph_of, spatial_graph_of

N = 5
LINE = sp.diags([1.0, 1.0], [-1, 1], shape=(N, N), format="csr", dtype=np.float32)
ENDS = sp.csr_matrix(([1.0, 1.0], ([0, N - 1], [N - 1, 0])), shape=(N, N), dtype=np.float32)


def table(attraction=LINE, repulsion=ENDS):
    adata = ad.AnnData(np.ones((N, 2), np.float32))
    adata.obsp["a"], adata.obsp["r"] = attraction, repulsion
    adata.uns["s3rl_neighbors"] = {"connectivities_key": "a", "repulsions_key": "r", "params": {"method": "s3rl"}}
    return adata


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, sp.csr_array, lambda m: m.toarray()])
def test_reads_a_signed_graph(kind):
    graph = signed_graph_of(table(kind(LINE), kind(ENDS.astype(np.float64))))
    np.testing.assert_array_equal(graph.attraction.toarray(), LINE.toarray())
    np.testing.assert_array_equal(graph.repulsion.toarray(), ENDS.toarray())
    assert graph.params == {"method": "s3rl"}
    for part in (graph.attraction, graph.repulsion):
        assert type(part) is sp.csr_matrix
        assert part.dtype == np.float32


def changed(row, column, value):
    dense = LINE.toarray()
    dense[row, column] = value
    return sp.csr_matrix(dense)


@pytest.mark.parametrize(
    ("attraction", "message"),
    [
        (changed(0, 3, 1), "not symmetric"),
        (changed(2, 2, 1), "to themselves"),
        (changed(0, 1, np.nan), "not finite"),
        (changed(0, 1, -1), "negative"),
        (ENDS, "both attract and repel"),
    ],
)
def test_refuses_an_invalid_signed_graph(attraction, message):
    with pytest.raises(errors.GraphError, match=message):
        signed_graph_of(table(attraction))


def test_a_missing_signed_graph_names_the_call():
    adata = table()
    with pytest.raises(errors.MissingKeyError, match=r"s3\.pp\.signed_neighbors\(adata\)"):
        signed_graph_of(adata, "other")
    del adata.obsp["r"]
    with pytest.raises(errors.MissingKeyError, match=r"obsp\['r'\]"):
        signed_graph_of(adata)


@pytest.mark.parametrize("named", [{"connectivities_key": "a", "distances_key": "d"}, "text"])
def test_refuses_neighbors_of_scanpy(named):
    adata = table()
    adata.uns["neighbors"] = named
    with pytest.raises(errors.GraphError, match="signed graph"):
        signed_graph_of(adata, "neighbors")


@pytest.mark.parametrize("key", ["spatial", "spatial_connectivities"])
def test_spatial_graph_is_made_undirected(key):
    adata = table()
    adata.obsp["spatial_connectivities"] = sp.triu(LINE * 3, format="csr") + sp.identity(N, format="csr")
    np.testing.assert_array_equal(spatial_graph_of(adata, key).toarray(), LINE.toarray())
    assert adata.obsp["spatial_connectivities"].nnz == 2 * N - 1


def test_a_missing_spatial_graph_names_the_call():
    with pytest.raises(errors.MissingKeyError) as caught:
        spatial_graph_of(table())
    assert caught.value.fix == "squidpy.gr.spatial_neighbors_knn(adata, n_neighs=6)"
    with pytest.raises(errors.MissingKeyError, match="n_neighs=6, key_added='grid'"):
        spatial_graph_of(table(), "grid")


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (sp.csr_matrix((N, N)), "joins no two spots"),
        (sp.identity(N, format="csr"), "joins no two spots"),
        (changed(0, 1, np.inf), "not finite"),
        (changed(0, 1, -2), "negative"),
    ],
)
def test_refuses_an_invalid_spatial_graph(graph, message):
    adata = table()
    adata.obsp["spatial_connectivities"] = graph
    with pytest.raises(errors.GraphError, match=message):
        spatial_graph_of(adata)


class Foreign:
    """A table that lets a graph of another object in, as older versions of anndata did."""

    n_obs = N

    def __init__(self, graph):
        self.obsp = {"spatial_connectivities": graph}


@pytest.mark.parametrize("graph", [sp.identity(N + 1, format="csr"), np.ones((N, 2)), "text"])
def test_refuses_a_graph_of_another_object(graph):
    with pytest.raises(errors.GraphError, match="from another object"):
        spatial_graph_of(Foreign(graph))
