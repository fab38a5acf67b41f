"""Read the spatial graph and the signed graph from a table, each with an error that repairs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._slots.table import slot_of
from s3rl.errors import GraphError
from s3rl.graph.edges import undirected

if TYPE_CHECKING:
    from anndata import AnnData

_SIGNED_FIX = "s3.pp.signed_neighbors(adata)"
_SPATIAL_FIX = "squidpy.gr.spatial_neighbors_knn(adata, n_neighs=6)"


class SignedGraph(NamedTuple):
    """The signed graph of a table.

    Attributes
    ----------
    attraction
        csr_matrix float32 (n, n): symmetric, non-negative, zero diagonal, no explicit zeros.
    repulsion
        csr_matrix float32 (n, n): the same; no pair is in both.
    params
        What ``s3.pp.signed_neighbors`` was called with.
    """

    attraction: sp.csr_matrix
    repulsion: sp.csr_matrix
    params: dict[str, Any]

    @property
    def connectivity_key(self) -> str:
        """``key_added`` of the spatial graph that it was built on."""
        return str(self.params.get("arguments", {}).get("connectivity_key", _keys.SPATIAL_NEIGHBORS))


def signed_graph_of(
    table: AnnData, neighbors_key: str = "s3rl_neighbors", *, without: str | None = None
) -> SignedGraph:
    """Return the signed graph that ``uns[neighbors_key]`` names.

    Parameters
    ----------
    table
        Table with the slots of ``s3.pp.signed_neighbors``.
    neighbors_key
        Its dictionary in ``uns``.
    without
        Feature space, for example ``"image"``, whose pairs are left out.

    Raises
    ------
    MissingKeyError
        If the dictionary, or a matrix that it names, is not there.
    GraphError
        If it is not the dictionary of a signed graph, or a matrix is of another shape, not finite, negative or not
        symmetric, has entries on its diagonal, or if a pair both attracts and repels.
    """
    named = slot_of(table, "uns", neighbors_key, fix=_SIGNED_FIX)
    wanted = ("connectivities_key", "repulsions_key")
    if not hasattr(named, "keys") or any(name not in named for name in wanted):
        raise GraphError(
            "does not describe a signed graph",
            key=f"uns[{neighbors_key!r}]",
            found=f"keys {sorted(map(str, named))}" if hasattr(named, "keys") else type(named).__name__,
            fix=f"{_SIGNED_FIX}, then pass neighbors_key='s3rl_neighbors'",
        )
    attraction, repulsion = (_symmetric(table, str(named[name])) for name in wanted)
    if attraction.multiply(repulsion).nnz:
        raise GraphError(
            "has pairs that both attract and repel",
            key=f"obsp[{named['repulsions_key']!r}]",
            found=f"{attraction.multiply(repulsion).nnz // 2} pairs",
            fix=_SIGNED_FIX,
        )
    if without is not None:
        attraction, repulsion = _from_kinds(table, named, without)
    return SignedGraph(attraction, repulsion, dict(named.get("params", {})))


def _from_kinds(table: AnnData, named: Any, without: str) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Put attraction and repulsion together again from all kinds of edges but those of one feature space."""
    kinds = sp.csr_matrix(slot_of(table, "obsp", str(named.get("kinds_key")), fix=_SIGNED_FIX))
    bits = {name: 1 << k for k, name in enumerate(named["kinds"]) if name not in (f"{without}+", f"{without}-")}
    attracts = (kinds.data & sum(bit for name, bit in bits.items() if not name.endswith("-"))) > 0
    repels = ((kinds.data & sum(bit for name, bit in bits.items() if name.endswith("-"))) > 0) & ~attracts
    graphs = []
    for chosen in (attracts, repels):
        graph = sp.csr_matrix((chosen.astype(np.float32), kinds.indices.copy(), kinds.indptr.copy()), kinds.shape)
        graph.eliminate_zeros()
        graphs.append(graph)
    return graphs[0], graphs[1]


