"""What tests call on tissue whose coordinates were shuffled before anything was computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._random import stream
from s3rl.errors import InputError, LabelsError
from s3rl.statistics.heldout import wilson
from s3rl.statistics.permutations import permutation
from s3rl.tl._denoising_report_refit import Plan, fitted, quiet

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

LEVEL = 0.05
RAW, DENOISED, CALIBRATED = "raw", "denoised", "calibrated"
REGIONS, FOUND = "regions", "found"
_DECOYS = 0.2
_GENES, _PAIRS, _PERMUTATIONS = 1000, 200, 499
_FEWEST_SPOTS = 10
_FEWEST_EXPRESSING = 20
_REGION = "denoising_report_region"
# keeps this stream apart from others of the same seed
_PATH = 0x9E41


class Shuffled(NamedTuple):
    """Tissue where there is nothing to find.

    Attributes
    ----------
    table
        Fitted after the expression was exchanged between the spots, within slices; its regions stayed where they are.
    decoys
        Boolean (g,): genes with the same share in all spots, so that they have nothing to do with others either.
    """

    table: AnnData
    decoys: np.ndarray


def shuffled(table: AnnData, counts: sp.csr_matrix, regions: pd.Series, plan: Plan) -> Shuffled:
    """Exchange expression between spots, which is to exchange their coordinates, and fit the model to it."""
    rng = stream(plan.seed, _PATH)
    moved = sp.csr_matrix(counts[permutation(plan.seed, _PATH, table.n_obs, plan.codes)])
    decoys = np.zeros(table.n_vars, dtype=bool)
    decoys[rng.permutation(table.n_vars)[: int(_DECOYS * table.n_vars)]] = True
    # of the other genes alone: decoys take part in the new totals, so only this gives them the same share of those
    totals = np.asarray(moved[:, ~decoys].sum(axis=1)).ravel()
    # a spot must keep a count of another gene
    decoys &= bool((totals > 0).all())
    order = np.argsort(np.concatenate([np.flatnonzero(~decoys), np.flatnonzero(decoys)]))
    even = _even(moved[:, decoys], totals, plan.codes, rng)
    null = fitted(table, sp.csr_matrix(sp.csc_matrix(sp.hstack([moved[:, ~decoys], even]))[:, order]), plan)
    null.obs[_REGION] = regions.to_numpy()
    return Shuffled(null, decoys)


def _even(counts: sp.csr_matrix, totals: np.ndarray, codes: np.ndarray, rng: np.random.Generator) -> sp.csc_matrix:
    """As many counts of each gene (n, m) in each slice, drawn for the spots in proportion to their totals."""
    slices = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    sums = [np.asarray(counts[rows].sum(axis=0)).ravel().astype(np.int64) for rows in slices]
    found = []
    for gene in range(counts.shape[1]):
        drawn = np.zeros((len(totals), 1))
        for rows, number in zip(slices, sums, strict=True):
            drawn[rows, 0] = rng.multinomial(number[gene], totals[rows] / totals[rows].sum())
        found.append(sp.csc_matrix(drawn))
    return sp.csc_matrix(sp.hstack(found)) if found else sp.csc_matrix(counts)


def false_discoveries(null: Shuffled, plan: Plan) -> pd.DataFrame:
    """One row for each test, kind of clusters, and expression."""
    import pandas as pd

    rows = [*_variable_genes(null, plan)]
    for clusters, column in ((REGIONS, _REGION), (FOUND, _keys.ModelKeys().domain)):
        rows += _pairs(null, plan, clusters, column)
    columns = ["analysis", "clusters", "expression", "tests", "units", "share", "low", "high", "called", "nominal"]
    frame = pd.DataFrame(rows, columns=columns)
    frame.index = frame.index.astype(str)
    return frame


def _variable_genes(null: Shuffled, plan: Plan) -> list[dict[str, Any]]:
    import s3rl

    table = null.table
    genes = _expressed(table, np.ones(table.n_vars, dtype=bool))
    genes = np.sort(stream(plan.seed, _PATH, 1).permutation(genes)[:_GENES])
    if not len(genes):
        return []
    names = table.var_names[genes].tolist()
    given = {"genes": names, "connectivity_key": plan.spatial, "library_key": plan.library_key, "rng": plan.seed}
    with quiet():
        raw = s3rl.tl.spatially_variable_genes(table, copy=True, **given).results
        smooth = s3rl.tl.spatially_variable_genes(
            table, layer=_keys.ModelKeys().layer, calibrate=True, copy=True, **given
        ).results
    units = len(genes)
    return [
        _row("spatially_variable_genes", "", RAW, raw["pvalue"], raw["fdr"], units),
        _row("spatially_variable_genes", "", DENOISED, smooth["pvalue"], smooth["fdr"], units),
        _row("spatially_variable_genes", "", CALIBRATED, smooth["pvalue_calibrated"], smooth["fdr_calibrated"], units),
    ]


def _pairs(null: Shuffled, plan: Plan, clusters: str, column: str) -> list[dict[str, Any]]:
    import pandas as pd

    import s3rl

    table = null.table
    # clusters found in a gene follow it: only genes that are even have nothing to find there
    genes = _expressed(table, null.decoys if clusters == FOUND else np.ones(table.n_vars, dtype=bool))
    genes = stream(plan.seed, _PATH, 2).permutation(genes)
    half = min(len(genes) // 2, _PAIRS)
    if half < 2:
        return []
    listed = pd.DataFrame(
        {"ligand": table.var_names[genes[:half]], "receptor": table.var_names[genes[half : 2 * half]]}
    )
    own, labels = table.copy(), table.obs[column].astype(object)
    sizes = labels.map(labels.value_counts())
    own.obs[column] = pd.Categorical(labels.where(sizes >= _FEWEST_SPOTS))
    given = {
        "resource": listed, "n_perms": _PERMUTATIONS, "library_key": plan.library_key, "rng": plan.seed,
        "params": {"connectivity_key": plan.spatial},
    }  # fmt: skip
    try:
        with quiet():
            raw = s3rl.tl.ligrec(own, column, copy=True, **given).results
            smooth = s3rl.tl.ligrec(
                own, column, layer=_keys.ModelKeys().layer, calibrate=True, copy=True, **given
            ).results
    except (InputError, LabelsError):
        return []
    return [
        _row("ligrec", clusters, RAW, raw["pvalue"], raw["fdr"], half),
        _row("ligrec", clusters, DENOISED, smooth["pvalue"], smooth["fdr"], half),
        _row("ligrec", clusters, CALIBRATED, smooth["pvalue_calibrated"], smooth["fdr_calibrated"], half),
    ]


def _expressed(table: AnnData, among: np.ndarray) -> np.ndarray:
    """Places of the genes, of those ``among``, that enough spots express for a test to have more than a few values."""
    spots = np.diff(sp.csc_matrix(table.X).indptr)
    return np.flatnonzero(among & (spots >= min(_FEWEST_EXPRESSING, table.n_obs // 10)))


def _row(analysis: str, clusters: str, expression: str, pvalues: Any, fdrs: Any, units: int) -> dict[str, Any]:
    """Shares of p-values and of false discovery rates of at most 5 %, with the interval of the first."""
    tested = pvalues.notna()
    hits, tests = int((pvalues[tested] <= LEVEL).sum()), int(tested.sum())
    low, high = wilson(hits, tests, min(units, tests))
    return {
        "analysis": analysis, "clusters": clusters, "expression": expression, "tests": tests, "units": units,
        "share": hits / max(tests, 1), "low": low, "high": high, "called": float((fdrs[tested] <= LEVEL).mean()),
        "nominal": low <= LEVEL,
    }  # fmt: skip
