"""Genes and pairs of genes along a pseudotime, raw beside denoised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.layers import RAW, Expression, expressions_of, genes_of
from s3rl._slots.table import slot_of, table_of
from s3rl.errors import InputError, MissingKeyError
from s3rl.pl import _draw
from s3rl.pl._palette import UNLABELLED

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_FIX = "s3.tl.dynamics(adata, genes)"
_SIZE = (3.4, 2.4)
_PAIR = ("#0072B2", "#D55E00")
_RANGE = 3.0


class _Found(NamedTuple):
    """What the slots hold: measures, trends, time (n,), and a colour for each spot."""

    results: pd.DataFrame
    trends: pd.DataFrame
    time: np.ndarray
    layers: list[str]
    spots: list[str]


def dynamics(
    data: Data,
    genes: str | Sequence[str] | None = None,
    *,
    key: str = "dynamics",
    groupby: str | None = "s3rl_domain",
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw genes along the pseudotime, a row for each gene and each pair, a column for each layer.

    Points are spots in the colours of their groups, the black line is the smooth trend. A gene has one scale in all
    layers. Below the title stand the measures of :func:`s3rl.tl.dynamics`; ``chance`` is what denoising alone makes
    of R2. Both genes of a pair are drawn in units of their standard deviation over the spots, without groups.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    genes
        Genes of the result to draw, and the pairs of which both genes are named; None draws all genes and pairs.
    key
        The ``key_added`` of :func:`s3rl.tl.dynamics`.
    groupby
        Column of ``obs`` whose colours the spots have; None is grey.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        With Axes of the labels ``"<gene>: <layer>"`` and ``"<gene>, <partner>: <layer>"``.

    Raises
    ------
    MissingKeyError
        If there is no such result, or a gene, a layer, the pseudotime or the groups are not there.
    InputError
        If the result is of something else.
    ParameterError
        If a gene is named twice.
    CountsError
        If a layer holds raw counts now.
    LabelsError
        If the groups are no names.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=300, n_genes=100, n_layers=4, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.dynamics(adata, "GENE1", time_key="depth", layers=(None,))
    >>> figure = s3.pl.dynamics(adata, groupby="domain", show=False)
    >>> [ax.get_label() for ax in figure.axes]
    ['GENE1: X']
    """
    import matplotlib.pyplot as plt

    table = table_of(data, table_key)
    found, legend = _read(table, key, groupby)
    singles, pairs = _chosen(found, genes)
    # one by one: a pair of layers of which one is gone is no mistake to the function that measures them
    expressions = [expressions_of(table, (None if name == RAW else name,))[0] for name in found.layers]
    rows = len(singles) + len(pairs)
    size = (_SIZE[0] * len(expressions) + 1.4, _SIZE[1] * rows + 0.2)
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(rows, len(expressions))
    for row, gene in enumerate(singles):
        first: Axes | None = None
        for column, expression in enumerate(expressions):
            label = f"{gene}: {expression.name}"
            ax = figure.add_subplot(grid[row, column], label=label, sharey=first)
            first = first or ax
            _draw_gene(ax, table, found, gene, expression)
        if row == 0 and legend:
            _draw.legend_beside(ax, legend, unlabelled=UNLABELLED in found.spots)
    for row, (gene, partner) in enumerate(pairs, start=len(singles)):
        for column, expression in enumerate(expressions):
            label = f"{gene}, {partner}: {expression.name}"
            _draw_pair(figure.add_subplot(grid[row, column], label=label), table, found, (gene, partner), expression)
    for number, ax in enumerate(figure.axes):
        if number % len(expressions) == 0:
            ax.set_ylabel("expression" if number // len(expressions) < len(singles) else "standard deviations")
    for ax in figure.axes[-len(expressions) :]:
        ax.set_xlabel(str(table.uns[key]["params"]["time_key"]))
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _read(table: AnnData, key: str, groupby: str | None) -> tuple[_Found, dict[str, str]]:
    record = slot_of(table, "uns", key, fix=_FIX)
    if not hasattr(record, "keys") or not {"results", "trends", "params"} <= set(record):
        raise InputError(
            "is not what s3.tl.dynamics writes", key=f"uns[{key!r}]", found=type(record).__name__, fix=_FIX
        )
    results, trends = record["results"], record["trends"]
    if not {"gene", "partner", "layer", "r2"} <= set(results) or not {"gene", "layer", "trend"} <= set(trends):
        raise InputError("is not what s3.tl.dynamics writes", key=f"uns[{key!r}]", found=list(results), fix=_FIX)
    time_key = str(record["params"]["time_key"])
    time = np.asarray(slot_of(table, "obs", time_key, fix=_FIX), dtype=np.float64)
    layers = [str(name) for name in record["params"]["layers"]]
    if groupby is None:
        return _Found(results, trends, time, layers, ["0.5"] * table.n_obs), {}
    labels = categories_of(table, groupby, fix="pass groupby=None, or another column")
    colors = colors_of(table, groupby, list(labels.categories))
    spots = [colors[labels.categories[code]] if code >= 0 else UNLABELLED for code in labels.codes]
    used = set(labels.remove_unused_categories().categories)
    return _Found(results, trends, time, layers, spots), {name: colors[name] for name in colors if name in used}


def _chosen(found: _Found, genes: Any) -> tuple[list[str], list[tuple[str, str]]]:
    """Genes and pairs to draw, in the order of the result or of ``genes``."""
    single = found.results["partner"].astype(str) == ""
    known = list(dict.fromkeys(found.results.loc[single, "gene"].astype(str)))
    couples = found.results.loc[~single, ["gene", "partner"]].astype(str)
    pairs = list(dict.fromkeys(zip(couples["gene"], couples["partner"], strict=True)))
    if genes is None:
        return known, pairs
    wanted = [genes] if isinstance(genes, str) else [str(name) for name in genes]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise MissingKeyError(
            "has names that the result does not have",
            key="genes",
            found=", ".join(unknown[:12]) or "no name",
            available=known,
            fix="s3.tl.dynamics(adata, genes) with these genes",
        )
    return wanted, [pair for pair in pairs if set(pair) <= set(wanted)]


def _values(table: AnnData, expression: Expression, gene: str) -> np.ndarray:
    return expression.columns(genes_of(table, [gene], [expression]))[:, 0]


def _curve(found: _Found, gene: str, layer: str) -> tuple[np.ndarray, np.ndarray]:
    own = (found.trends["gene"].astype(str) == gene) & (found.trends["layer"].astype(str) == layer)
    return found.trends.loc[own, "pseudotime"].to_numpy(float), found.trends.loc[own, "trend"].to_numpy(float)


def _row(found: _Found, gene: str, partner: str, layer: str) -> Any:
    frame = found.results
    own = (frame["gene"].astype(str) == gene) & (frame["partner"].astype(str) == partner)
    return frame.loc[own & (frame["layer"].astype(str) == layer)].iloc[0]


def _points(n: int) -> dict[str, Any]:
    return {"s": float(np.clip(6000 / n, 1.5, 12)), "linewidths": 0, "rasterized": True}


def _draw_gene(ax: Axes, table: AnnData, found: _Found, gene: str, expression: Expression) -> None:
    measured = _row(found, gene, "", expression.name)
    ax.scatter(found.time, _values(table, expression, gene), c=found.spots, **_points(len(found.time)))
    ax.plot(*_curve(found, gene, expression.name), color="white", linewidth=3.5)
    ax.plot(*_curve(found, gene, expression.name), color="black", linewidth=1.6)
    chance = f" (chance {measured['r2_chance']:.2f})" if measured["post_denoising"] else ""
    words = f"R² {measured['r2']:.2f}{chance}, r {measured['pearson']:.2f}, CV {measured['cv']:.2f}"
    _dress(ax, f"{gene}: {expression.name}", words)


def _draw_pair(ax: Axes, table: AnnData, found: _Found, pair: tuple[str, str], expression: Expression) -> None:
    for gene, color in zip(pair, _PAIR, strict=True):
        values = _values(table, expression, gene)
        used = np.isfinite(found.time)
        middle, spread = values[used].mean(), max(float(values[used].std()), 1e-9)
        ax.scatter(found.time, (values - middle) / spread, color=color, alpha=0.15, **_points(len(values)))
        at, height = _curve(found, gene, expression.name)
        ax.plot(at, (height - middle) / spread, color="white", linewidth=3.5)
        ax.plot(at, (height - middle) / spread, color=color, linewidth=1.8, label=gene)
    measured = _row(found, *pair, expression.name)
    _dress(
        ax,
        f"{pair[0]}, {pair[1]}: {expression.name}",
        f"r {measured['pearson']:.2f}, of trends {measured['trend_pearson']:.2f}",
    )
    ax.set_ylim(-_RANGE, _RANGE)
    ax.legend(fontsize=7, frameon=False, loc="upper center", ncols=2, handlelength=1.2)


def _dress(ax: Axes, title: str, words: str) -> None:
    ax.set_title(f"{title}\n{words}", fontsize=9)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
