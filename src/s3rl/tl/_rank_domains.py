"""Genes that differ between neighbouring domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._params import whole_number
from s3rl._random import seed_of
from s3rl._slots.calibration import (
    blind_before,
    fraction,
    frame_of,
    permutations_of,
)
from s3rl._slots.labels import categories_of
from s3rl._slots.layers import expressions_of, genes_of, say_post_denoising
from s3rl._slots.neighbors import spatial_graph_of
from s3rl._slots.table import slices_of, table_of
from s3rl._slots.write import write_slots
from s3rl.communication.adjacency import contacts
from s3rl.tl._rank_domains_parts import calibrated, directions, domains_of, pairs_of, summary, tested

if TYPE_CHECKING:
    import pandas as pd

    from s3rl._typing import RNG, Data

_MIN_SHARE = 0.05
_PAIR = ("domain", "reference")


class RankDomainsResult(NamedTuple):
    """Result of :func:`s3rl.tl.rank_domains` with ``copy=True``.

    Attributes
    ----------
    results
        One row for each gene and pair of domains: ``domain``, ``reference``, ``gene``, ``score`` (z of the rank sum,
        positive where the domain is higher), ``log2fc``, ``pvalue``, ``fdr`` over the genes of the pair, ``share_in``
        and ``share_out`` (spots of the domain and of the reference with expression), ``direction`` (``"up"``,
        ``"down"`` or ``"none"``), ``post_denoising``, and with ``calibrate`` also ``pvalue_calibrated`` and
        ``fdr_calibrated``.
    pairs
        One row for each pair: ``domain``, ``reference``, ``n_domain`` and ``n_reference`` spots, ``n_edges`` between
        them, ``n_up`` and ``n_down`` genes.
    """

    results: pd.DataFrame
    pairs: pd.DataFrame


def rank_domains(
    data: Data,
    *,
    groupby: str = _keys.ModelKeys().domain,
    adjacent: bool | float = True,
    layer: str | None = None,
    connectivity_key: str = _keys.SPATIAL_NEIGHBORS,
    min_log2fc: float = 1.0,
    alpha: float = 0.05,
    min_spots: int = 10,
    calibrate: bool | int = False,
    library_key: str | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> RankDomainsResult | None:
    """Compare every domain with each one that it touches, by Wilcoxon's rank sum test.

    Two domains touch if the edges of the spatial graph between them are three or more, and a twentieth or more of those
    that leave one of the two: the one with the fewer, so that a small domain inside a large one touches it.

    On a denoised layer the test is post-denoising: smoothing makes spots dependent and takes variance away, so p-values
    are far too small. Domains that were found in the same expression make them too small on ``X`` as well.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    groupby
        Column of ``obs`` with the domains.
    adjacent
        True for pairs that touch, False for all pairs, or the share of edges above.
    layer
        Layer to test; None is ``X``.
    connectivity_key
        ``key_added`` of the squidpy call that made the spatial graph.
    min_log2fc
        A gene is up or down if its log2 fold change is larger than this in size ...
    alpha
        ... and its FDR is smaller than this.
    min_spots
        Domains with fewer spots are skipped.
    calibrate
        Add p-values of permutations: True is 999 of them.
    library_key
        Column of ``obs`` with the slice, within which permutations stay.
    rng
        Seed or generator of the permutations.
    table_key
        Table of a SpatialData.
    key_added
        Name in ``uns`` of the result; ``"rank_domains"`` by default, ``"rank_domains_<layer>"`` for a layer.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.RankDomainsResult` with ``copy=True``. Written otherwise:

    ``uns[key_added]``
        ``results`` and ``pairs`` as above, and ``params``.

    Raises
    ------
    MissingKeyError
        If the column, the layer or the spatial graph is not there.
    LabelsError
        If there are fewer than two domains of ``min_spots`` spots.
    InputError
        If no two domains touch.
    ParameterError
        If an argument is out of its range.
    CountsError
        If the layer is not log-normalised.
    GraphError
        If the graph is of another object or has weights that are no weights.

    Notes
    -----
    The test, with its correction for ties, and the fold changes are those of ``scanpy.tl.rank_genes_groups``: fold
    changes are of means of the logarithm taken back, and very large where a gene is absent from one side.
    ``pvalue_calibrated`` is that of the difference of the two means of ``H x``, among those with x, and among those
    with the domains, permuted over the spots of both, the larger of the two. For a denoised layer H is ridge regression
    on what the embedding says of it that the other half of the genes says too; for others it is one.

    Thresholds: Fu et al., Adv. Sci. 2025, section 4.10.

    Examples
    --------
    >>> import s3rl as s3
    >>> import squidpy as sq
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.tl.rank_domains(adata, groupby="domain")
    >>> adata.uns["rank_domains"]["pairs"][["domain", "reference"]].values.tolist()
    [['L1', 'L2'], ['L2', 'L3'], ['L3', 'WM']]
    """
    from s3rl import __version__

    table = table_of(data, table_key)
    count, min_spots, seed = permutations_of(calibrate), whole_number(min_spots, "min_spots", 2), seed_of(rng)
    share = fraction(adjacent, "adjacent", 0, 1) if not isinstance(adjacent, bool) else _MIN_SHARE
    min_log2fc, alpha = fraction(min_log2fc, "min_log2fc", 0, np.inf), fraction(alpha, "alpha", 0, 1)
    labels = categories_of(table, groupby, fix="s3.tl.s3rl(adata, n_domains), or pass groupby=")
    codes, _ = slices_of(table, library_key)
    domains = domains_of(labels, min_spots, groupby)
    counts = np.zeros((len(domains), len(domains)), dtype=np.int64)
    if adjacent is not False:
        own = np.full(table.n_obs, -1, dtype=np.int64)
        for number, (_, rows) in enumerate(domains):
            own[rows] = number
        counts = contacts(own, len(domains), spatial_graph_of(table, connectivity_key))
    pairs = pairs_of(counts, share if adjacent is not False else None, groupby)
    expression = expressions_of(table, (layer,))[0]
    places = genes_of(table, None, [expression])
    say_post_denoising([expression], count)
    values = expression.values.tocsr() if sp.issparse(expression.values) else expression.values
    before = blind_before(table, expression, seed, connectivity_key) if count else None
    frames, summaries = [], []
    for first, second in pairs:
        two = domains[first], domains[second]
        found = tested(table, values, places, two)
        found["direction"] = directions(found, min_log2fc, alpha)
        found["post_denoising"] = np.full(len(places), expression.denoised)
        if before is not None:
            found |= calibrated(before, places, two, codes, seed=seed, count=count)
        frames.append(found)
        summaries.append(summary(two, int(counts[first, second]), found["direction"]))
    columns = {name: np.concatenate([found[name] for found in frames]) for name in frames[0]}
    summary_of = {name: [row[name] for row in summaries] for name in summaries[0]}
    result = RankDomainsResult(frame_of(columns, (*_PAIR, "gene", "direction")), frame_of(summary_of, _PAIR))
    if copy:
        return result
    params = {"groupby": groupby, "adjacent": adjacent is not False, "min_share": share, "layer": expression.name,
              "min_log2fc": min_log2fc, "alpha": alpha, "min_spots": min_spots, "calibrate": count, "seed": seed,
              "post_denoising": expression.denoised, "version": __version__}  # fmt: skip
    added = key_added or ("rank_domains" if layer is None else f"rank_domains_{layer}")
    write_slots(table, {("uns", added): {**result._asdict(), "params": params}})
    return None
