"""What the genes of a domain have in common: sets of genes that are over-represented, shifted or active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from s3rl._params import Parameters, real, whole
from s3rl._random import seed_of
from s3rl._slots.calibration import flag_of
from s3rl._slots.gene_lists import DOMAIN
from s3rl._slots.gene_sets import gene_sets_of
from s3rl._slots.post_denoising import is_denoised
from s3rl._slots.table import table_of
from s3rl._slots.write import recorded, write_slots
from s3rl.errors import ParameterError
from s3rl.tl._enrich_parts import Request, scored, tested, walked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

    import pandas as pd

    from s3rl._typing import RNG, Data

METHODS = ("ora", "gsea", "ssgsea", "gsva")


@dataclass(frozen=True, kw_only=True)
class EnrichParams(Parameters):
    """Parameters of ``s3.tl.enrich``.

    Parameters
    ----------
    max_fdr, min_log2fc, n_markers
        A marker of a group has at most this adjusted p-value, at least this log2 fold change, and is among this many
        with the highest score.
    min_size, max_size
        Sets with fewer or more measured genes are left out.
    n_random_sets
        Random sets of each size for ``"gsea"``; p-values begin at ``2 / (1 + n_random_sets)``, so that collections of
        thousands need more.
    n_perms
        Permutations of the spots for ``calibrate``.
    weight
        Exponent of the ranking score; None is the usual one, 1 for ``"gsea"`` and ``"gsva"`` and 0.25 for
        ``"ssgsea"``.

    Raises
    ------
    ParameterError
        If a value is outside of its range.

    Examples
    --------
    >>> from s3rl.tl import EnrichParams
    >>> EnrichParams(min_size=5).max_size
    500
    """

    max_fdr: float = 0.05
    min_log2fc: float = 0.5
    n_markers: int = 300
    min_size: int = 10
    max_size: int = 500
    n_random_sets: int = 10_000
    n_perms: int = 1000
    weight: float | None = None

    def __post_init__(self) -> None:
        self.check(
            {
                "max_fdr": real(0.0, 1.0 + 1e-9),
                "min_log2fc": real(0.0),
                "n_markers": whole(1),
                "min_size": whole(1),
                "max_size": whole(1),
                "n_random_sets": whole(1),
                "n_perms": whole(1),
                "weight": (lambda v: v is None or real(0.0)[0](v), "None or a number, 0 or more"),
            }
        )


class EnrichResult(NamedTuple):
    """What ``s3.tl.enrich(..., copy=True)`` returns.

    Attributes
    ----------
    results
        The tidy table that is otherwise in ``uns[key_added]["results"]``.
    scores
        DataFrame (n, t), the score of each spot for each set; None where the method gives none.
    """

    results: pd.DataFrame
    scores: pd.DataFrame | None


def enrich(
    data: Data,
    gene_sets: str | PathLike[str] | Mapping[str, Iterable[str]],
    *,
    method: str = "ora",
    groupby: str | None = None,
    genes: Any = None,
    layer: str | None = None,
    markers_key: str | None = None,
    params: EnrichParams | Mapping[str, Any] | None = None,
    calibrate: bool = False,
    library_key: str | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> EnrichResult | None:
    """Find sets of genes that are enriched in groups of spots, or score them in every spot.

    - ``"ora"``, over-representation: are the markers of a group in a set more often than genes drawn at random
      from those measured? The hypergeometric test.
    - ``"gsea"``: are the genes of a set at the top or the bottom of the genes as the group ranks them? gseapy's
      preranked analysis; p-values compare with random sets of as many genes.
    - ``"ssgsea"``, ``"gsva"``: a score of each set in each spot, or in the mean of each group; no p-values.

    The background is what was measured, the genes of the table with a value above zero somewhere, and never the
    genome: a gene that the platform does not see cannot be a marker. Markers and rankings are those of Wilcoxon's
    test of each group against all other spots.

    A group that was found on the same expression marks itself, so the p-values of its markers are too small by
    construction. On denoised expression the genes depend on each other besides, and so do the spots: p-values are too
    small, results have ``post_denoising=True``, and a line is logged. ``calibrate=True`` adds p-values that hold
    there: the denoiser is applied to tissue whose spots have been exchanged.

    Parameters
    ----------
    data
        AnnData or SpatialData, log-normalised.
    gene_sets
        GMT file; dictionary from name to genes; or the name of a library of Enrichr, which gseapy fetches over the
        network and keeps: nothing else here asks the network.
    method
        ``"ora"``, ``"gsea"``, ``"ssgsea"`` or ``"gsva"``. gsva looks at all spots at once, in quadratic time: give it
        groups where there are more than a few thousand.
    groupby
        Column of ``obs`` with the groups; None is ``"s3rl_domain"`` for ``"ora"`` and ``"gsea"``, and every spot
        for the other two. Spots without a name take no part.
    genes
        Instead of groups, for ``"ora"``: names of genes, or a dictionary of several lists; for ``"gsea"``: a Series
        or DataFrame of scores with the genes as index.
    layer
        Layer to use instead of ``X``, for example ``"s3rl"``.
    markers_key
        Name in ``uns`` of a result of :func:`scanpy.tl.rank_genes_groups` to take the markers or the ranking from.
    params
        :class:`EnrichParams`, or a mapping of some of its names: thresholds, sizes of sets, permutations.
    calibrate
        Add ``pvalue_calibrated`` and ``fdr_calibrated``, for a denoised layer.
    library_key
        Column of ``obs`` that names the slice: with ``calibrate`` spots are exchanged within a slice.
    rng
        Seed or generator of the permutations.
    table_key
        Table of a SpatialData.
    key_added
        Name of the result; None is ``"enrich_<method>"``, and ``"enrich_<method>_<layer>"`` for a layer.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or an ``EnrichResult`` with ``copy=True``. Otherwise writes

    - ``uns["enrich_<method>"]``: ``results``, ``sets`` (each set and its measured genes), ``params``; for ``"gsea"``
      also ``ranking`` (``groups``, ``genes`` and ``scores`` (g, q))
    - ``obsm["enrich_<method>"]``: float32 (n, t), for scores of spots; columns in the order of ``sets``

    Columns of ``results``, one row for each group and set, also where nothing overlaps: ``group``, ``term``,
    ``overlap`` (markers in the set; for gsea its leading edge), ``size`` (measured genes of the set), ``pvalue``,
    ``fdr`` (Benjamini and Hochberg within each group), ``genes`` (the overlap, joined by ``;``),
    ``post_denoising``. For ora also ``n_genes`` (markers of the group), ``odds_ratio`` (a half added to each cell)
    and ``fold`` (overlap over expectation); for gsea ``score`` (the enrichment score, -1 to 1) and ``nes`` (divided
    by the mean of the random scores of that sign); for the scores of groups ``score``; for those of spots ``score``
    and ``sd``, mean and standard deviation over the spots, with group ``"all"``. ssgsea is divided by the range of
    all its scores.

    Raises
    ------
    ParameterError
        If an argument is out of range, ``genes`` is no list, or no set has a size within the bounds.
    InputError
        If the table and the sets share no gene, or a line of the GMT file is none; says which line.
    StoreError
        If the file cannot be read, or the library cannot be fetched.
    MissingKeyError
        If a column, layer or ranking is not there.
    LabelsError
        If there is one group only, or a group has a single spot.
    CountsError
        If the values are not log-normalised.
    MissingExtraError
        If gseapy is not installed, for any method but ``"ora"``.

    Notes
    -----
    Subramanian et al., PNAS 2005 (gsea); Korotkevich et al., bioRxiv 060012 (random sets shared by all sizes); Barbie
    et al., Nature 2009 (ssgsea); Haenzelmann et al., BMC Bioinformatics 2013 (gsva); Fu et al., Adv. Sci. 2025,
    sections 2.7 and 2.8.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=150, n_genes=60, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sets = {"first": adata.var_names[:15], "last": adata.var_names[45:]}
    >>> found = s3.tl.enrich(adata, sets, groupby="domain", copy=True).results
    >>> found[["group", "term", "size"]].head(2)
      group   term  size
    0    L1  first    15
    1    L1   last    15
    """
    table = table_of(data, table_key)
    if method not in METHODS:
        raise ParameterError("does not exist", key="method", found=repr(method), available=METHODS, fix="method='ora'")
    chosen, seed = EnrichParams.of(params), seed_of(rng)
    wanted = flag_of(calibrate, "params={'n_perms': 1000}")
    request = Request(
        gene_sets_of(gene_sets), method, groupby, genes, layer, markers_key, chosen, wanted, library_key, seed
    )
    run = {"ora": tested, "gsea": walked}.get(method, scored)
    found = run(table, request)
    if copy:
        return EnrichResult(found.results, found.frame(table))
    key = key_added or f"enrich_{method}{'' if layer is None else f'_{layer}'}"
    described = {
        "method": method,
        "groupby": groupby or (DOMAIN if method in ("ora", "gsea") and genes is None and markers_key is None else None),
        "layer": layer,
        "markers_key": markers_key,
        "calibrate": wanted,
        "library_key": library_key,
        "post_denoising": bool(found.results["post_denoising"].any()) or is_denoised(table, layer),
        **chosen.as_dict(),
    }
    stale = [("obsm", key)] if recorded(table, key, "sets") and recorded(table, key, "sd") else []
    write_slots(table, found.slots(key, described, seed), stale=stale)
    return None
