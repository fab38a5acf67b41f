"""Parts of ``tl.spatially_variable_genes``: arguments, groups, tests a few genes at a time, and the table."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import note
from s3rl._params import whole_number
from s3rl._random import stream
from s3rl._slots.gene_chunks import gene_chunks
from s3rl._slots.labels import categories_of
from s3rl._slots.neighbors import spatial_graph_of
from s3rl._slots.post_denoising import is_denoised, readout_of
from s3rl._slots.table import coordinates_of, expression_of
from s3rl.errors import GraphError, LabelsError, ParameterError
from s3rl.statistics.autocorrelation import (
    centred,
    graph_form,
    hits_of_permutations,
    parts_of,
    statistic,
    value_of,
)
from s3rl.statistics.multiple import fdr, permutation_pvalue
from s3rl.statistics.quadratic import cauchy_combination, upper_tail
from s3rl.statistics.within_groups import (
    FEWEST_IN_SLICE,
    NEIGHBOURS,
    SURROUNDINGS,
    TREND,
    Group,
    group_of,
    large_enough,
    pvalues_after_denoising,
)

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl.statistics.readout import Readout

_MODES = ("moran", "geary")
_CALIBRATIONS = 199
_ALL = "all"
# below that a statistic has a few possible values only, and no distribution describes them
_FEWEST_EXPRESSING = 5
_KEEP = "set adata.obs[groupby] to cell types or domains"


def checked(mode: object, n_perms: object, calibrate: object, min_spots: object) -> int:
    """Check the arguments; the number of permutations of a calibration."""
    if mode not in _MODES:
        raise ParameterError(
            "names no statistic", key="mode", found=repr(mode), available=_MODES, fix="pass mode='moran'"
        )
    if not isinstance(calibrate, (bool, np.bool_)):
        raise ParameterError("must be True or False", key="calibrate", found=repr(calibrate), fix="calibrate=True")
    whole_number(min_spots, "min_spots", FEWEST_IN_SLICE, 30)
    return _CALIBRATIONS if n_perms is None else whole_number(n_perms, "n_perms", 1, 999)


def groups_of(
    table: AnnData, groupby: str | None, codes: np.ndarray, mode: str, connectivity_key: str, min_spots: int
) -> list[Group]:
    """The whole tissue with its graph, or each group that is large enough with one of its own."""
    if groupby is None:
        return [_whole(table, codes, mode, connectivity_key)]
    labels = categories_of(table, groupby, fix=_KEEP)
    xy = coordinates_of(table)
    groups, skipped, left_out = [], {}, 0
    for code, name in enumerate(labels.categories):
        rows = np.flatnonzero(labels.codes == code)
        enough = large_enough(codes[rows])
        if enough.sum() < min_spots:
            skipped[name] = int(enough.sum())
            continue
        left_out += int((~enough).sum())
        rows = rows[enough]
        groups.append(group_of(name, rows, xy[rows], codes[rows], mode))
    if not groups:
        raise LabelsError(
            f"has no group of {min_spots} spots in slices with {FEWEST_IN_SLICE} of them",
            key=f"obs[{groupby!r}]",
            found=f"at most {max(skipped.values(), default=0)}",
            fix="lower min_spots, or join groups",
        )
    if skipped:
        listed = ", ".join(f"{name} ({count})" for name, count in skipped.items())
        note("groups of fewer than %d spots are skipped: %s", min_spots, listed)
    if left_out:
        note("%d spots in slices with fewer than %d of their group are left out", left_out, FEWEST_IN_SLICE)
    return groups


def _whole(table: AnnData, codes: np.ndarray, mode: str, connectivity_key: str) -> Group:
    spatial_graph_of(table, connectivity_key)
    suffix = _keys.connectivities_of("")
    key = connectivity_key if connectivity_key.endswith(suffix) else _keys.connectivities_of(connectivity_key)
    # weights and directions as squidpy takes them
    graph = sp.csr_matrix(table.obsp[key], dtype=np.float64)
    pairs = graph.tocoo()
    across = codes[pairs.row] != codes[pairs.col]
    if across.any():
        graph = sp.csr_matrix((pairs.data[~across], (pairs.row[~across], pairs.col[~across])), shape=graph.shape)
        note("%d edges between slices are left out", across.sum())
    few = np.bincount(codes).min(initial=table.n_obs, where=np.bincount(codes) > 0)
    if graph.nnz == 0 or few < FEWEST_IN_SLICE:
        problem = "joins no two spots of a slice" if graph.nnz == 0 else "is of a slice with too few spots"
        raise GraphError(
            problem,
            key=f"obsp[{key!r}]",
            found=f"{few} spots in the smallest slice, {FEWEST_IN_SLICE} are needed",
            fix="squidpy.gr.spatial_neighbors_knn(adata, n_neighs=6), slices of at least that many spots",
        )
    form = graph_form(NEIGHBOURS, graph, mode, parts_of(codes))
    return Group(_ALL, np.arange(table.n_obs), codes, (form,))


def tested(
    table: AnnData,
    columns: np.ndarray,
    layer: str | None,
    groups: list[Group],
    mode: str,
    seed: int,
    n_perms: int | None,
    *,
    overall: bool,
) -> dict[str, np.ndarray]:
    """Columns of the table, each (groups, genes)."""
    names = ["statistic", "expected", "zscore", "pvalue", "scale", "expressed"]
    names += ["pvalue_permuted"] * (n_perms is not None)
    found = {name: np.full((len(groups), len(columns)), np.nan) for name in names}
    for part, block in gene_chunks(table, columns, layer):
        for number, group in enumerate(groups):
            values = block[group.rows]
            expressing = (values != 0).sum(axis=0)
            found["expressed"][number, part] = expressing / len(values)
            values = centred(values, parts_of(group.codes))
            tests = _test(group, values, mode, overall=overall)
            if n_perms is not None:
                own = int(stream(seed, number).integers(2**62))
                hits = hits_of_permutations(group.forms, values, group.codes, own, n_perms)
                tests["pvalue_permuted"] = _combined(permutation_pvalue(hits, n_perms))
            few = (expressing < _FEWEST_EXPRESSING) | np.isnan(tests["statistic"])
            for name, column in tests.items():
                found[name][number, part] = np.where(few & name.startswith("pvalue"), np.nan, column)
    return found


def _combined(pvalues: np.ndarray) -> np.ndarray:
    return cauchy_combination(pvalues) if len(pvalues) > 1 else pvalues[0]


def _test(group: Group, values: np.ndarray, mode: str, *, overall: bool) -> dict[str, np.ndarray]:
    """Statistic and p-value (m,) of values (n, m) centred within slices."""
    first, n = group.forms[0], len(values)
    squares = np.einsum("im,im->m", values, values)
    expected = [form.expected(values) for form in group.forms]
    observed = [form.value(values) for form in group.forms[overall:]]
    if overall:
        score = _of_squidpy(first.graph, values, squares > 0, mode)
        observed.insert(0, value_of(first, score, squares, n, mode))
    else:
        score = statistic(first, observed[0], squares, n, mode)
    pvalues = np.array([upper_tail(*pair) for pair in zip(observed, expected, strict=True)])
    with np.errstate(divide="ignore", invalid="ignore"):
        zscore = (observed[0] - expected[0].mean) / np.sqrt(expected[0].variance)
    zscore[~np.isfinite(zscore)] = np.nan
    best = np.argmin(np.where(np.isnan(pvalues), np.inf, pvalues), axis=0)
    return {
        "statistic": score,
        "expected": statistic(first, expected[0].mean, squares, n, mode),
        "zscore": zscore,
        "pvalue": _combined(pvalues),
        "scale": best.astype(np.float64),
    }


def _of_squidpy(graph: sp.csr_matrix, values: np.ndarray, varies: np.ndarray, mode: str) -> np.ndarray:
    """I or C (m,) of values (n, m) through squidpy, on an object of its own; nan where nothing varies."""
    import anndata as ad

    found = np.full(values.shape[1], np.nan)
    if not varies.any():
        return found
    apart = ad.AnnData(values[:, varies], obsp={"graph": graph})
    apart.var_names = [str(number) for number in range(apart.n_vars)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import squidpy as sq

        frame = sq.gr.spatial_autocorr(
            apart,
            connectivity_key="graph",
            genes=list(apart.var_names),
            mode=mode,
            corr_method=None,
            copy=True,
            n_jobs=1,
            show_progress_bar=False,
        )
    found[varies] = frame.loc[apart.var_names, "I" if mode == "moran" else "C"].to_numpy(np.float64)
    return found


def before_denoising(table: AnnData, layer: str | None) -> tuple[sp.csc_matrix, Readout]:
    """Expression (n, g) that a layer was made from, and the linear denoiser that stands for its model."""
    if layer is None or not is_denoised(table, layer):
        raise ParameterError(
            "has a meaning for denoised expression only",
            key="calibrate",
            found=f"layer={layer!r}",
            fix="pass layer='s3rl' after s3.tl.s3rl(adata, n_domains), or calibrate=False",
        )
    record = table.uns.get(layer, {})
    given = record.get("input", {}) if hasattr(record, "get") else {}
    values = sp.csc_matrix(expression_of(table, given.get("layer") if hasattr(given, "get") else None))
    values.eliminate_zeros()
    return values, readout_of(table, layer)


def calibrated(
    table: AnnData,
    columns: np.ndarray,
    raw: tuple[sp.csc_matrix, Readout],
    groups: list[Group],
    codes: np.ndarray,
    seed: int,
    n_perms: int,
) -> dict[str, np.ndarray]:
    """P-values (groups, genes) of denoised expression against denoised permutations."""
    values, denoiser = raw[0][:, columns], raw[1]
    strata = np.full(table.n_obs, -1)
    for number, group in enumerate(groups):
        strata[group.rows] = number
    strata = np.unique(np.column_stack([strata, codes]), axis=0, return_inverse=True)[1].ravel()
    own = int(stream(seed, len(groups)).integers(2**62))
    pvalues = pvalues_after_denoising(groups, values, denoiser, strata, own, n_perms)
    found = np.full((len(groups), len(columns)), np.nan)
    for number, own_pvalues in enumerate(pvalues):
        found[number] = np.where(np.diff(values.indptr) < _FEWEST_EXPRESSING, np.nan, _combined(own_pvalues))
    return {"pvalue_calibrated": found}


def described(
    given: dict[str, Any], mode: str, min_spots: int, calibrate: bool, denoised: bool, seed: int
) -> dict[str, Any]:
    """Parameters as plain values; what was not given is not there."""
    from s3rl import __version__

    params = {name: value for name, value in given.items() if value is not None}
    params |= {"mode": mode, "min_spots": int(min_spots), "calibrate": bool(calibrate), "post_denoising": denoised}
    return params | {"version": __version__, "seed": seed if seed < 2**63 else str(seed)}


def frame_of(
    table: AnnData, columns: np.ndarray, groups: list[Group], found: dict[str, np.ndarray], denoised: bool
) -> pd.DataFrame:
    """One row for each group and gene, sorted by group, p-value and how far the statistic lies out."""
    import pandas as pd

    shape = len(groups), len(columns)
    best = np.nan_to_num(found.pop("scale")).astype(np.int64)
    scale = np.array(
        [[group.forms[k].name for k in row] for group, row in zip(groups, best, strict=True)], dtype=object
    )
    names = [name for name in (NEIGHBOURS, SURROUNDINGS, TREND) if (scale == name).any()]
    order = np.arange(shape[0])[:, None] * np.ones(shape, dtype=np.int64)
    frame: dict[str, Any] = {
        "group": np.array([group.name for group in groups], dtype=object)[order.ravel()],
        "gene": np.tile(table.var_names.to_numpy(dtype=object)[columns], shape[0]),
    }
    for name in ("statistic", "expected", "zscore"):
        frame[name] = found[name].ravel()
    for name in ("pvalue", "pvalue_permuted", "pvalue_calibrated"):
        if name in found:
            frame[name] = found[name].ravel()
            frame[name.replace("pvalue", "fdr")] = fdr(found[name], order).ravel()
    frame |= {"scale": scale.ravel(), "n": np.array([len(group.rows) for group in groups])[order.ravel()]}
    frame |= {"expressed": found["expressed"].ravel(), "post_denoising": np.full(shape[0] * shape[1], denoised)}
    by = np.lexsort((-np.nan_to_num(frame["zscore"]), np.nan_to_num(frame["pvalue"], nan=2.0), order.ravel()))
    table_ = pd.DataFrame(frame).iloc[by].reset_index(drop=True)
    table_.index = table_.index.astype(str)
    for name, categories in (("group", [group.name for group in groups]), ("scale", names)):
        table_[name] = pd.Categorical(table_[name], categories)
    return table_
