"""Measures and trends of ``tl.dynamics``, a layer at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._slots.calibration import before_denoising, blind_before, frame_of
from s3rl._slots.layers import Expression
from s3rl.errors import InputError, ParameterError
from s3rl.statistics.multiple import fdr
from s3rl.statistics.permutations import permutation
from s3rl.statistics.readout import Readout
from s3rl.statistics.trend import correlation, explained, trend, variation, windows

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_FEWEST = 20
_TIMES = 50
_EXCHANGES = 5
# numbers in one dense block of genes
_BLOCK = 2_000_000


class Track(NamedTuple):
    """The spots along a pseudotime, and how they are measured.

    Attributes
    ----------
    time
        Float64 (n,) of the spots that have one.
    rows
        Their positions in the table.
    strata
        Slices of all spots of the table, int; those without a time are a slice of their own.
    n_knots, n_windows
        Of splines and windows.
    permutations, seed
        0 permutations for none.
    """

    time: np.ndarray
    rows: np.ndarray
    strata: np.ndarray
    n_knots: int
    n_windows: int
    permutations: int
    seed: int


def time_of(column: pd.Series, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a column and the positions of the spots that have one.

    Raises
    ------
    InputError
        If they are no numbers, too few, or all the same.
    """
    import pandas as pd

    name = f"obs[{key!r}]"
    fix = "s3.tl.trajectory(adata, root=...), or pass another time_key="
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        raise InputError("is not a column of numbers", key=name, found=column.dtype, fix=fix)
    values = column.to_numpy(np.float64, na_value=np.nan)
    rows = np.flatnonzero(np.isfinite(values))
    if len(rows) < _FEWEST:
        raise InputError(f"has fewer than {_FEWEST} spots with a number", key=name, found=f"{len(rows)} spots", fix=fix)
    if not np.ptp(values[rows]):
        raise InputError("is the same for all spots", key=name, found=f"{values[rows][0]:g}", fix=fix)
    return values[rows], rows


def pairs_of(genes: Any, pairs: Any) -> tuple[list[str], list[tuple[int, int]]]:
    """Genes, each once, and the pairs as positions among them.

    Raises
    ------
    ParameterError
        If a pair is not of two genes, or nothing is named.
    """
    names = [genes] if isinstance(genes, str) else [str(name) for name in genes] if genes is not None else []
    given = [pairs] if isinstance(pairs, str) else list(pairs) if pairs is not None else []
    if given and all(isinstance(pair, str) for pair in given):
        given = [given]
    couples: list[tuple[str, str]] = []
    for pair in given:
        both = list(pair) if isinstance(pair, (Sequence, np.ndarray)) and not isinstance(pair, str) else []
        if len(both) != 2 or both[0] == both[1]:
            raise ParameterError(
                "must hold pairs of two genes", key="pairs", found=repr(pair), fix="pass pairs=[('MBP', 'PLP1')]"
            )
        couples.append((str(both[0]), str(both[1])))
    if not names and not couples:
        raise ParameterError("names no gene", key="genes", found=repr(genes), fix="pass names of adata.var_names")
    names += [name for name in dict.fromkeys(gene for couple in couples for gene in couple) if name not in names]
    return names, [(names.index(one), names.index(other)) for one, other in couples]


class _Measures(NamedTuple):
    """Of the genes of one layer, each float64 (m,)."""

    r2: np.ndarray
    chance: np.ndarray
    pearson: np.ndarray
    pvalue: np.ndarray
    cv: np.ndarray
    calibrated: np.ndarray


def rows_of(
    table: AnnData, expressions: Sequence[Expression], track: Track, places: np.ndarray, pairs: list[tuple[int, int]]
) -> pd.DataFrame:
    """One row for each gene and layer, then one for each pair and layer."""
    import pandas as pd

    names = table.var_names.to_numpy(str).astype(object)[places]
    frames = []
    for expression in expressions:
        found = _measures(table, expression, track, places)
        frames.append(_gene_rows(names, expression, found))
        if pairs:
            frames.append(_pair_rows(names, expression, track, places, pairs, found))
    frames.sort(key=lambda frame: bool(frame["partner"].iloc[0]))
    merged = pd.concat(frames, ignore_index=True)
    if not track.permutations:
        merged = merged.drop(columns=["pvalue_calibrated", "fdr_calibrated"])
    merged = frame_of({name: merged[name] for name in merged}, ("layer",))
    merged.index = merged.index.astype(str)
    return merged


