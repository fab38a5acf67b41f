"""How well the denoised layer predicts counts that it has not seen, and what tests call where there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import __version__, _keys
from s3rl._log import note
from s3rl._random import seed_of, stream
from s3rl._slots.calibration import fraction
from s3rl._slots.counts import counts_of_layer
from s3rl._slots.labels import categories_of
from s3rl._slots.table import coordinates_of, table_of
from s3rl._slots.write import check_key, write_slots
from s3rl.errors import CountsError
from s3rl.fit.params import S3RLParams
from s3rl.statistics.heldout import Part, thin
from s3rl.tl import _denoising_report_held_out as held_out_parts
from s3rl.tl import _denoising_report_null as null_parts
from s3rl.tl._denoising_report_refit import Plan, fitted, plan_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import RNG, Data

_CHOOSING = 0.25
_FEWEST_SPOTS = 20
# keeps this stream apart from others of the same seed
_PATH = 0x9E40


class DenoisingReport(NamedTuple):
    """What ``s3.tl.denoising_report(..., copy=True)`` returns.

    Attributes
    ----------
    held_out
        Data frame with a row for each method, as it would be written to ``uns[key_added]``.
    genes
        Data frame with a row for each method and gene.
    markers
        Data frame with a row for each method, domain and marker.
    false_discoveries
        Data frame with a row for each test.
    params
        The arguments, version and seed.
    """

    held_out: pd.DataFrame
    genes: pd.DataFrame
    markers: pd.DataFrame
    false_discoveries: pd.DataFrame
    params: dict[str, Any]


def denoising_report(
    data: Data,
    n_domains: int | None = None,
    *,
    neighbors_key: str = "s3rl_neighbors",
    counts_layer: str = "counts",
    params: S3RLParams | Mapping[str, Any] | None = None,
    groupby: str | None = None,
    held_out: float = 0.5,
    library_key: str | None = None,
    rng: RNG = None,
    device: str = "auto",
    progress: bool = True,
    table_key: str | None = None,
    key_added: str = "denoising_report",
    copy: bool = False,
) -> DenoisingReport | None:
    """Measure the denoised expression against counts that it has not seen, and against tissue without a pattern.

    The counts are divided at random, each with probability ``held_out`` (binomial thinning): given the rates, Poisson
    counts that were kept and held out are independent. Graph and model are made anew from those kept, as
    ``s3.pp.signed_neighbors`` and ``s3.tl.s3rl`` make them. The model, the counts themselves, each gene's mean, means
    over the nearest spots in expression (20 principal components) and in space, and diffusion over the spatial graph
    then predict, for each spot, the shares that the genes have of its held-out counts.

    All predictions take the same way to probabilities: values before the logarithm, rows summing to one, genes to
    their totals, and a weight of the mean shares, without which a zero would be impossible. That weight, the number of
    neighbours, the strength of the diffusion, and whether these smooth counts or their logarithm, are chosen for each
    method by a quarter of the held-out counts; the other three quarters judge.

    **Markers**: domains are found a second time, in the held-out counts alone (or are those of ``groupby``), and so
    are the ten genes of each that mark it best. How far these stand out is then measured in the other half, raw and
    denoised. The fold change of the raw half is not biased, that of the held-out one is that of the chosen; a denoised
    fold change far below raw is a blur, one above it an exaggeration.

    **False discoveries**: expression is exchanged between the spots, within slices, and the counts of a fifth of the
    genes are drawn with the same share everywhere; graph and model are made anew. Variable genes are tested as users
    do, and random pairs of genes by ``s3.tl.ligrec`` between regions that stayed where they are (``groupby``, or the
    domains of the first fit) and, for the fifth, between the domains that the model has found in the shuffled tissue.

    Parameters
    ----------
    data
        AnnData or SpatialData with raw counts and the signed graph.
    n_domains
        Domains; None takes as many as the model in ``uns["s3rl"]`` has.
    neighbors_key
        Entry of ``uns`` that describes the signed graph, which is made anew with the same arguments.
    counts_layer
        Layer with the raw counts.
    params
        Of the model, as in ``s3.tl.s3rl``; None takes those of the model in ``uns["s3rl"]``, or the defaults.
    groupby
        Column of ``obs`` whose groups have the markers and are the regions; None finds domains.
    held_out
        Share of the counts, .1 to .9.
    library_key
        Column of ``obs`` that names the slice; None takes that of the model.
    rng
        Seed or generator; None is seed 0.
    device
        As in ``s3.tl.s3rl``.
    progress
        Whether to show the progress of each fit.
    table_key
        Table of a SpatialData.
    key_added
        Name in ``uns`` of the result.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.DenoisingReport` with ``copy=True``. Written otherwise:

    ``uns[key_added]["held_out"]``
        ``method`` (``s3rl``, ``raw``, ``mean``, ``knn_expression``, ``knn_space``, ``diffusion``), ``setting`` and
        ``mixing`` that were chosen, ``log_likelihood`` (Poisson, given the spot's held-out total, for each count, in
        nats), its ``gain`` over raw with standard error ``gain_se`` over the spots, ``deviance`` for each count,
        ``correlation`` (mean over the genes with enough counts).
    ``uns[key_added]["genes"]``
        ``gene``, ``method``, ``counts`` held out, ``correlation`` over the spots of the share predicted and counted,
        weighted by the spots' totals; genes with a tenth of a count for each spot.
    ``uns[key_added]["markers"]``
        ``domain``, ``gene``, ``method``, ``auc`` (chance that a spot of the domain has more than one outside),
        ``log2_fold_change``, ``held_out_log2_fold_change``.
    ``uns[key_added]["false_discoveries"]``
        ``analysis``, ``clusters`` (``regions`` or ``found``), ``expression`` (``raw``, ``denoised``, ``calibrated``),
        ``tests``, ``units`` (genes or pairs), ``share`` with a p-value of .05 at most, ``low`` and ``high`` (95 %, as
        if pairs and genes were independent), ``called`` (share with an FDR of .05 at most), ``nominal`` (``low`` is
        not above .05).
    ``uns[key_added]["params"]``
        Arguments, ``n_domains``, ``n_spots`` and ``n_left_out`` (without a count on one side),
        ``version``, ``seed``.

    Raises
    ------
    MissingKeyError
        If the counts, the signed graph, the coordinates or a column are not there, or ``n_domains`` is not known.
    CountsError
        If the layer holds no counts, or too few spots have counts on both sides.
    ParameterError
        If an argument is out of its range.
    GraphError, LabelsError, CoordinatesError
        As in ``s3.tl.s3rl``.

    Notes
    -----
    Takes three fits of the model, two with ``groupby``. Thinned counts are fewer, so every method does better on the
    whole ones. Expression in ``X`` is not read: counts are normalised as ``s3.pp.normalize`` does, with its usual
    total. Genes that were marked as highly variable in all counts stay marked.

    Binomial thinning: Neufeld et al., Biostatistics 25, 2024; molecular cross-validation: Batson et al., bioRxiv 2019.

    Examples
    --------
    >>> import s3rl as s3
    >>> import squidpy as sq
    >>> adata = s3.datasets.simulated_cortex(300, 150, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.pp.signed_neighbors(adata)
    >>> quick = {"max_epochs": 30, "n_mixtures": 4}
    >>> s3.tl.denoising_report(adata, 3, params=quick, groupby="domain", progress=False)
    >>> found = adata.uns["denoising_report"]["held_out"].set_index("method")
    >>> bool(found.loc["s3rl", "log_likelihood"] > found.loc["raw", "log_likelihood"])
    True
    """
    table = table_of(data, table_key)
    check_key(key_added)
    share = fraction(held_out, "held_out", 0.1, 0.9)
    seed = seed_of(rng)
    coordinates_of(table)
    plan = plan_of(table, n_domains, params, neighbors_key, library_key, seed, device, progress)
    counts = counts_of_layer(
        table, counts_layer, fix="pass counts_layer=, the layer in which s3.pp.normalize keeps the counts"
    )
    if groupby is not None:
        categories_of(table, groupby, fix="pass a column of adata.obs with names of groups, or leave groupby out")
    table, counts, plan, kept, rest = _divided(table, counts, plan, share)
    frames = _frames(table, counts, plan, kept, rest, groupby)
    described: dict[str, Any] = {
        "n_domains": plan.n_domains, "neighbors_key": neighbors_key, "counts_layer": counts_layer, "held_out": share,
        "n_spots": table.n_obs, "n_left_out": table_of(data, table_key).n_obs - table.n_obs,
        "model": plan.params.as_dict(), "version": __version__,
        "seed": seed if seed < 2**63 else str(seed),
    }  # fmt: skip
    described |= {name: key for name, key in (("groupby", groupby), ("library_key", plan.library_key)) if key}
    report = DenoisingReport(*frames, described)
    if copy:
        return report
    write_slots(table_of(data, table_key), {("uns", key_added): report._asdict()})
    return None


def _divided(
    table: AnnData, counts: sp.csr_matrix, plan: Plan, share: float
) -> tuple[AnnData, sp.csr_matrix, Plan, sp.csr_matrix, sp.csr_matrix]:
    """Thinned counts, and everything without the spots that have none on one side."""
    kept, rest = thin(counts, 1 - share, stream(plan.seed, _PATH))
    usable = np.minimum(*(np.asarray(part.sum(axis=1)).ravel() for part in (kept, rest))) > 0
    if usable.sum() < max(_FEWEST_SPOTS, usable.size // 2):
        raise CountsError(
            "leaves too few spots with counts on both sides", key="held_out",
            found=f"{usable.sum()} of {usable.size} spots", fix="pass held_out=.5, or spots with more counts",
        )  # fmt: skip
    if not usable.all():
        note("%d of %d spots have no counts on one side and are left out", (~usable).sum(), usable.size)
        table, counts, kept, rest = table[usable].copy(), counts[usable], kept[usable], rest[usable]
        plan = plan._replace(codes=plan.codes[usable])
    return table, counts, plan, kept, rest


def _frames(
    table: AnnData, counts: sp.csr_matrix, plan: Plan, kept: sp.csr_matrix, rest: sp.csr_matrix, groupby: str | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    domain, names = _keys.ModelKeys().domain, table.var_names.to_numpy()
    model = fitted(table, kept, plan)
    regions = table.obs[groupby] if groupby is not None else model.obs[domain]
    groups = pd.Categorical(regions if groupby is not None else fitted(table, rest, plan).obs[domain])
    markers = held_out_parts.markers_of(rest, groups)
    choosing, judging = thin(rest, _CHOOSING, stream(plan.seed, _PATH, 1))
    parts = held_out_parts.Parts(kept, Part.of(choosing), Part.of(judging))
    genes = held_out_parts.enough_counts(parts)
    scores, marked = [], []
    for prediction in held_out_parts.predictions(model, parts, plan):
        scores.append(held_out_parts.judged(prediction, parts, genes))
        marked.append(held_out_parts.marker_rows(prediction, markers, names))
    false = null_parts.false_discoveries(null_parts.shuffled(table, counts, regions, plan), plan)
    marked_frame = pd.concat(marked, ignore_index=True)
    marked_frame.index = marked_frame.index.astype(str)
    return (
        held_out_parts.held_out_frame(scores, parts),
        held_out_parts.genes_frame(scores, parts, genes, names),
        marked_frame,
        false,
    )
