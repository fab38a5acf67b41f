"""Which genes mark a group of spots: scanpy's ranking, read from ``uns`` or computed beside the table."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._slots.labels import categories_of
from s3rl._slots.post_denoising import is_denoised
from s3rl._slots.table import normalised_expression_of, slot_of
from s3rl.errors import InputError, LabelsError
from s3rl.statistics.multiple import fdr
from s3rl.statistics.rank_ties import tie_factor

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

_RANK_FIX = "scanpy.tl.rank_genes_groups(adata, groupby, method='wilcoxon')"


class Ranking(NamedTuple):
    """Genes ranked in each group against all other spots.

    Attributes
    ----------
    groups, genes
        Names of the q groups and of the g genes.
    scores
        Higher where a gene is higher in the group, float64 (q, g); nan where a gene was not ranked.
    adjusted, log2fc
        Adjusted p-values and log2 fold changes, float64 (q, g).
    denoised
        Whether the values ranked are denoised.
    """

    groups: list[str]
    genes: np.ndarray
    scores: np.ndarray
    adjusted: np.ndarray
    log2fc: np.ndarray
    denoised: bool

    def markers(self, max_fdr: float, min_log2fc: float, n_markers: int) -> np.ndarray:
        """Boolean (q, g): genes higher in the group within the thresholds, at most ``n_markers`` by their score."""
        scores = np.nan_to_num(self.scores, nan=-np.inf)
        chosen = (self.adjusted <= max_fdr) & (self.log2fc >= min_log2fc) & (scores > 0)
        order = np.argsort(-np.where(chosen, scores, -np.inf), axis=1, kind="stable")
        first = np.zeros(chosen.shape, dtype=bool)
        np.put_along_axis(first, order[:, :n_markers], True, axis=1)
        return chosen & first


def named_groups(table: AnnData, groupby: str, *, fix: str, least: int = 2) -> pd.Categorical:
    """Categorical (n,) of groups that have ``least`` spots and are two or more; spots without a name stay missing.

    Raises
    ------
    LabelsError
        If there is one group only, or a group has fewer spots.
    """
    labels = categories_of(table, groupby, fix=fix).remove_unused_categories()
    sizes = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.categories))
    small = [f"{name} ({size})" for name, size in zip(labels.categories, sizes, strict=True) if size < least]
    if len(sizes) < 2 or small:
        raise LabelsError(
            "names one group; a comparison needs two" if len(sizes) < 2 else f"has groups of fewer than {least} spots",
            key=f"obs[{groupby!r}]",
            found=", ".join(small or map(str, labels.categories)),
            fix=fix if len(sizes) < 2 else "set their label to missing, or give them the name of another group",
        )
    return labels


def ranking_of(table: AnnData, groupby: str, layer: str | None, *, fix: str) -> Ranking:
    """Wilcoxon's test of each group against the rest, corrected for ties, of the genes that are expressed anywhere."""
    values = normalised_expression_of(table, layer)
    labels = named_groups(table, groupby, fix=fix)
    named = labels.codes >= 0
    seen = np.asarray((values[named] != 0).sum(axis=0)).ravel() > 0
    values = values[named][:, seen]
    found = _rank(values, labels[named])
    order = [np.argsort(names) for names in found["names"]]
    scores, log2fc = (
        np.array([row[place] for row, place in zip(found[name], order, strict=True)], dtype=np.float64)
        for name in ("scores", "logfoldchanges")
    )
    # as tie_correct=True, which takes an order of magnitude longer
    factor = tie_factor(values)
    scores = scores / np.sqrt(np.where(factor > 0, factor, 1.0))
    groups = [str(name) for name in labels.categories]
    return Ranking(
        groups, table.var_names.to_numpy(dtype=str)[seen], scores, _adjusted(scores), log2fc, is_denoised(table, layer)
    )


def _rank(values: sp.csr_matrix, labels: pd.Categorical) -> dict[str, list[np.ndarray]]:
    """The ranking of scanpy, a list over the groups for each field; genes are named by their numbers."""
    import pandas as pd
    import scanpy as sc
    from anndata import AnnData

    groups = pd.Categorical.from_codes(labels.codes, [f"g{number}" for number in range(len(labels.categories))])
    index = pd.Index([str(number) for number in range(values.shape[0])])
    genes = pd.DataFrame(index=pd.Index([f"{number:09d}" for number in range(values.shape[1])]))
    scratch = AnnData(values, obs=pd.DataFrame({"group": groups}, index=index), var=genes)
    with warnings.catch_warnings():
        # zero divided by zero where a gene is in neither part, and frames built column by column
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(scratch, "group", method="wilcoxon", use_raw=False)
    found = scratch.uns["rank_genes_groups"]
    return {
        field: [np.asarray(found[field][name]) for name in groups.categories]
        for field in ("names", "scores", "logfoldchanges")
    }


def _adjusted(scores: np.ndarray) -> np.ndarray:
    from scipy.stats import norm

    return np.array([fdr(row) for row in 2 * norm.sf(np.abs(scores))])


def ranking_from(table: AnnData, key: str) -> Ranking:
    """Ranking that ``scanpy.tl.rank_genes_groups`` has written to ``uns[key]``, genes in the order of the table.

    Raises
    ------
    MissingKeyError
        If there is no such slot.
    InputError
        If it is not such a ranking, or ranks genes that the table does not have.
    """
    found = slot_of(table, "uns", key, fix=_RANK_FIX)
    fields = ("names", "scores", "pvals_adj", "logfoldchanges")
    names = getattr(found.get("names"), "dtype", None) if isinstance(found, dict) else None
    if names is None or names.names is None or any(field not in found for field in fields):
        raise InputError(
            "is not a ranking of genes with scores, adjusted p-values and fold changes",
            key=f"uns[{key!r}]",
            found=", ".join(map(str, found)) if isinstance(found, dict) else type(found).__name__,
            fix=_RANK_FIX,
        )
    params: dict[str, Any] = dict(found.get("params", {}))
    of_raw = bool(params.get("use_raw")) and table.raw is not None
    genes = (table.raw.var_names if of_raw else table.var_names).to_numpy(dtype=str)
    place = {gene: number for number, gene in enumerate(genes)}
    values = {field: np.full((len(names.names), len(genes)), np.nan) for field in fields[1:]}
    for row, group in enumerate(names.names):
        ranked = [str(gene) for gene in found["names"][group]]
        unknown = [gene for gene in ranked if gene not in place]
        if unknown:
            raise InputError(
                "ranks genes that the table does not have",
                key=f"uns[{key!r}]",
                found=", ".join(unknown[:5]),
                fix=_RANK_FIX,
            )
        for field, target in values.items():
            target[row, [place[gene] for gene in ranked]] = np.asarray(found[field][group], dtype=np.float64)
    return Ranking(
        [str(group) for group in names.names],
        genes,
        values["scores"],
        np.nan_to_num(values["pvals_adj"], nan=1.0),
        np.nan_to_num(values["logfoldchanges"], nan=-np.inf),
        is_denoised(table, params.get("layer")),
    )
