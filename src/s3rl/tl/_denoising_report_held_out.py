"""Denoisers side by side: what they predict of held-out counts, and how markers of domains stand out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._slots.model import modelled_genes
from s3rl._slots.neighbors import spatial_graph_of
from s3rl._slots.table import coordinates_of
from s3rl.statistics.heldout import (
    Part,
    areas_under_curve,
    balanced,
    best_mixing,
    deviance,
    gene_correlations,
    log_likelihood,
    mean_shares,
)
from s3rl.statistics.neighbor_means import diffused, neighbor_means

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl.tl._denoising_report_refit import Plan

NEIGHBOURS = (5, 10, 20, 50, 100, 200)
STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
OWN, RAW = "s3rl", "raw"
METHODS = (OWN, RAW, "mean", "knn_expression", "knn_space", "diffusion")
_COMPONENTS = 20
_ENOUGH = 0.1
_FEWEST_COUNTS = 30
_MARKERS = 10
_EXPRESSED = 0.05
_FEWEST_SPOTS = 10


class Parts(NamedTuple):
    """Counts kept, those to choose settings with, and those to judge with."""

    kept: sp.csr_matrix
    choosing: Part
    judging: Part


class Prediction(NamedTuple):
    """What a method says of the shares of genes.

    Attributes
    ----------
    method, setting
        Its name, and how it was set.
    shares
        float32 (n, g), rows sum to one.
    mixing
        Weight of the mean shares that was chosen.
    """

    method: str
    setting: str
    shares: np.ndarray
    mixing: float


def predictions(table: AnnData, parts: Parts, plan: Plan) -> Iterator[Prediction]:
    """Predict with each method, at the setting that explains the choosing part best.

    Parameters
    ----------
    table
        Fitted to the counts that were kept.
    parts
        Counts.
    plan
        How the table was fitted.
    """
    x = sp.csr_matrix(table.X)
    layer = np.asarray(table.layers[_keys.ModelKeys().layer])
    yield _chosen(OWN, {"": lambda: np.expm1(layer)}, parts)
    yield _chosen(RAW, {"": lambda: np.expm1(x.toarray())}, parts)
    yield _chosen("mean", {"": lambda: np.ones(x.shape, dtype=np.float32)}, parts)
    for method, name, settings, smoother in _smoothers(table, plan):
        best = _chosen(method, {f"{name}={s:g}": _of_counts(smoother, s, parts.kept) for s in settings}, parts)
        setting = float(best.setting.split("=")[1])
        logarithm = _chosen(method, {best.setting: _of_logarithm(smoother, setting, x)}, parts)
        yield max((best, logarithm._replace(setting=f"{best.setting}, of logarithms")), key=lambda p: _score(p, parts))


Smoother = Callable[[float, sp.csr_matrix], np.ndarray]


def _smoothers(table: AnnData, plan: Plan) -> Iterator[tuple[str, str, tuple[float, ...], Smoother]]:
    """Name of the method, of its setting, the settings, and setting and values (n, g) to smoothed values."""
    from s3rl.fit.views import principal_components

    sizes = tuple(float(k) for k in NEIGHBOURS if k <= table.n_obs)
    components = principal_components(sp.csr_matrix(table.X)[:, modelled_genes(table)], _COMPONENTS, seed=plan.seed)
    graph = spatial_graph_of(table, plan.connectivity_key)

    def over(features: np.ndarray, codes: np.ndarray | None) -> Smoother:
        return lambda k, values: (neighbor_means(features, int(k), codes) @ values).toarray().astype(np.float32)

    yield "knn_expression", "k", sizes, over(components, None)
    yield "knn_space", "k", sizes, over(coordinates_of(table), plan.codes)
    yield "diffusion", "strength", STRENGTHS, lambda strength, values: diffused(graph, strength, values)


def _of_counts(smoother: Smoother, setting: float, counts: sp.csr_matrix) -> Callable[[], np.ndarray]:
    return lambda: smoother(setting, counts.astype(np.float32))


def _of_logarithm(smoother: Smoother, setting: float, x: sp.csr_matrix) -> Callable[[], np.ndarray]:
    return lambda: np.expm1(smoother(setting, x))


def _chosen(method: str, settings: dict[str, Callable[[], np.ndarray]], parts: Parts) -> Prediction:
    """The setting and the weight of the mean shares that explain the choosing part best."""
    totals, sums = (np.asarray(parts.kept.sum(axis=axis)).ravel() for axis in (1, 0))
    mean = mean_shares(parts.kept)
    found: list[tuple[float, Prediction]] = []
    for setting, make in settings.items():
        shares = balanced(make().astype(np.float32), totals.astype(np.float32), sums.astype(np.float32))
        mixing, likelihood = best_mixing(shares, mean, parts.choosing)
        # one at a time: each is as large as the table made dense
        new = (likelihood, Prediction(method, setting, shares, mixing))
        found = [max([*found, new], key=lambda pair: pair[0])]
    return found[0][1]


def _score(prediction: Prediction, parts: Parts) -> float:
    return float(log_likelihood(prediction.shares, mean_shares(parts.kept), prediction.mixing, parts.choosing).sum())


class Judged(NamedTuple):
    """Scores of one method.

    Attributes
    ----------
    likelihood
        Log-likelihood of each spot (n,).
    row
        What the table says of the method.
    correlations
        Of the genes with enough counts (m,).
    """

    likelihood: np.ndarray
    row: dict[str, Any]
    correlations: np.ndarray


def enough_counts(parts: Parts) -> np.ndarray:
    """Places of the genes with enough held-out counts to be correlated."""
    sums = np.bincount(parts.judging.counts.col, parts.judging.counts.data, minlength=parts.kept.shape[1])
    return np.flatnonzero(sums >= max(_FEWEST_COUNTS, _ENOUGH * parts.kept.shape[0]))


def judged(prediction: Prediction, parts: Parts, genes: np.ndarray) -> Judged:
    """Score a prediction on the judging part."""
    part = parts.judging
    found = log_likelihood(prediction.shares, mean_shares(parts.kept), prediction.mixing, part)
    correlations = gene_correlations(prediction.shares, part, genes)
    counted = np.nan_to_num(correlations)
    row = {
        "method": prediction.method, "setting": prediction.setting, "mixing": prediction.mixing,
        "log_likelihood": found.sum() / part.totals.sum(), "deviance": deviance(float(found.sum()), part),
        "correlation": float(counted.mean()) if len(counted) else np.nan,
    }  # fmt: skip
    return Judged(found, row, correlations)


def held_out_frame(scores: list[Judged], parts: Parts) -> pd.DataFrame:
    """One row for each method, with what it gains over raw counts and its standard error over the spots."""
    import pandas as pd

    totals = parts.judging.totals
    raw = next(score.likelihood for score in scores if score.row["method"] == RAW)
    rows = []
    for score in scores:
        gain = score.likelihood - raw
        mean = gain.sum() / totals.sum()
        error = np.sqrt(((gain - mean * totals) ** 2).sum()) / totals.sum()
        rows.append(score.row | {"gain": mean, "gain_se": error})
    columns = ["method", "setting", "mixing", "log_likelihood", "gain", "gain_se", "deviance", "correlation"]
    return _indexed(pd.DataFrame(rows)[columns])


def genes_frame(scores: list[Judged], parts: Parts, genes: np.ndarray, names: np.ndarray) -> pd.DataFrame:
    """One row for each method and gene with enough counts."""
    import pandas as pd

    sums = np.bincount(parts.judging.counts.col, parts.judging.counts.data, minlength=parts.kept.shape[1])[genes]
    order = [score.row["method"] for score in scores]
    frame = pd.DataFrame(
        {
            "gene": np.tile(names[genes].astype(object), len(scores)),
            "method": pd.Categorical(np.repeat(order, len(genes)), categories=order),
            "counts": np.tile(sums.astype(np.int64), len(scores)),
            "correlation": np.concatenate([score.correlations for score in scores]),
        }
    )
    return _indexed(frame)


class Marker(NamedTuple):
    """Genes that are higher in a group of spots, found in counts held out."""

    group: str
    inside: np.ndarray
    genes: np.ndarray
    difference: np.ndarray


def markers_of(held_out: sp.csr_matrix, groups: pd.Categorical) -> list[Marker]:
    """Up to ten genes for each group with the highest area under the curve in the counts (n, g) held out."""
    totals = np.maximum(np.asarray(held_out.sum(axis=1)).ravel(), 1)
    shares = sp.csc_matrix(sp.diags(1 / totals) @ held_out)
    usual = np.flatnonzero(np.diff(shares.indptr) >= max(_EXPRESSED * shares.shape[0], _FEWEST_SPOTS))
    values = shares[:, usual].toarray()
    found = []
    for code, name in enumerate(groups.categories):
        inside = groups.codes == code
        labelled = groups.codes >= 0
        if min(inside.sum(), (labelled & ~inside).sum()) < _FEWEST_SPOTS or not len(usual):
            continue
        areas = areas_under_curve(values[labelled], inside[labelled])
        best = np.argsort(-areas, kind="stable")[:_MARKERS]
        best = best[areas[best] > 0.5]
        change = _fold_change(values[:, best], inside, labelled)
        found.append(Marker(str(name), np.where(labelled, inside, -1), usual[best], change))
    return found


def _fold_change(shares: np.ndarray, inside: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    low = 1e-12
    within, without = shares[inside].mean(axis=0), shares[labelled & ~inside].mean(axis=0)
    return np.log2((within + low) / (without + low))


def marker_rows(prediction: Prediction, markers: list[Marker], names: np.ndarray) -> pd.DataFrame:
    """How far each marker stands out in a prediction made of other counts."""
    import pandas as pd

    rows = []
    for marker in markers:
        labelled, inside = marker.inside >= 0, marker.inside == 1
        values = prediction.shares[:, marker.genes].astype(np.float64)
        areas = areas_under_curve(values[labelled], inside[labelled])
        rows.append(
            pd.DataFrame(
                {
                    "domain": marker.group, "gene": names[marker.genes].astype(object), "method": prediction.method,
                    "auc": areas, "log2_fold_change": _fold_change(values, inside, labelled),
                    "held_out_log2_fold_change": marker.difference,
                }
            )
        )  # fmt: skip
    empty = ["domain", "gene", "method", "auc", "log2_fold_change", "held_out_log2_fold_change"]
    return _indexed(pd.concat(rows, ignore_index=True)) if rows else pd.DataFrame(columns=empty)


def _indexed(frame: pd.DataFrame) -> pd.DataFrame:
    frame.index = frame.index.astype(str)
    return frame
