"""The signed graph: which spots attract each other and which repel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import note
from s3rl._slots.features import FeatureSpace, feature_spaces_of
from s3rl._slots.neighbors import joins_slices, spatial_graph_of
from s3rl._slots.neighbors_checks import arguments_of, check_directions, check_sizes, check_slices, keys_for
from s3rl._slots.table import slices_of, table_of
from s3rl._slots.write import write_slots
from s3rl.graph.signed import Report, SignedGraph, combine, similar_pairs
from s3rl.graph.similar import Directions

if TYPE_CHECKING:
    from s3rl._typing import Data

# From a few thousand spots on, pairs by 50 components agree better with annotated layers than pairs by 3,000 genes (62
# against 56 % of the positive pairs of a DLPFC section), below it neither is ahead; and all pairs cost n * n * g.
_EXACT_UP_TO = 2000
# scanpy and squidpy take a stored zero for no edge.
_SMALLEST_DISTANCE = 1e-6


class SignedNeighbors(NamedTuple):
    """Result of :func:`s3rl.pp.signed_neighbors` with ``copy=True``.

    Attributes
    ----------
    connectivities
        csr_matrix float32 (n, n): attraction, ones, symmetric, zero diagonal.
    distances
        csr_matrix float32 (n, n): 1 - cosine in the first feature space, at the same places as ``connectivities``.
    repulsions
        csr_matrix float32 (n, n): repulsion, ones, symmetric, zero diagonal, at other places than ``connectivities``.
    kinds
        csr_matrix of unsigned integers (n, n): bit k says that a pair is an edge of ``neighbors["kinds"][k]``.
    neighbors
        What ``uns`` keeps: names of the matrices, parameters and counts.
    """

    connectivities: sp.csr_matrix
    distances: sp.csr_matrix
    repulsions: sp.csr_matrix
    kinds: sp.csr_matrix
    neighbors: dict[str, Any]


def signed_neighbors(
    data: Data,
    *,
    connectivity_key: str = _keys.SPATIAL_NEIGHBORS,
    use_rep: str | Sequence[str] | Mapping[str, str] | None = None,
    image_rep: str | None = None,
    n_neighs: int = 5,
    n_far: int = 1,
    max_far_degree: int | None = 10,
    library_key: str | None = None,
    table_key: str | None = None,
    key_added: str = "s3rl",
    copy: bool = False,
) -> SignedNeighbors | None:
    """Join the spatial graph with the most and the least similar pairs of every feature space.

    Spots attract each other if they are neighbours in the tissue, or each among the ``n_neighs`` most similar spots
    of the other in at least one feature space. They repel if one is among the ``n_far`` least similar spots of the
    other in at least one space and they do not attract: adjacency is observed, dissimilarity is inferred. Similarity
    is the cosine, compared over all pairs of a slice, exactly; no n x n matrix is made.

    Parameters
    ----------
    data
        AnnData or SpatialData with normalised expression and the spatial graph of squidpy.
    connectivity_key
        ``key_added`` of the squidpy call, or the whole name in ``obsp``. The graph is made undirected, its weights 1.
    use_rep
        Feature spaces. None is expression: the highly variable genes (all where none are marked), up to 2,000 spots
        themselves, beyond that their 50 principal components (``obsm["X_pca"]`` where it is there). ``"X"`` is the
        genes themselves at any number of spots. A name in ``obsm`` is taken as it is. A sequence of these, or a
        mapping from names of your choice to these, gives several spaces, and all of them take part.
    image_rep
        Name in ``obsm`` of features of the image, one more space, called ``image``; centred within slices.
    n_neighs
        Most similar spots of each spot, of which the mutual ones become positive pairs.
    n_far
        Least similar spots of each spot.
    max_far_degree
        A spot is kept as the farthest of at most so many others in each space, those least similar to it; ties go to
        the lower row. None keeps all, and a few odd spots then repel most of the tissue.
    library_key
        Column of ``obs`` that names the slice; no pair joins two slices, but those of ``s3.pp.slice_neighbors``.
    table_key
        Table of a SpatialData.
    key_added
        Prefix of the slots.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``SignedNeighbors`` tuple with ``copy=True``. Written otherwise, csr_matrix (n, n) each:

    ``obsp["<key_added>_connectivities"]``
        float32, attraction: ones, symmetric, zero diagonal.
    ``obsp["<key_added>_distances"]``
        float32, at least 1e-6: 1 - cosine of the attracting pairs in the first feature space.
    ``obsp["<key_added>_repulsions"]``
        float32, repulsion: ones, symmetric, zero diagonal, no pair that attracts.
    ``obsp["<key_added>_kinds"]``
        Unsigned integers: bit k of an entry says that the pair is an edge of ``uns[...]["kinds"][k]``. A pair with
        bits of both signs attracts.
    ``uns["<key_added>_neighbors"]``
        ``connectivities_key``, ``distances_key``, ``repulsions_key``, ``kinds_key``; ``params``, where ``arguments``
        makes the same graph of another slice; ``kinds``, their names: ``spatial``, ``<space>+``, ``<space>-``, ...;
        ``edges``, pairs of each kind; ``spaces``, for each space what the log says; ``conflicts``, pairs that attract
        though they are among the least similar.

    Raises
    ------
    MissingKeyError
        If the spatial graph or a representation is not there.
    GraphError
        If the spatial graph is of another shape, has invalid weights, no edges, or edges between slices.
    CountsError
        If expression is not normalised, has empty spots, or no gene is marked.
    InputError
        If a representation is not finite numbers, or too few spots of a slice have features.
    LabelsError
        If ``library_key`` is no grouping, or a slice has one spot.
    ParameterError
        If an argument is outside of its range, or a slice has no more spots than ``n_neighs`` or ``n_far``.
    DataTypeError
        If ``data`` is no table, or a view.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 4.3. Expression is centred within its slice before the cosine, so that similar
    means similar deviations from the average spot. Without it, expression being non-negative, similarity follows
    depth: on a DLPFC section of 3,639 spots 96 % have no mutual neighbour and one spot is the farthest of 1,987;
    centred it is 47 % and 59, with 50 components 34 % and 77. Image features are centred too, since all tiles of a
    slide share its stain. What you name in ``use_rep`` is not centred.

    Peak memory is linear in n: blocks of 2,000 spots are made dense and compared with blocks of 2,000.

    Examples
    --------
    >>> import s3rl as s3
    >>> import squidpy as sq
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.pp.signed_neighbors(adata)
    >>> adata.uns["s3rl_neighbors"]["kinds"]
    ['spatial', 'genes+', 'genes-']
    """
    table = table_of(data, table_key)
    arguments = arguments_of(connectivity_key, use_rep, image_rep, n_neighs, n_far, max_far_degree, library_key)
    keys = keys_for(key_added)
    codes, names = slices_of(table, library_key)
    check_sizes(codes, names, arguments)
    spatial = spatial_graph_of(table, connectivity_key)
    if not joins_slices(table, connectivity_key):
        check_slices(spatial, codes, arguments)
    spaces = feature_spaces_of(table, use_rep, image_rep, exact_up_to=_EXACT_UP_TO)
    first = next(iter(spaces))
    directions = {name: Directions(space.features, codes, centered=space.centered) for name, space in spaces.items()}
    pairs = {}
    for name, space in spaces.items():
        check_directions(directions[name], codes, names, space, arguments)
        pairs[name] = similar_pairs(
            directions[name],
            codes,
            n_nearest=arguments["n_neighs"],
            n_farthest=arguments["n_far"],
            max_far_degree=arguments["max_far_degree"],
        )
    graph = combine(spatial, pairs)
    described = _described(keys, graph, spaces, {name: found.report for name, found in pairs.items()}, arguments)
    result = SignedNeighbors(
        graph.attraction, _distances(directions[first], graph.attraction), graph.repulsion, graph.kinds, described
    )
    if copy:
        return result
    _report(described, int((np.diff(spatial.indptr) == 0).sum()))
    write_slots(
        table,
        {
            ("obsp", keys.connectivities): result.connectivities,
            ("obsp", keys.distances): result.distances,
            ("obsp", keys.repulsions): result.repulsions,
            ("obsp", keys.kinds): result.kinds,
            ("uns", keys.uns): result.neighbors,
        },
    )
    return None


def _distances(directions: Directions, attraction: sp.csr_matrix) -> sp.csr_matrix:
    """1 - cosine at the places of the attracting pairs, symmetric to the last bit."""
    upper = sp.triu(attraction, k=1, format="coo")
    values = np.maximum(1 - directions.cosines(upper.row, upper.col), np.float32(_SMALLEST_DISTANCE))
    half = sp.csr_matrix((values.astype(np.float32), (upper.row, upper.col)), shape=attraction.shape)
    both = sp.csr_matrix(half + half.T)
    both.sort_indices()
    return both


def _described(
    keys: _keys.NeighborsKeys,
    graph: SignedGraph,
    spaces: Mapping[str, FeatureSpace],
    reports: Mapping[str, Report],
    arguments: dict[str, Any],
) -> dict[str, Any]:
    """Return what ``uns`` keeps; the names at the top of ``params`` are those that scanpy reads."""
    first = next(iter(spaces.values()))
    data = graph.kinds.data
    return {
        "connectivities_key": keys.connectivities,
        "distances_key": keys.distances,
        "repulsions_key": keys.repulsions,
        "kinds_key": keys.kinds,
        "params": {
            "method": "s3rl",
            "metric": "cosine",
            "n_neighbors": arguments["n_neighs"],
            "use_rep": first.slot,
            "arguments": arguments,
        },
        "kinds": graph.names,
        "edges": {name: int(np.count_nonzero(data & (1 << bit))) // 2 for bit, name in enumerate(graph.names)},
        "spaces": {name: {"source": space.source, **reports[name]._asdict()} for name, space in spaces.items()},
        "conflicts": graph.conflicts,
    }


def _report(described: Mapping[str, Any], isolated: int) -> None:
    note("spatial: %d pairs, %d spots without a neighbour", described["edges"]["spatial"], isolated)
    cap = described["params"]["arguments"]["max_far_degree"]
    for name, space in described["spaces"].items():
        note(
            "%s, %s: %d positive pairs, %.0f %% of the spots without one",
            name,
            space["source"],
            space["positives"],
            100 * space["without_mutual"],
        )
        note(
            "%s: %d negative pairs; a spot is the farthest of up to %d others (99 %% of the spots: of up to %.0f), "
            "max_far_degree=%s dropped %d pairs",
            name,
            space["negatives"],
            space["max_far_degree"],
            space["far_degree_99"],
            cap,
            space["capped"],
        )
        if space["without_features"]:
            note("%s: %d spots point nowhere and get no pair", name, space["without_features"])
    if described["conflicts"]:
        note("%d pairs attract though they are among the least similar", described["conflicts"])
