"""Genes that change along a trajectory, as one tidy table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._slots.calibration import blind_before, frame_of
from s3rl._slots.layers import Expression, genes_of, say_post_denoising
from s3rl.statistics.multiple import fdr
from s3rl.statistics.trend import correlation

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

# numbers in one dense block of genes, 32 MB
_BLOCK = 4_000_000

ALONG = "pseudotime"
"""Name in the column ``lineage`` of the pseudotime itself."""


def drivers_of(
    table: AnnData, expression: Expression, targets: dict[str, np.ndarray], permutations: int, seed: int
) -> pd.DataFrame:
    """Correlation of each gene with the pseudotime and each fate; largest first within a lineage.

    Parameters
    ----------
    table
        The user's table.
    expression
        Layer of which the genes are taken.
    targets
        Names of the lineages and their values (n,).
    permutations
        0 for none.
    seed
        Of the permutations.
    """
    genes = genes_of(table, None, [expression])
    say_post_denoising([expression], bool(permutations))
    lineages = list(targets)
    values = np.stack(list(targets.values()), axis=1)
    size = max(8, _BLOCK // table.n_obs)
    parts = [
        correlation(expression.columns(genes[start : start + size]), values) for start in range(0, len(genes), size)
    ]
    r = np.concatenate([part.r for part in parts]).T
    pvalues = np.concatenate([part.pvalues for part in parts]).T
    order = np.argsort(np.where(np.isnan(r), np.inf, -r), axis=1, kind="stable")
    groups = np.repeat(np.arange(len(lineages))[:, None], len(genes), axis=1)
    columns = {"correlation": r, "pvalue": pvalues, "fdr": fdr(pvalues, groups)}
    if permutations:
        found = _calibrated(table, expression, genes, values, permutations, seed)
        columns |= {"pvalue_calibrated": found, "fdr_calibrated": fdr(found, groups)}
    shown = {name: np.take_along_axis(column, order, axis=1).ravel() for name, column in columns.items()}
    return frame_of(
        {
            "gene": table.var_names.to_numpy(str).astype(object)[genes][order].ravel(),
            "lineage": np.repeat(np.array(lineages, dtype=object), len(genes)),
            **shown,
            "post_denoising": np.full(order.size, expression.denoised),
        },
        ("lineage",),
    )


def _calibrated(
    table: AnnData, expression: Expression, genes: np.ndarray, values: np.ndarray, permutations: int, seed: int
) -> np.ndarray:
    """P-values (lineages, genes) of the covariance, where the values before denoising change places over the spots."""
    before = blind_before(table, expression, seed)
    rows, strata = np.arange(table.n_obs), np.zeros(table.n_obs, dtype=np.int64)
    return np.stack(
        [
            before.pvalues(genes, weights, rows, strata, ranks=False, seed=seed, count=permutations)
            for weights in (values - values.mean(axis=0)).T
        ]
    )