def _measures(table: AnnData, expression: Expression, track: Track, places: np.ndarray) -> _Measures:
    codes = windows(track.time, track.n_windows)
    before, denoiser = before_denoising(table, expression)
    before = before[:, places]
    size = max(8, _BLOCK // len(track.rows))
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, len(places), size):
        values = expression.columns(places[start : start + size], track.rows)
        against = correlation(values, track.time[:, None])
        parts.append(
            (
                explained(track.time, values, n_knots=track.n_knots, seed=track.seed),
                _chance(before[:, start : start + size], denoiser, track),
                against.r[:, 0],
                against.pvalues[:, 0],
                variation(codes, values),
            )
        )
    found = [np.concatenate(column) for column in zip(*parts, strict=True)]
    calibrated = np.full(len(places), np.nan)
    if track.permutations:
        weights = np.zeros(table.n_obs)
        weights[track.rows] = track.time - track.time.mean()
        strata = track.strata[track.rows]
        calibrated = blind_before(table, expression, track.seed).pvalues(
            places, weights, track.rows, strata, ranks=False, seed=track.seed, count=track.permutations
        )
    r2, chance, pearson, pvalue, cv = found
    return _Measures(r2, chance, pearson, pvalue, cv, calibrated)


def _chance(before: sp.csc_matrix, denoiser: Readout | None, track: Track) -> np.ndarray:
    """Mean r2 of genes whose values were exchanged between the spots and then denoised, float64 (m,)."""
    dense = before.toarray().astype(np.float64)
    found = np.zeros(dense.shape[1])
    for number in range(_EXCHANGES):
        shuffled = dense[permutation(track.seed, number, len(dense), track.strata)]
        shuffled = shuffled if denoiser is None else denoiser.smooth(shuffled)
        found += explained(track.time, shuffled[track.rows], n_knots=track.n_knots, seed=track.seed)
    return found / _EXCHANGES


def _gene_rows(names: np.ndarray, expression: Expression, found: _Measures) -> pd.DataFrame:
    return _frame(
        {
            "gene": names,
            "partner": np.array([""] * len(names), dtype=object),
            "r2": found.r2,
            "r2_chance": found.chance,
            "pearson": found.pearson,
            "cv": found.cv,
            "trend_pearson": np.full(len(names), np.nan),
            "pvalue": found.pvalue,
            "pvalue_calibrated": found.calibrated,
        },
        expression,
    )


def _pair_rows(
    names: np.ndarray,
    expression: Expression,
    track: Track,
    places: np.ndarray,
    pairs: list[tuple[int, int]],
    found: _Measures,
) -> pd.DataFrame:
    first, second = np.array(pairs).T
    used = np.unique(pairs)
    values = expression.columns(places[used], track.rows)
    fitted = trend(track.time, values, track.time, n_knots=track.n_knots)
    where = {int(place): column for column, place in enumerate(used)}
    over, smooth, pvalues = [], [], []
    for one, other in pairs:
        a, b = where[one], where[other]
        spots = correlation(values[:, [a]], values[:, [b]])
        over.append(spots.r[0, 0])
        pvalues.append(spots.pvalues[0, 0])
        smooth.append(correlation(fitted[:, [a]], fitted[:, [b]]).r[0, 0])
    return _frame(
        {
            "gene": names[first],
            "partner": names[second],
            "r2": (found.r2[first] + found.r2[second]) / 2,
            "r2_chance": (found.chance[first] + found.chance[second]) / 2,
            "pearson": np.array(over),
            "cv": (found.cv[first] + found.cv[second]) / 2,
            "trend_pearson": np.array(smooth),
            "pvalue": np.array(pvalues),
            "pvalue_calibrated": np.full(len(pairs), np.nan),
        },
        expression,
    )


def _frame(columns: dict[str, Any], expression: Expression) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(columns)
    frame.insert(2, "layer", expression.name)
    frame.insert(frame.columns.get_loc("pvalue") + 1, "fdr", fdr(frame["pvalue"].to_numpy()))
    frame["fdr_calibrated"] = fdr(frame["pvalue_calibrated"].to_numpy())
    frame["post_denoising"] = expression.denoised
    return frame


def trends_of(table: AnnData, expressions: Sequence[Expression], track: Track, places: np.ndarray) -> pd.DataFrame:
    """Trend of each gene in each layer at 50 times from the first to the last."""
    import pandas as pd

    at = np.linspace(track.time.min(), track.time.max(), _TIMES)
    names = table.var_names.to_numpy(str).astype(object)[places]
    size = max(8, _BLOCK // len(track.rows))
    frames = []
    for expression in expressions:
        curves = np.concatenate(
            [
                trend(
                    track.time, expression.columns(places[start : start + size], track.rows), at, n_knots=track.n_knots
                )
                for start in range(0, len(places), size)
            ],
            axis=1,
        )
        frames.append(
            pd.DataFrame(
                {
                    "gene": np.repeat(names, _TIMES),
                    "layer": expression.name,
                    "pseudotime": np.tile(at, len(names)),
                    "trend": curves.T.ravel(),
                }
            )
        )
    merged = pd.concat(frames, ignore_index=True)
    merged = frame_of({name: merged[name] for name in merged}, ("gene", "layer"))
    merged.index = merged.index.astype(str)
    return merged
