"""Bands of distance, and the correlation of genes with distance in groups of spots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._random import stream
from s3rl._slots.calibration import Before, frame_of
from s3rl._slots.layers import Expression
from s3rl.errors import InputError, ParameterError
from s3rl.statistics.multiple import fdr
from s3rl.statistics.rank_correlation import EffectiveSize, correlation_pvalue, unit_ranks

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 512
_FIX = "bands=5 for bands of equal size, or increasing edges such as bands=(0, 15, 50, 100, numpy.inf)"
_EFFECTIVE = 0xD157


class Bands(NamedTuple):
    """Bands of distance.

    Attributes
    ----------
    names
        Such as ``"inside"`` and ``"0-100"``.
    low, high
        Float64 (b,) edges; 0 and 0 for ``"inside"``.
    code
        Int64 (n,): band of each spot, -1 for none.
    """

    names: list[str]
    low: np.ndarray
    high: np.ndarray
    code: np.ndarray


def bands_of(distance: np.ndarray, bands: Any, *, signed: bool) -> Bands:
    """Sort spots into bands by distance (n,), those inside of the target into a band of their own unless signed."""
    inside = np.zeros(len(distance), dtype=bool) if signed else distance <= 0
    outside = np.isfinite(distance) & ~inside
    if not outside.any():
        raise InputError("no spot is outside of the target", key="target", found=f"{inside.sum()} spots inside",
                         fix="pass signed=True, or a smaller target")  # fmt: skip
    edges = _edges(distance[outside], bands)
    code = np.full(len(distance), -1, dtype=np.int64)
    code[outside] = np.searchsorted(edges, distance[outside], side="right") - 1
    # the farthest spot belongs to the last band, which is closed
    code[outside & (distance == edges[-1])] = len(edges) - 2
    code[code >= len(edges) - 1] = -1
    if (code < 0)[outside].all():
        raise InputError(
            "hold no spot", key="bands", found=f"edges {edges.tolist()} for distances "
            f"{distance[outside].min():.4g} to {distance[outside].max():.4g}", fix=_FIX,
        )  # fmt: skip
    # quantiles have many digits that nobody asked for, edges of the user's are shown as they are
    names = _names(edges, digits=3 if isinstance(bands, (int, np.integer)) else 6)
    low, high = edges[:-1], edges[1:]
    if inside.any():
        code = np.where(inside, 0, np.where(code >= 0, code + 1, -1))
        names, low, high = ["inside", *names], np.append(0.0, low), np.append(0.0, high)
    return Bands(names, low, high, code)


def _names(edges: np.ndarray, digits: int) -> list[str]:
    """``"0-15"`` and so on, with as many digits as tell the edges apart."""
    texts = [str(edge) for edge in edges]
    for places in range(digits, 18):
        shorter = [f"{edge:.0f}" if abs(edge) >= 10**places else f"{edge:.{places}g}" for edge in edges]
        if len(set(shorter)) == len(edges):
            texts = shorter
            break
    return [
        f"{low}-{high}" if np.isfinite(edge) else f">={low}"
        for low, high, edge in zip(texts[:-1], texts[1:], edges[1:], strict=True)
    ]


def _edges(distance: np.ndarray, bands: Any) -> np.ndarray:
    if isinstance(bands, (int, np.integer)) and not isinstance(bands, bool) and bands >= 1:
        edges = np.unique(np.quantile(distance, np.linspace(0, 1, int(bands) + 1)))
        return edges if len(edges) > 1 else np.append(edges, np.inf)
    try:
        edges = np.atleast_1d(np.asarray(bands, dtype=np.float64))
    except (TypeError, ValueError):
        edges = np.empty(0)
    if isinstance(bands, (bool, str)) or edges.ndim != 1 or len(edges) < 2:
        raise ParameterError("must be a number of bands or two edges or more", key="bands", found=repr(bands), fix=_FIX)
    if not (np.diff(edges) > 0).all() or not np.isfinite(edges[:-1]).all():
        raise ParameterError("must increase", key="bands", found=repr(bands), fix=_FIX)
    return edges


class Job(NamedTuple):
    """What every layer is tested with.

    Attributes
    ----------
    genes, names
        Places and names of the genes.
    distance, xy, slices
        Of all spots.
    groups
        Name and rows of each group.
    bands
        Bands of distance.
    seed, permutations
        Seed, and number of permutations.
    """

    genes: np.ndarray
    names: list[str]
    distance: np.ndarray
    xy: np.ndarray
    slices: np.ndarray
    groups: Sequence[tuple[str, np.ndarray]]
    bands: Bands
    seed: int
    permutations: int


def layer_frames(
    expression: Expression, job: Job, before: Before | None, inside: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Correlations and means by band of one layer, for every gene and group."""
    used = [rows[~inside[rows]] for _, rows in job.groups]
    ranks = [unit_ranks(job.distance[rows][:, None])[:, 0] for rows in used]
    sizes = [
        EffectiveSize(rank, job.xy[rows], job.slices[rows], stream(job.seed, _EFFECTIVE, number))
        for number, (rank, rows) in enumerate(zip(ranks, used, strict=True))
    ]
    shape = len(job.groups), len(job.genes)
    rho, effective = np.full(shape, np.nan), np.full(shape, np.nan)
    means = np.full((*shape, len(job.bands.names)), np.nan)
    errors = means.copy()
    for start in range(0, len(job.genes), _CHUNK):
        part = slice(start, start + _CHUNK)
        values = expression.columns(job.genes[part])
        for number, rows in enumerate(used):
            own = unit_ranks(values[rows])
            rho[number, part] = ranks[number] @ own
            effective[number, part] = sizes[number](own)
            means[number, part], errors[number, part] = _by_band(values, job, job.groups[number][1])
    rho = np.clip(rho, -1, 1)
    results = _results(expression, job, [len(rows) for rows in used], rho, effective)
    if before is not None:
        calibrated = np.stack([_calibrated(job, before, inside, number) for number in range(len(job.groups))])
        results["pvalue_calibrated"] = calibrated.ravel()
        results["fdr_calibrated"] = _by_group(calibrated)
    return results, _band_frame(expression, job, means, errors)


