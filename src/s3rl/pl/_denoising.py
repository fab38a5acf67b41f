"""Genes before and after denoising."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import coordinates_of, slot_of, table_of
from s3rl.errors import InputError, MissingKeyError, ParameterError
from s3rl.pl import _draw

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import EllipseCollection
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_STEP = 3.3


def denoising(
    data: Data,
    genes: str | Sequence[str],
    *,
    layer: str = "s3rl",
    raw_layer: str | None = None,
    groupby: str = "s3rl_domain",
    cmap: str = "viridis",
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw genes raw beside denoised, one row each: maps with a shared colour bar, and violins by domain.

    Both maps run from the smallest value to the 99th percentile of raw and denoised values together, so that single
    spots do not take the whole scale. Both violins share their scale; the dash is the median. Units of the tissue
    are equal and y points down.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    genes
        One gene or several, names in ``var_names``.
    layer
        Name in ``layers`` of the denoised expression.
    raw_layer
        Name in ``layers`` of the expression it was made from; None is ``X``.
    groupby
        Column of ``obs`` with the domains.
    cmap
        Matplotlib colour map of the maps.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        For each gene the axes ``"<gene>: raw map"``, ``"<gene>: denoised map"``, ``"<gene>: raw violins"`` and
        ``"<gene>: denoised violins"`` (labels of the Axes), and the colour bar.

    Raises
    ------
    MissingKeyError
        If a gene, a layer, the domains or the coordinates are not there.
    ParameterError
        If no gene is given, or there is no such colour map.
    InputError
        If values are not finite.
    LabelsError
        If the domains are no names.
    CoordinatesError
        If the coordinates are not finite.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3).tables["table"]
    >>> adata.layers["s3rl"] = adata.X * 0.5
    >>> figure = s3.pl.denoising(adata, adata.var_names[0], groupby="domain", show=False)
    >>> len(figure.axes)
    5
    """
    import matplotlib.pyplot as plt

    table = table_of(data, table_key)
    names = _checked_genes(table, genes)
    _draw.check_colour_map(cmap)
    labels = categories_of(table, groupby, fix="s3.tl.s3rl(adata, n_domains), or pass groupby=")
    colors = colors_of(table, groupby, list(labels.categories))
    labels = labels.remove_unused_categories()
    xy = coordinates_of(table)
    raw, denoised = _columns(table, names, raw_layer), _columns(table, names, layer)
    aspect = float(np.clip(np.divide(*np.maximum(np.ptp(xy, axis=0), 1e-9)[::-1]), 0.5, 1.6))
    wide = max(2.6, 0.42 * len(labels.categories))
    below = 0.085 * max(map(len, labels.categories)) if _crowded(list(labels.categories)) else 0.2
    size = (2 * _STEP + 2 * wide + 0.6, (_STEP * aspect + 0.3 + below) * len(names))
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(len(names), 4, width_ratios=[_STEP, _STEP, wide, wide])
    for row, name in enumerate(names):
        shown = {"raw": raw[:, row], "denoised": denoised[:, row]}
        maps = [figure.add_subplot(grid[row, column], label=f"{name}: {kind} map") for column, kind in enumerate(shown)]
        _draw_maps(maps, name, shown, xy, cmap)
        first = figure.add_subplot(grid[row, 2], label=f"{name}: raw violins")
        second = figure.add_subplot(grid[row, 3], label=f"{name}: denoised violins", sharey=first)
        for ax, (kind, values) in zip((first, second), shown.items(), strict=True):
            _draw_violins(ax, values, labels, colors)
            ax.set_title(f"{name}: {kind}")
        first.set_ylabel("expression")
        second.tick_params(labelleft=False)
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _checked_genes(table: AnnData, genes: object) -> list[str]:
    names = [genes] if isinstance(genes, str) else list(genes) if hasattr(genes, "__iter__") else []
    if not names:
        raise ParameterError("names no gene", key="genes", found=repr(genes), fix="pass a name of adata.var_names")
    unknown = [str(name) for name in names if name not in table.var_names]
    if unknown:
        raise MissingKeyError(
            "has names that are not in var_names",
            key="genes",
            found=", ".join(unknown),
            available=table.var_names,
            fix="pass names of adata.var_names",
        )
    return [str(name) for name in names]


def _columns(table: AnnData, genes: list[str], layer: str | None) -> np.ndarray:
    """Float64 (n, len(genes)); no other gene is read from a lazy layer."""
    name = "X" if layer is None else f"layers[{layer!r}]"
    fix = "s3.tl.s3rl(adata, n_domains) writes layers['s3rl']"
    values = table.X if layer is None else slot_of(table, "layers", layer, fix=fix)
    if values is None:
        raise MissingKeyError("is not there", key=name, available=list(table.layers), fix="pass raw_layer=")
    found = values[:, table.var_names.get_indexer(genes)]
    found = found.compute() if hasattr(found, "compute") else found
    found = np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)
    if not np.isfinite(found).all():
        raise InputError(
            "has values that are not finite",
            key=name,
            found=f"{(~np.isfinite(found)).sum()} values",
            fix="remove or repair these spots",
        )
    return found


def _draw_maps(axes: list[Axes], gene: str, shown: dict[str, np.ndarray], xy: np.ndarray, cmap: str) -> None:
    from matplotlib.colors import Normalize

    both = np.concatenate(list(shown.values()))
    low, high = float(both.min()), float(np.percentile(both, 99))
    high = high if high > low else max(float(both.max()), low + 1e-9)
    radius = _draw.spot_radius(xy)
    drawn: EllipseCollection | None = None
    for ax, (kind, values) in zip(axes, shown.items(), strict=True):
        drawn = _draw.circles(ax, xy, radius, array=values, cmap=cmap, norm=Normalize(low, high))
        ax.set_title(f"{gene}: {kind}")
        _draw.as_image(ax, xy)
    figure = axes[0].get_figure(root=True)
    if figure is not None and drawn is not None:
        figure.colorbar(drawn, ax=axes, shrink=0.7, pad=0.02, extend="max" if both.max() > high else "neither")


def _crowded(names: list[str]) -> bool:
    """Whether names need to stand upright below a violin each."""
    return max(map(len, names)) > 3 or sum(map(len, names)) > 22


def _draw_violins(ax: Axes, values: np.ndarray, labels: pd.Categorical, colors: dict[str, str]) -> None:
    names = list(labels.categories)
    groups = [values[labels.codes == code] for code in range(len(names))]
    places = range(len(names))
    drawn = ax.violinplot(groups, places, widths=0.85, showextrema=False)
    bodies: Any = drawn["bodies"]
    for body, name in zip(bodies, names, strict=True):
        body.set(facecolor=colors[name], edgecolor="0.3", linewidth=0.6, alpha=1.0)
    ax.scatter(places, [np.median(group) for group in groups], marker="_", color="black", s=60, zorder=3)
    ax.set_xticks(places, names, rotation=90 if _crowded(names) else 0)
    ax.spines[["top", "right"]].set_visible(False)
