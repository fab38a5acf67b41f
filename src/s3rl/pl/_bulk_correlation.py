"""Pseudo-bulk against bulk, gene by gene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from s3rl._slots.table import table_of
from s3rl.errors import ParameterError
from s3rl.pl import _draw
from s3rl.pl._results import chosen, layer_title, stored

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_FIX = "s3.tl.bulk_correlation(adata, bulk)"
_SIDE = 2.5
_MOST = 5
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00")


def bulk_correlation(
    data: Data,
    *,
    key: str = "bulk_correlation",
    samples: str | Sequence[str] | None = None,
    method: Literal["pearson", "spearman"] = "pearson",
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the genes of each sample against the mean of bulk, a row for each layer, and all correlations.

    Both axes are ``log1p`` of counts per million, or what bulk has where that is logarithmic already. The panel at the
    right, drawn for two samples or more, joins the layers of a sample by a line.

    Parameters
    ----------
    data
        AnnData or SpatialData with the result of ``s3.tl.bulk_correlation``.
    key
        Name in ``uns`` of the result.
    samples
        Samples to draw gene by gene; None is the first five.
    method
        ``"pearson"`` or ``"spearman"``.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        Axes ``"<sample>: <layer>"``, and ``"correlations"`` where there are several samples (labels of the Axes).

    Raises
    ------
    MissingKeyError
        If the result or a sample is not there.
    InputError
        If the slot holds something else.
    ParameterError
        If no sample is given, or ``method`` is neither of both.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import pandas as pd
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.bulk_correlation(adata, 1000.0 * adata.var[["base"]], layers=(None,))
    >>> figure = s3.pl.bulk_correlation(adata, show=False)
    >>> [ax.get_label() for ax in figure.axes]
    ['all: X']
    """
    import matplotlib.pyplot as plt

    table = table_of(data, table_key)
    found = stored(table, key, ("results", "genes"), fix=_FIX)
    if method not in ("pearson", "spearman"):
        raise ParameterError("is no method", key="method", found=repr(method), fix="method='pearson'")
    results = found["results"]
    results = results[results["bulk"].astype(str) == "mean"].drop_duplicates(["sample", "layer"])
    everything = list(dict.fromkeys(results["sample"].astype(str)))
    shown = chosen(samples, everything, "samples", most=_MOST, fix="pass samples of the result")
    layers = list(dict.fromkeys(results["layer"].astype(str)))
    several = len(everything) > 1
    wide = max(1.2, 0.28 * len(everything)) if several else 0.0
    height = max(_SIDE * len(layers), 3.0) + (0.08 * max(map(len, everything)) if several else 0)
    figure = plt.figure(figsize=(_SIDE * len(shown) + (wide + 1.2) + 0.4, height), layout="constrained")
    ratios = [_SIDE] * len(shown) + ([wide + 0.6] if several else [])
    grid = figure.add_gridspec(len(layers), len(ratios), width_ratios=ratios)
    first: Axes | None = None
    for row, layer in enumerate(layers):
        for column, sample in enumerate(shown):
            ax = figure.add_subplot(grid[row, column], label=f"{sample}: {layer}", sharex=first, sharey=first)
            first = first or ax
            own = found["genes"][(found["genes"]["sample"] == sample) & (found["genes"]["layer"] == layer)]
            r = results[method][(results["sample"] == sample) & (results["layer"] == layer)].iloc[0]
            _draw_genes(ax, own, f"{sample}: " * several + layer_title(layer, layers), r)
            ax.tick_params(labelbottom=row == len(layers) - 1, labelleft=column == 0)
            ax.set(xlabel="bulk" * (row == len(layers) - 1), ylabel="pseudo-bulk" * (column == 0))
    if several:
        _draw_correlations(figure.add_subplot(grid[:, -1], label="correlations"), results, layers, everything, method)
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _draw_genes(ax: Axes, genes: pd.DataFrame, title: str, r: float) -> None:
    ax.scatter(genes["bulk"], genes["pseudobulk"], s=4, color="0.25", alpha=0.3, linewidths=0, rasterized=True)
    ax.set_title(title, fontsize=9)
    ax.text(0.04, 0.96, f"r = {r:.3f}", transform=ax.transAxes, va="top", fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_correlations(ax: Axes, results: pd.DataFrame, layers: list[str], samples: list[str], method: str) -> None:
    """One point for each layer and sample, those of a sample joined."""
    heights = np.array([
        [results[method][(results["sample"] == sample) & (results["layer"] == layer)].iloc[0] for sample in samples]
        for layer in layers
    ])  # fmt: skip
    at = np.arange(len(samples))
    ax.vlines(at, heights.min(axis=0), heights.max(axis=0), color="0.7", linewidth=1.5, zorder=1)
    for number, layer in enumerate(layers):
        color = _COLORS[number % len(_COLORS)]
        ax.scatter(at, heights[number], color=color, label=layer_title(layer, layers), s=28, zorder=2)
    ax.set_xticks(at, samples, rotation=90 if max(map(len, samples)) > 2 else 0, fontsize=8)
    ax.set_xlim(-0.6, len(samples) - 0.4)
    ax.set_title(f"{method.capitalize()} r with bulk", fontsize=9)
    ax.legend(frameon=False, fontsize=8, handletextpad=0.1)
    ax.spines[["top", "right"]].set_visible(False)
