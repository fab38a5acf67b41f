"""The steps of ``tl.tf_enrichment``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._slots.embedding import embedding_of
from s3rl._slots.extras import import_extra
from s3rl._slots.gene_lists import DOMAIN, GeneLists, gene_lists_of
from s3rl._slots.gene_sets import MeasuredSets, measured_sets
from s3rl._slots.post_denoising import is_denoised, readout_of
from s3rl._slots.table import normalised_expression_of, slices_of
from s3rl.errors import ParameterError
from s3rl.statistics.correlation import calibrated_pearson, pearson
from s3rl.statistics.multiple import fdr
from s3rl.tl import _enrich_calibrate as calibration
from s3rl.tl._enrich_methods import over_represented
from s3rl.tl._enrich_parts import thresholds, warn

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl.tl._tf_enrichment import TFEnrichmentParams

_LEVEL = 0.05
# spots that are dense at a time
_CHUNK = 500


class Request(NamedTuple):
    """Arguments of ``tl.tf_enrichment``, checked as far as they can be without the table."""

    network: pd.DataFrame
    families: dict[str, str]
    genes: Any
    groupby: str | None
    metagenes_key: str | None
    layer: str | None
    params: TFEnrichmentParams
    calibrate: bool
    library_key: str | None
    seed: int


class Found(NamedTuple):
    """All tables, and the activities of the spots."""

    results: pd.DataFrame
    families: pd.DataFrame
    correlation: pd.DataFrame | None
    tfs: list[str]
    activity: np.ndarray | None

    def frame(self, table: AnnData) -> pd.DataFrame | None:
        """Activities with their names."""
        import pandas as pd

        if self.activity is None:
            return None
        return pd.DataFrame(self.activity, index=table.obs_names.copy(), columns=pd.Index(self.tfs))

    def slots(self, key: str, request: Request, *, with_families: bool) -> dict[tuple[str, str], Any]:
        """What is written, by attribute and key."""
        from s3rl import __version__

        described: dict[str, Any] = {"results": self.results, "tfs": list(self.tfs)}
        if with_families:
            described["families"] = self.families
        if self.correlation is not None:
            described["correlation"] = self.correlation
        named = ("groupby", "metagenes_key", "layer", "calibrate", "library_key")
        described["params"] = {
            **{name: getattr(request, name) for name in named},
            "groupby": (request.groupby or DOMAIN) if request.genes is None else None,
            **request.params.as_dict(),
            "version": __version__,
            "seed": request.seed if request.seed < 2**63 else str(request.seed),
        }
        slots: dict[tuple[str, str], Any] = {("uns", key): described}
        if self.activity is not None:
            slots["obsm", key] = self.activity
        return slots


def found_in(table: AnnData, request: Request) -> Found:
    """Everything that was asked for."""
    _refuse(table, request)
    given = request.genes is not None
    lists = gene_lists_of(
        table, genes=request.genes, groupby=request.groupby, layer=None if given else request.layer, markers_key=None,
        thresholds=thresholds(request.params),
    )  # fmt: skip
    metagenes = _metagenes(table, request.metagenes_key)
    sets = measured_sets(
        {str(tf): own.tolist() for tf, own in request.network.groupby("source", sort=True)["target"]},
        list(lists.genes), min_size=request.params.min_targets, key="network",
    )  # fmt: skip
    pooled = _pooled(sets, request.families)
    results = over_represented(lists.names, lists.lists, lists.genes, sets).rename(columns={"term": "tf"})
    results.insert(2, "family", _family(results["tf"], request.families))
    families = over_represented(lists.names, lists.lists, lists.genes, pooled).rename(columns={"term": "family"})
    _count_members(families, results)
    if request.calibrate and lists.ranking is not None:
        _calibrate(table, request, lists, (results, sets), (families, pooled))
    weighted = "weight" in request.network.columns and request.params.activity
    activity = _of_spots(table, request, lists.genes, sets) if weighted else None
    if weighted and lists.ranking is not None:
        _add_activity(results, lists.ranking.scores, lists.genes, request, sets)
    denoised = lists.ranking is not None and lists.ranking.denoised
    correlation = None if metagenes is None else _correlated(table, request, metagenes, sets.names, activity)
    families["post_denoising"] = np.full(len(families), denoised)
    results["post_denoising"] = np.full(len(results), denoised)
    warn(denoised or (correlation is not None and is_denoised(table, request.layer)), "tf_enrichment")
    return Found(results, families, correlation, sets.names, activity)


def _refuse(table: AnnData, request: Request) -> None:
    """What has no meaning together."""
    tests = request.genes is None or request.metagenes_key is not None
    if request.calibrate and not (is_denoised(table, request.layer) and tests):
        raise ParameterError(
            "is for tests on a denoised layer",
            key="calibrate",
            found=f"layer={request.layer!r}, {'groups' if request.genes is None else 'genes'}",
            fix="calibrate=False, or layer='s3rl' with groups or metagenes_key",
        )


def _metagenes(table: AnnData, key: str | None) -> np.ndarray | None:
    return None if key is None else embedding_of(table, key, fix="s3.tl.metagenes(adata, genes)")


def _family(tfs: pd.Series, families: dict[str, str]) -> np.ndarray:
    return np.array([families.get(tf, "") for tf in tfs], dtype=object)


def _pooled(sets: MeasuredSets, families: dict[str, str]) -> MeasuredSets:
    """Targets of all regulators of a family, each gene once."""
    names = sorted({families[tf] for tf in sets.names if tf in families})
    rows = [names.index(families[tf]) for tf in sets.names if tf in families]
    columns = [place for place, tf in enumerate(sets.names) if tf in families]
    join = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(sets.names)))
    member = sp.csr_matrix(join @ sets.member)
    member.data[:] = 1.0
    return MeasuredSets(names, member, np.diff(member.indptr).astype(np.int64))


def _count_members(families: pd.DataFrame, results: pd.DataFrame) -> None:
    own = results[results["family"] != ""].groupby(["group", "family"], sort=False)["fdr"]
    counted = own.agg(n_tfs="size", n_enriched=lambda values: int((values <= _LEVEL).sum()))
    index = list(zip(families["group"], families["family"], strict=True))
    for place, name in enumerate(("n_tfs", "n_enriched"), start=2):
        families.insert(place, name, counted[name].reindex(index).to_numpy(dtype=np.int64))


def _calibrate(table: AnnData, request: Request, lists: GeneLists, *tests: tuple[pd.DataFrame, MeasuredSets]) -> None:
    if lists.ranking is None:
        return
    null = calibration.null_of(
        table, lists.ranking, request.groupby or DOMAIN, request.layer, request.library_key,
        n_perms=request.params.n_perms, seed=request.seed,
    )  # fmt: skip
    member = sp.vstack([sets.member for _, sets in tests], format="csr")
    pvalues = calibration.calibrated_lists(null, lists.lists, member)
    edges = np.cumsum([0, *(len(sets.names) for _, sets in tests)])
    for (results, _), first, last in zip(tests, edges[:-1], edges[1:], strict=True):
        calibration.add_calibrated(results, pvalues[:, first:last])


def _scores(values: np.ndarray, genes: np.ndarray, request: Request, tfs: list[str]) -> np.ndarray:
    """Univariate linear model of each row (m, g): t-values (m, t)."""
    import pandas as pd

    decoupler = import_extra("decoupler", "enrichment")
    frame = pd.DataFrame(values, index=[str(row) for row in range(len(values))], columns=genes)
    network = request.network[request.network["source"].isin(tfs)]
    scores = decoupler.mt.ulm(data=frame, net=network, tmin=1, empty=False)[0]
    return scores.reindex(index=frame.index, columns=tfs).to_numpy(dtype=np.float64)


def _of_spots(table: AnnData, request: Request, genes: np.ndarray, sets: MeasuredSets) -> np.ndarray:
    place = {gene: number for number, gene in enumerate(table.var_names.astype(str))}
    values = normalised_expression_of(table, request.layer)[:, [place[gene] for gene in genes]]
    parts = [
        _scores(values[first : first + _CHUNK].toarray(), genes, request, sets.names)
        for first in range(0, table.n_obs, _CHUNK)
    ]
    return np.vstack(parts).astype(np.float32)


def _add_activity(
    results: pd.DataFrame, scores: np.ndarray, genes: np.ndarray, request: Request, sets: MeasuredSets
) -> None:
    from scipy.stats import t

    activity = _scores(np.nan_to_num(scores), genes, request, sets.names)
    pvalue = 2 * t.sf(np.abs(activity), len(genes) - 2)
    groups = np.repeat(np.arange(len(activity)), activity.shape[1])
    results["activity"] = activity.ravel()
    results["activity_pvalue"] = pvalue.ravel()
    results["activity_fdr"] = fdr(pvalue.ravel(), groups)


def _correlated(
    table: AnnData, request: Request, metagenes: np.ndarray, tfs: list[str], activity: np.ndarray | None
) -> pd.DataFrame:
    """Regulators beside metagenes: their own expression where it was measured, and their activity."""
    import pandas as pd

    names = table.var_names.astype(str)
    measured = [tf for tf in sorted(set(request.network["source"])) if tf in names]
    columns = [names.get_loc(tf) for tf in measured]
    values = normalised_expression_of(table, request.layer)[:, columns].toarray()
    parts = [_tidy(measured, metagenes, values, "expression", request)]
    if request.calibrate:
        raw = normalised_expression_of(table)[:, columns].toarray().astype(np.float64)
        strata = None if request.library_key is None else slices_of(table, request.library_key)[0]
        pvalue = calibrated_pearson(
            raw, metagenes, readout_of(table, request.layer),
            n_perms=request.params.n_perms, seed=request.seed, strata=strata,
        )  # fmt: skip
        parts[0]["pvalue_calibrated"], parts[0]["fdr_calibrated"] = pvalue.ravel(), fdr(pvalue.ravel())
    if activity is not None:
        parts.append(_tidy(tfs, metagenes, activity, "activity", request))
    joined = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    joined["post_denoising"] = np.full(len(joined), is_denoised(table, request.layer))
    return joined


def _tidy(tfs: list[str], metagenes: np.ndarray, values: np.ndarray, of: str, request: Request) -> pd.DataFrame:
    import pandas as pd

    r, pvalue = pearson(values, metagenes)
    count = metagenes.shape[1]
    named = np.repeat(np.asarray(tfs, dtype=object), count)
    return pd.DataFrame(
        {
            "tf": named,
            "family": _family(pd.Series(named), request.families),
            "metagene": np.tile(np.array([str(k) for k in range(count)], dtype=object), len(tfs)),
            "of": np.full(len(named), of, dtype=object),
            "r": r.ravel(),
            "pvalue": pvalue.ravel(),
            "fdr": fdr(pvalue.ravel()),
        }
    )
