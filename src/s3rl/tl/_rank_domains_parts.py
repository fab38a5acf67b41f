"""Pairs of domains that touch, and the tests of one pair."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from s3rl._log import note
from s3rl._slots.calibration import Before, groups_of
from s3rl.communication.adjacency import touching
from s3rl.errors import InputError, LabelsError
from s3rl.statistics.multiple import fdr

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

Two: TypeAlias = tuple[tuple[str, np.ndarray], tuple[str, np.ndarray]]

_FEWEST_EDGES = 3


def domains_of(labels: pd.Categorical, min_spots: int, groupby: str) -> list[tuple[str, np.ndarray]]:
    """Names and rows of the domains of ``min_spots`` spots or more.

    Raises
    ------
    LabelsError
        If there are fewer than two.
    """
    found = groups_of(labels, np.ones(len(labels), dtype=bool), min_spots, groupby)
    if len(found) < 2:
        raise LabelsError(
            f"has fewer than two domains of {min_spots} spots or more", key=f"obs[{groupby!r}]", found=found[0][0],
            fix="pass a column with two domains, or lower min_spots",
        )  # fmt: skip
    return found


def pairs_of(counts: np.ndarray, share: float | None, groupby: str) -> list[tuple[int, int]]:
    """Pairs of domains that are compared, by their edges (c, c); all where ``share`` is None.

    Raises
    ------
    InputError
        If there is none.
    """
    meet = np.ones(counts.shape, dtype=bool)
    if share is not None:
        meet = touching(counts, share) & (counts >= _FEWEST_EDGES)
    pairs = [(int(first), int(second)) for first, second in zip(*np.nonzero(np.triu(meet, 1)), strict=True)]
    if not pairs:
        raise InputError(
            "has no two domains that touch", key=f"obs[{groupby!r}]",
            found=f"{len(counts)} domains, {int(np.triu(counts, 1).sum())} edges between them",
            fix="pass adjacent=False for all pairs, or a lower share such as adjacent=0.01",
        )  # fmt: skip
    alone = [number for number in range(len(counts)) if not any(number in pair for pair in pairs)]
    if alone:
        note("%d domains touch no other one and are not compared", len(alone))
    return pairs


def tested(table: AnnData, values: sp.csr_matrix | np.ndarray, places: np.ndarray, two: Two) -> dict[str, Any]:
    """Columns (g,) of one pair from scanpy, on a copy that it may write to."""
    import anndata as ad
    import pandas as pd
    import scanpy as sc

    (domain, first), (reference, second) = two
    rows = np.concatenate([first, second])
    values = values[rows][:, places]
    labels = pd.Categorical.from_codes(np.repeat([0, 1], [len(first), len(second)]), ["domain", "reference"])
    names = pd.Index([str(number) for number in range(len(places))])
    scratch = ad.AnnData(
        sp.csr_matrix(values) if sp.issparse(values) else np.asarray(values, dtype=np.float32),
        obs=pd.DataFrame({"side": labels}, index=[str(row) for row in rows]),
        var=pd.DataFrame(index=names),
    )
    logged = table.uns.get("log1p", {})
    scratch.uns["log1p"] = {"base": logged.get("base") if hasattr(logged, "get") else None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(
            scratch, "side", groups=["domain"], reference="reference", method="wilcoxon", use_raw=False,
            tie_correct=True, pts=True,
        )  # fmt: skip
    found = scratch.uns["rank_genes_groups"]
    back = pd.Index(found["names"]["domain"]).get_indexer(names)
    pts = found["pts"].loc[names]
    return {
        "domain": np.full(len(places), domain, dtype=object),
        "reference": np.full(len(places), reference, dtype=object),
        "gene": table.var_names[places].astype(str).to_numpy(dtype=object),
        "score": found["scores"]["domain"][back].astype(np.float64),
        "log2fc": found["logfoldchanges"]["domain"][back].astype(np.float64),
        "pvalue": found["pvals"]["domain"][back],
        "fdr": found["pvals_adj"]["domain"][back],
        "share_in": pts["domain"].to_numpy(np.float64),
        "share_out": pts["reference"].to_numpy(np.float64),
    }


def calibrated(
    before: Before,
    places: np.ndarray,
    two: Two,
    codes: np.ndarray,
    *,
    seed: int,
    count: int,
) -> dict[str, np.ndarray]:
    """P-values of permutations over the spots of both domains, of the difference of their means."""
    weights = np.zeros(len(codes))
    for sign, (_, rows) in zip((1.0, -1.0), two, strict=True):
        weights[rows] = sign / len(rows)
    rows = np.concatenate([rows for _, rows in two])
    pvalue = before.pvalues(places, weights, rows, codes[rows], ranks=False, seed=seed, count=count)
    return {"pvalue_calibrated": pvalue, "fdr_calibrated": fdr(pvalue)}


def directions(found: dict[str, Any], min_log2fc: float, alpha: float) -> np.ndarray:
    """Whether each gene is ``"up"`` in the domain, ``"down"`` or ``"none"``."""
    sure = found["fdr"] < alpha
    up, down = sure & (found["log2fc"] > min_log2fc), sure & (found["log2fc"] < -min_log2fc)
    return np.where(up, "up", np.where(down, "down", "none")).astype(object)


def summary(two: Two, edges: int, direction: np.ndarray) -> dict[str, Any]:
    """Row of a pair."""
    return {
        "domain": two[0][0], "reference": two[1][0], "n_domain": len(two[0][1]), "n_reference": len(two[1][1]),
        "n_edges": edges, "n_up": int((direction == "up").sum()), "n_down": int((direction == "down").sum()),
    }  # fmt: skip
