"""Enrichment on denoised expression, calibrated: the same denoiser on tissue whose spots have been exchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s3rl._slots.labels import categories_of
from s3rl._slots.post_denoising import readout_of
from s3rl._slots.table import normalised_expression_of, slices_of
from s3rl.errors import ParameterError
from s3rl.statistics.multiple import fdr, permutation_pvalue
from s3rl.statistics.running_score import enrichment_scores
from s3rl.statistics.spot_permutations import contrasts, gene_scale, permuted_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    from s3rl._slots.markers import Ranking

CALIBRATED = ("pvalue_calibrated", "fdr_calibrated")


class Null(NamedTuple):
    """Linear scores of the genes of a ranking under the denoiser, as observed and with spots exchanged.

    Attributes
    ----------
    observed
        Mean of each group less that of the rest, of genes at unit variance, float64 (g, q).
    permuted
        The same for a few permutations at a time, float64 (g, m, q).
    total
        How many permutations in all.
    """

    observed: np.ndarray
    permuted: Iterator[np.ndarray]
    total: int


def refuse(calibrate: bool, ranking: Ranking | None, markers_key: str | None) -> None:
    """Refuse to calibrate what is no test on denoised expression that was made here."""
    if not calibrate:
        return
    if ranking is None or markers_key is not None or not ranking.denoised:
        raise ParameterError(
            "is for groups of spots that are compared here on a denoised layer",
            key="calibrate",
            found="a test on other values, or no test",
            fix="calibrate=False, or layer='s3rl' with groupby and neither genes nor markers_key",
        )


def null_of(
    table: AnnData,
    ranking: Ranking,
    groupby: str,
    layer: str | None,
    library_key: str | None,
    *,
    n_perms: int,
    seed: int,
) -> Null:
    """The scores that the markers and rankings come from, in the linear form that can be permuted."""
    place = {gene: number for number, gene in enumerate(table.var_names.astype(str))}
    values = normalised_expression_of(table)[:, [place[gene] for gene in ranking.genes]]
    labels = categories_of(table, groupby, fix="pass another column")
    codes = np.array([ranking.groups.index(name) if isinstance(name, str) else -1 for name in np.asarray(labels)])
    strata = None if library_key is None else slices_of(table, library_key)[0]
    weights = readout_of(table, layer).smooth(contrasts(codes, len(ranking.groups)))
    scale = gene_scale(values)
    batches = (part / scale[:, None, None] for part in permuted_scores(values, weights, n_perms, seed, strata))
    return Null(np.asarray(values.T @ weights) / scale[:, None], batches, n_perms)


def calibrated_lists(null: Null, lists: np.ndarray, member: sp.csr_matrix) -> np.ndarray:
    """P-values (q, t) of the overlap of each set with as many genes at the top as the group has markers (q, g)."""
    numbers = lists.sum(axis=1)
    observed = np.array([_at_top(row, k, member) for row, k in zip(null.observed.T, numbers, strict=True)])
    hits = np.zeros(observed.shape)
    for part in null.permuted:
        for scores in np.moveaxis(part, 1, 0):
            found = [_at_top(row, k, member) for row, k in zip(scores.T, numbers, strict=True)]
            hits += np.array(found) >= observed
    return permutation_pvalue(hits, null.total)


def _at_top(scores: np.ndarray, count: int, member: sp.csr_matrix) -> np.ndarray:
    if count == 0:
        return np.zeros(member.shape[0])
    top = np.zeros(len(scores))
    top[np.argpartition(-scores, count - 1)[:count]] = 1.0
    return np.asarray(member @ top)


def calibrated_rankings(null: Null, member: sp.csr_matrix, weight: float) -> np.ndarray:
    """P-values (q, t) of the enrichment score of each set, in either direction."""
    observed = np.array([enrichment_scores(row, member, weight) for row in null.observed.T])
    hits = np.zeros(observed.shape)
    for part in null.permuted:
        for scores in np.moveaxis(part, 1, 0):
            found = np.array([enrichment_scores(row, member, weight) for row in scores.T])
            hits += np.abs(found) >= np.abs(observed) - 1e-12
    return permutation_pvalue(hits, null.total)


def add_calibrated(results: pd.DataFrame, pvalues: np.ndarray) -> None:
    """Write the two columns; false discovery rates within each group, as the others."""
    groups = np.repeat(np.arange(pvalues.shape[0]), pvalues.shape[1])
    for name, column in zip(CALIBRATED, (pvalues.ravel(), fdr(pvalues.ravel(), groups)), strict=True):
        results[name] = column
