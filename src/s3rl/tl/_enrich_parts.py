"""The steps of ``tl.enrich``: what is compared, in which background, with which flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._log import note
from s3rl._slots.gene_lists import DOMAIN, GeneLists, gene_lists_of, ranking_for
from s3rl._slots.gene_sets import MeasuredSets, measured_sets, no_overlap
from s3rl._slots.markers import Ranking, named_groups
from s3rl._slots.post_denoising import is_denoised
from s3rl._slots.table import normalised_expression_of
from s3rl.errors import InputError, ParameterError
from s3rl.tl import _enrich_calibrate as calibration
from s3rl.tl._enrich_methods import over_represented, ranked, sample_scores

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl.tl._enrich import EnrichParams

_USUAL_WEIGHT = {"gsea": 1.0, "ssgsea": 0.25, "gsva": 1.0}
# from here on gsva takes minutes
_MANY_SPOTS = 1000


class Request(NamedTuple):
    """Arguments of ``tl.enrich``, checked as far as they can be without the table."""

    sets: dict[str, list[str]]
    method: str
    groupby: str | None
    genes: Any
    layer: str | None
    markers_key: str | None
    params: EnrichParams
    calibrate: bool
    library_key: str | None
    seed: int

    @property
    def weight(self) -> float:
        return _USUAL_WEIGHT[self.method] if self.params.weight is None else self.params.weight


class Found(NamedTuple):
    """Results, and what plots and the store need besides."""

    results: pd.DataFrame
    sets: MeasuredSets
    genes: np.ndarray
    scores: np.ndarray | None = None
    ranking: Ranking | None = None

    def frame(self, table: AnnData) -> pd.DataFrame | None:
        """Scores of the spots with their names."""
        import pandas as pd

        if self.scores is None:
            return None
        return pd.DataFrame(self.scores, index=table.obs_names.copy(), columns=pd.Index(self.sets.names))

    def slots(self, key: str, params: dict[str, Any], seed: int) -> dict[tuple[str, str], Any]:
        """What is written, by attribute and key."""
        from s3rl import __version__

        described: dict[str, Any] = {
            "results": self.results,
            "sets": members(self.sets, self.genes),
            "params": {**params, "version": __version__, "seed": seed if seed < 2**63 else str(seed)},
        }
        if self.ranking is not None:
            described["ranking"] = {
                "groups": list(self.ranking.groups),
                "genes": list(map(str, self.ranking.genes)),
                "scores": self.ranking.scores.T.copy(),
            }
        slots: dict[tuple[str, str], Any] = {("uns", key): described}
        if self.scores is not None:
            slots["obsm", key] = self.scores
        return slots


def members(sets: MeasuredSets, genes: np.ndarray) -> pd.DataFrame:
    """Each set with the number of its genes, those measured and their names."""
    import pandas as pd

    member = sets.member.sorted_indices()
    own = [genes[member.indices[a:b]] for a, b in zip(member.indptr[:-1], member.indptr[1:], strict=True)]
    return pd.DataFrame(
        {
            "term": np.asarray(sets.names, dtype=object),
            "given": sets.given,
            "size": np.diff(member.indptr).astype(np.int64),
            "genes": [";".join(names) for names in own],
        }
    )


def warn(denoised: bool, what: str) -> None:
    """Log what ``post_denoising`` means, where it is true."""
    if denoised:
        note(
            "%s: the values tested are denoised, which makes p-values too small; calibrate=True adds honest ones", what
        )


def thresholds(params: Any) -> tuple[float, float, int]:
    """What makes a gene a marker."""
    return params.max_fdr, params.min_log2fc, params.n_markers


def tested(table: AnnData, request: Request) -> Found:
    """Over-representation in the markers of groups or in lists."""
    found: GeneLists = gene_lists_of(
        table, genes=request.genes, groupby=request.groupby, layer=request.layer, markers_key=request.markers_key,
        thresholds=thresholds(request.params),
    )  # fmt: skip
    calibration.refuse(request.calibrate, found.ranking, request.markers_key)
    sets = _sets(request, found.genes)
    results = over_represented(found.names, found.lists, found.genes, sets)
    if request.calibrate and found.ranking is not None:
        null = _null(table, request, found.ranking)
        calibration.add_calibrated(results, calibration.calibrated_lists(null, found.lists, sets.member))
    denoised = found.ranking is not None and found.ranking.denoised
    results["post_denoising"] = np.full(len(results), denoised)
    warn(denoised, "enrich")
    return Found(results, sets, found.genes)


def walked(table: AnnData, request: Request) -> Found:
    """Preranked analysis of each group, or of the scores that were given."""
    ranking = (
        ranking_for(table, request.groupby, request.layer, request.markers_key)
        if request.genes is None
        else _given_ranking(table, request)
    )
    calibration.refuse(request.calibrate, ranking, request.markers_key)
    missing = np.isnan(ranking.scores).any(axis=0)
    if missing.any():
        raise InputError(
            "does not rank all genes, and a ranking needs both of its ends",
            key=f"uns[{request.markers_key!r}]",
            found=f"{(~missing).sum()} of {len(missing)} genes",
            fix="scanpy.tl.rank_genes_groups(adata, groupby, n_genes=adata.n_vars), or leave markers_key out",
        )
    sets = _sets(request, ranking.genes)
    results = ranked(
        ranking.groups, ranking.scores, ranking.genes, sets,
        n_random=request.params.n_random_sets, weight=request.weight, seed=request.seed,
    )  # fmt: skip
    if request.calibrate:
        null = _null(table, request, ranking)
        calibration.add_calibrated(results, calibration.calibrated_rankings(null, sets.member, request.weight))
    results["post_denoising"] = np.full(len(results), ranking.denoised)
    warn(ranking.denoised, "enrich")
    return Found(results, sets, ranking.genes, ranking=ranking)


def _given_ranking(table: AnnData, request: Request) -> Ranking:
    import pandas as pd

    given = request.genes
    frame = given.to_frame("genes") if isinstance(given, pd.Series) else given
    beside = (request.groupby, request.layer, request.markers_key)
    if not isinstance(frame, pd.DataFrame) or frame.empty or any(value is not None for value in beside):
        raise ParameterError(
            "are not scores of genes alone, which method='gsea' ranks",
            key="genes",
            found=type(given).__name__,
            fix="pass a Series of scores with the genes as index, without groupby, layer and markers_key",
        )
    numbers = frame.apply(pd.to_numeric, errors="coerce")
    numbers = numbers[~numbers.index.duplicated()]
    if not np.isfinite(numbers.to_numpy(dtype=np.float64)).all() or len(numbers) < len(frame):
        raise InputError(
            "have scores that are no finite numbers, or names twice",
            key="genes",
            found=f"{len(frame)} rows",
            fix="genes[~genes.index.duplicated()].dropna()",
        )
    names = np.asarray(numbers.index.astype(str), dtype=str)
    known = np.isin(names, table.var_names.to_numpy(dtype=str))
    if not known.any():
        raise no_overlap(names, table.var_names, key="genes")
    scores = numbers.to_numpy(dtype=np.float64)[known].T
    blank = np.full(scores.shape, np.nan)
    return Ranking([str(name) for name in frame.columns], names[known], scores, blank, blank, denoised=False)


def scored(table: AnnData, request: Request) -> Found:
    """Scores of each spot, or of the mean of each group."""
    import scipy.sparse as sp

    calibration.refuse(request.calibrate, None, None)
    if request.genes is not None or request.markers_key is not None:
        raise ParameterError(
            "are for method='ora' and method='gsea'",
            key="genes" if request.genes is not None else "markers_key",
            found=f"method={request.method!r}",
            fix="leave it out; scores are of all genes",
        )
    values = normalised_expression_of(table, request.layer)
    groups: list[str] | None = None
    if request.groupby is not None:
        labels = named_groups(table, request.groupby, fix="pass another column of adata.obs", least=1)
        groups = [str(name) for name in labels.categories]
        named = np.flatnonzero(labels.codes >= 0)
        shape = (len(groups), table.n_obs)
        mean = sp.csr_matrix((np.ones(len(named)), (labels.codes[named], named)), shape=shape)
        values = sp.csr_matrix(sp.diags(1.0 / np.asarray(mean.sum(axis=1)).ravel()) @ mean @ values)
    elif request.method == "gsva" and table.n_obs > _MANY_SPOTS:
        note("gsva compares all %d spots with each other: groupby= scores the means of groups", table.n_obs)
    return _of_samples(table, request, values, groups)


def _of_samples(table: AnnData, request: Request, values: Any, groups: list[str] | None) -> Found:
    import pandas as pd

    spread = np.asarray(values.max(axis=0).toarray() - values.min(axis=0).toarray()).ravel() > 0
    # a gene that is the same everywhere has no place among its own values
    used = spread if request.method == "gsva" else np.asarray((values != 0).sum(axis=0)).ravel() > 0
    genes = table.var_names.to_numpy(dtype=str)[used]
    sets = _sets(request, genes)
    scores = sample_scores(values[:, used], genes, sets, method=request.method, weight=request.weight)
    names = ["all"] if groups is None else groups
    size = np.diff(sets.member.indptr).astype(np.int64)
    results = pd.DataFrame(
        {
            "group": np.repeat(np.asarray(names, dtype=object), len(size)),
            "term": np.tile(np.asarray(sets.names, dtype=object), len(names)),
            "overlap": np.tile(size, len(names)),
            "size": np.tile(sets.given, len(names)),
        }
    )
    if groups is None:
        results["score"] = scores.mean(axis=0, dtype=np.float64)
        results["sd"] = scores.std(axis=0, dtype=np.float64)
    else:
        results["score"] = scores.ravel().astype(np.float64)
    results["post_denoising"] = np.full(len(results), is_denoised(table, request.layer))
    return Found(results, sets, genes, scores=scores if groups is None else None)


def _sets(request: Request, genes: np.ndarray) -> MeasuredSets:
    params = request.params
    most = params.max_size if request.method == "ora" else min(params.max_size, len(genes) - 1)
    return measured_sets(request.sets, list(genes), min_size=params.min_size, max_size=most)


def _null(table: AnnData, request: Request, ranking: Ranking) -> calibration.Null:
    return calibration.null_of(
        table, ranking, request.groupby or DOMAIN, request.layer, request.library_key,
        n_perms=request.params.n_perms, seed=request.seed,
    )  # fmt: skip
