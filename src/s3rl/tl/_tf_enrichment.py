"""Regulators whose targets mark a domain, their activity, their families, and metagenes that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from s3rl._params import Parameters, one_of, real, whole
from s3rl._random import seed_of
from s3rl._slots.calibration import flag_of
from s3rl._slots.network import families_of, network_of
from s3rl._slots.table import table_of
from s3rl._slots.write import recorded, write_slots
from s3rl.tl._tf_enrichment_parts import Request, found_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    import pandas as pd

    from s3rl._typing import RNG, Data


@dataclass(frozen=True, kw_only=True)
class TFEnrichmentParams(Parameters):
    """Parameters of ``s3.tl.tf_enrichment``.

    Parameters
    ----------
    max_fdr, min_log2fc, n_markers
        A marker of a group has at most this adjusted p-value, at least this log2 fold change, and is among this many
        with the highest score.
    min_targets
        Regulators with fewer measured targets are left out.
    n_perms
        Permutations of the spots for ``calibrate``.
    activity
        Whether activities are computed where the network has weights; decoupler does it.

    Raises
    ------
    ParameterError
        If a value is outside of its range.

    Examples
    --------
    >>> from s3rl.tl import TFEnrichmentParams
    >>> TFEnrichmentParams(min_targets=3).n_markers
    300
    """

    max_fdr: float = 0.05
    min_log2fc: float = 0.5
    n_markers: int = 300
    min_targets: int = 5
    n_perms: int = 1000
    activity: bool = True

    def __post_init__(self) -> None:
        self.check(
            {
                "max_fdr": real(0.0, 1.0 + 1e-9),
                "min_log2fc": real(0.0),
                "n_markers": whole(1),
                "min_targets": whole(1),
                "n_perms": whole(1),
                "activity": one_of(True, False),
            }
        )


class TFEnrichmentResult(NamedTuple):
    """What ``s3.tl.tf_enrichment(..., copy=True)`` returns.

    Attributes
    ----------
    results
        One row for each group and regulator.
    families
        One row for each group and family; None without ``families``.
    correlation
        One row for each regulator and metagene; None without ``metagenes_key``.
    activity
        DataFrame (n, t), activity of each regulator in each spot; None without weights.
    """

    results: pd.DataFrame
    families: pd.DataFrame | None
    correlation: pd.DataFrame | None
    activity: pd.DataFrame | None


def tf_enrichment(
    data: Data,
    network: pd.DataFrame | str | PathLike[str],
    *,
    families: Any = None,
    genes: Any = None,
    groupby: str | None = None,
    metagenes_key: str | None = None,
    layer: str | None = None,
    params: TFEnrichmentParams | Mapping[str, Any] | None = None,
    calibrate: bool = False,
    library_key: str | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> TFEnrichmentResult | None:
    """Find the transcription factors whose targets are over-represented among genes, and where they are active.

    - Each regulator: the hypergeometric test of its targets among the markers of each group, or among ``genes``. The
      background is what was measured.
    - Each family: the same test of the targets of all its regulators together, a gene counted once. It asks whether
      the family matters, not which member.
    - Where the network has weights: decoupler's univariate linear model, the t-value of the slope of expression on
      weights, in each spot, and for each group on the scores of its markers' ranking.
    - With ``metagenes_key``: the correlation over the spots of each regulator's own expression, and of its activity,
      with each metagene.

    Spots are no independent samples, so p-values of correlations are too small, on denoised expression all the more;
    results then have ``post_denoising=True`` and a line is logged. ``calibrate=True`` adds p-values of what the
    denoiser makes of tissue whose spots have been exchanged.

    Parameters
    ----------
    data
        AnnData or SpatialData, log-normalised.
    network
        Frame, or .csv or .tsv file, with columns ``source`` (regulator), ``target`` and, where there is one,
        ``weight`` (its sign is that of the regulation). Nothing is downloaded; :func:`s3rl.tl.motif_scan` makes one.
    families
        Family of each regulator: dictionary, frame of two columns, or such a file.
    genes
        Names of genes, or a dictionary of several lists, instead of the markers of groups.
    groupby
        Column of ``obs`` with the groups; None is ``"s3rl_domain"``.
    metagenes_key
        Name in ``obsm`` of patterns (n, k), such as those of :func:`s3rl.tl.metagenes`.
    layer
        Layer to use instead of ``X``, for example ``"s3rl"``.
    params
        :class:`TFEnrichmentParams`, or a mapping of some of its names.
    calibrate
        Add ``pvalue_calibrated`` and ``fdr_calibrated`` to the tests of groups and to the correlations of expression,
        for a denoised layer.
    library_key
        Column of ``obs`` that names the slice: with ``calibrate`` spots are exchanged within a slice.
    rng
        Seed or generator of the permutations.
    table_key
        Table of a SpatialData.
    key_added
        Name of the result; None is ``"tf_enrichment"``, and ``"tf_enrichment_<layer>"`` for a layer.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``TFEnrichmentResult`` with ``copy=True``. Otherwise writes

    - ``uns["tf_enrichment"]``: ``results``, ``families`` and ``correlation`` where asked for, ``tfs`` (names of the
      columns of the activities), ``params``
    - ``obsm["tf_enrichment"]``: float32 (n, t), activities of the spots, where the network has weights

    Columns of ``results``: ``group``, ``tf``, ``family`` (empty where unknown), ``overlap``, ``size`` (measured
    targets), ``n_genes`` (of the list), ``odds_ratio``, ``fold`` (overlap over expectation), ``pvalue``, ``fdr``
    (within each group), ``genes`` (joined by ``;``), ``activity``, ``activity_pvalue`` and ``activity_fdr`` where there
    are weights and groups, ``post_denoising``. ``families`` has ``family`` instead of the regulator, ``n_tfs`` and
    ``n_enriched`` (regulators with a false discovery rate of at most 0.05). ``correlation``: ``tf``, ``family``,
    ``metagene`` (its column, from ``"0"``), ``of`` (``"expression"`` or ``"activity"``), ``r``, ``pvalue``, ``fdr``
    (within ``of``), ``post_denoising``.

    Raises
    ------
    ParameterError
        If an argument is out of range, or no regulator has enough targets.
    InputError
        If the network or the families lack columns or values, or share no gene with the table.
    StoreError
        If a file cannot be read.
    MissingKeyError
        If a column, a layer or the metagenes are not there.
    LabelsError
        If there is one group only, or a group has a single spot.
    CountsError
        If the values are not log-normalised.
    MissingExtraError
        If the network has weights and decoupler is not installed.

    Notes
    -----
    Badia-i-Mompel et al., Bioinform. Adv. 2022 (decoupler); Fu et al., Adv. Sci. 2025, section 2.10.

    Examples
    --------
    >>> import pandas as pd
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=150, n_genes=60, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> network = pd.DataFrame({"source": ["A"] * 8 + ["B"] * 8, "target": adata.var_names[:16]})
    >>> found = s3.tl.tf_enrichment(adata, network, genes=adata.var_names[:10], copy=True).results
    >>> found[["tf", "overlap", "size", "n_genes"]]
      tf  overlap  size  n_genes
    0  A        8     8       10
    1  B        2     8       10
    """
    table = table_of(data, table_key)
    chosen, seed = TFEnrichmentParams.of(params), seed_of(rng)
    wanted = flag_of(calibrate, "params={'n_perms': 1000}")
    request = Request(
        network_of(network), {} if families is None else families_of(families), genes, groupby, metagenes_key, layer,
        chosen, wanted, library_key, seed,
    )  # fmt: skip
    found = found_in(table, request)
    if copy:
        return TFEnrichmentResult(
            found.results, found.families if families is not None else None, found.correlation, found.frame(table)
        )
    key = key_added or f"tf_enrichment{'' if layer is None else f'_{layer}'}"
    stale = [("obsm", key)] if recorded(table, key, "tfs") and recorded(table, key, "activity") else []
    write_slots(table, found.slots(key, request, with_families=families is not None), stale=stale)
    return None