def _by_group(pvalues: np.ndarray) -> np.ndarray:
    groups = np.repeat(np.arange(len(pvalues))[:, None], pvalues.shape[1], axis=1)
    return np.asarray(fdr(pvalues, groups).ravel())


def _results(
    expression: Expression, job: Job, counts: list[int], rho: np.ndarray, effective: np.ndarray
) -> pd.DataFrame:
    n = np.repeat(counts, len(job.genes)).astype(np.int64)
    plain = correlation_pvalue(rho, n.reshape(rho.shape))
    spatial = correlation_pvalue(rho, effective)
    columns = {
        "gene": np.tile(np.asarray(job.names, dtype=object), len(job.groups)),
        "group": np.repeat(np.asarray([name for name, _ in job.groups], dtype=object), len(job.genes)),
        "layer": np.full(n.shape, expression.name, dtype=object),
        "n": n,
        "rho": rho.ravel(),
        "pvalue": plain.ravel(),
        "fdr": _by_group(plain),
        "n_effective": effective.ravel(),
        "pvalue_spatial": spatial.ravel(),
        "fdr_spatial": _by_group(spatial),
        "post_denoising": np.full(n.shape, expression.denoised),
    }
    return frame_of(columns, ())


def _by_band(values: np.ndarray, job: Job, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and its standard error (genes, bands) over the spots of a group."""
    member = (job.bands.code[rows][:, None] == np.arange(len(job.bands.names))).astype(np.float64)
    count = member.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = values[rows].T @ member / count
        squares = (values[rows] ** 2).T @ member / count
        variance = np.maximum(squares - mean**2, 0.0) * count / (count - 1)
        return mean, np.sqrt(variance / count)


def _band_frame(expression: Expression, job: Job, means: np.ndarray, errors: np.ndarray) -> pd.DataFrame:
    bands, genes = len(job.bands.names), len(job.genes)
    counts = np.stack([
        np.bincount(job.bands.code[rows][job.bands.code[rows] >= 0], minlength=bands) for _, rows in job.groups
    ])  # fmt: skip
    columns = {
        "gene": np.tile(np.repeat(np.asarray(job.names, dtype=object), bands), len(job.groups)),
        "group": np.repeat(np.asarray([name for name, _ in job.groups], dtype=object), genes * bands),
        "layer": np.full(means.size, expression.name, dtype=object),
        "band": np.tile(np.asarray(job.bands.names, dtype=object), len(job.groups) * genes),
        "low": np.tile(job.bands.low, len(job.groups) * genes),
        "high": np.tile(job.bands.high, len(job.groups) * genes),
        "n": np.repeat(counts[:, None], genes, axis=1).ravel().astype(np.int64),
        "mean": means.ravel(),
        "sem": errors.ravel(),
    }
    return frame_of(columns, ())


def _calibrated(job: Job, before: Before, inside: np.ndarray, number: int) -> np.ndarray:
    """P-values of permutations (genes,), of the spots of a group outside of the target, within slices."""
    rows = job.groups[number][1]
    rows = rows[~inside[rows]]
    weights = np.zeros(len(job.distance))
    weights[rows] = unit_ranks(job.distance[rows][:, None])[:, 0]
    return before.pvalues(job.genes, weights, rows, job.slices[rows], ranks=True, seed=job.seed, count=job.permutations)