def spatial_graph_of(table: AnnData, connectivity_key: str = _keys.SPATIAL_NEIGHBORS) -> sp.csr_matrix:
    """Return the spatial graph that squidpy wrote: float32 (n, n), symmetrised, weight 1, zero diagonal.

    Parameters
    ----------
    table
        Table with ``obsp["<connectivity_key>_connectivities"]``.
    connectivity_key
        The ``key_added`` of the squidpy call, or the full name of the slot.

    Raises
    ------
    MissingKeyError
        If the graph is not there.
    GraphError
        If it is of another shape, has values that are not finite or are negative, or joins no two spots.
    """
    suffix = _keys.connectivities_of("")
    key = connectivity_key if connectivity_key.endswith(suffix) else _keys.connectivities_of(connectivity_key)
    fix = _SPATIAL_FIX
    if key != _keys.connectivities_of(_keys.SPATIAL_NEIGHBORS):
        fix = _SPATIAL_FIX.replace(")", f", key_added={key.removesuffix(suffix)!r})")
    graph = undirected(_square(table, key, fix))
    if graph.nnz == 0:
        raise GraphError("joins no two spots", key=f"obsp[{key!r}]", found="no edges", fix=fix)
    return graph


def joins_slices(table: AnnData, connectivity_key: str = _keys.SPATIAL_NEIGHBORS) -> bool:
    """Whether the spatial graph was made to join slices (``s3.pp.slice_neighbors``)."""
    key = connectivity_key.removesuffix(_keys.connectivities_of(""))
    described = table.uns.get(f"{key}_neighbors", {})
    params = described.get("params", {}) if hasattr(described, "get") else {}
    return hasattr(params, "get") and int(params.get("across", 0)) > 0


def check_within_slices(
    codes: np.ndarray, names: list[str], library_key: str | None, graph: SignedGraph, spatial: sp.csr_matrix
) -> None:
    """Refuse graphs with edges between the slices whose numbers are ``codes`` (n,)."""
    for name, pairs in (("the signed graph", graph.attraction + graph.repulsion), ("the spatial graph", spatial)):
        rows, columns = pairs.nonzero()
        crossing = codes[rows] != codes[columns]
        if crossing.any():
            raise GraphError(
                f"{name} joins spots of different slices",
                key=f"library_key={library_key!r}",
                found=f"{crossing.sum() // 2} pairs across {len(names)} slices",
                fix=f"squidpy.gr.spatial_neighbors_knn(adata, library_key={library_key!r}), then "
                f"s3.pp.signed_neighbors(adata, library_key={library_key!r})",
            )


def _square(table: AnnData, key: str, fix: str) -> sp.csr_matrix:
    graph = slot_of(table, "obsp", key, fix=fix)
    name = f"obsp[{key!r}]"
    if getattr(graph, "shape", None) != (table.n_obs, table.n_obs):
        raise GraphError(
            "is a graph from another object",
            key=name,
            found=f"shape {getattr(graph, 'shape', None)} for {table.n_obs} spots",
            fix=fix,
        )
    try:
        graph = sp.csr_matrix(graph)
        values = graph.data.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise GraphError("is no matrix of numbers", key=name, found=type(graph).__name__, fix=fix) from error
    for bad, problem in ((~np.isfinite(values), "has values that are not finite"), (values < 0, "has negative values")):
        if bad.any():
            raise GraphError(problem, key=name, found=f"{bad.sum()} entries", fix=fix)
    graph = sp.csr_matrix((values, graph.indices.copy(), graph.indptr.copy()), shape=graph.shape)
    graph.sum_duplicates()
    graph.eliminate_zeros()
    return graph


def _symmetric(table: AnnData, key: str) -> sp.csr_matrix:
    graph = _square(table, key, _SIGNED_FIX)
    name = f"obsp[{key!r}]"
    if graph.diagonal().any():
        raise GraphError(
            "joins spots to themselves",
            key=name,
            found=f"{np.count_nonzero(graph.diagonal())} entries on the diagonal",
            fix=_SIGNED_FIX,
        )
    if (graph != graph.T).nnz:
        raise GraphError(
            "is not symmetric", key=name, found=f"{(graph != graph.T).nnz} entries differ", fix=_SIGNED_FIX
        )
    return graph
