"""Expression by distance from a structure, and the structure on the tissue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import coordinates_of, slices_of, slot_of, table_of
from s3rl.pl import _draw
from s3rl.pl._palette import UNLABELLED
from s3rl.pl._places import side_by_side
from s3rl.pl._results import chosen, layer_title, stored

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_FIX = "s3.tl.distance_gradient(adata, target)"
_INK = "#D55E00"
_ONE = "#0072B2"
_NEAR = 0.08
_MAP, _PANEL, _HEIGHT = 3.6, 2.9, 2.5


def gradient(
    data: Data,
    genes: str | Sequence[str],
    *,
    key: str = "distance_gradient",
    groups: str | Sequence[str] | None = None,
    cmap: str = "viridis_r",
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the distance from a structure on the tissue, and the mean of genes by band of distance, layers side by side.

    Bars are standard errors, which take spots for independent; the layers of a gene share their scale. With one group
    the title says Spearman's rho.

    Parameters
    ----------
    data
        AnnData or SpatialData with the result of ``s3.tl.distance_gradient``.
    genes
        One gene or several, of those that were tested.
    key
        Name in ``uns`` of the result.
    groups
        Groups to draw, a line each; None is all.
    cmap
        Matplotlib colour map of the distance.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        Axes ``"distance"``, the colour bar, and for each gene and layer ``"<gene>: <layer>"`` (labels of the Axes).

    Raises
    ------
    MissingKeyError
        If the result, a gene, a group or the coordinates are not there.
    InputError
        If the slot holds something else.
    ParameterError
        If no gene is given.
    LabelsError
        If the column of the groups holds no names.
    CoordinatesError
        If the coordinates are not finite.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.distance_gradient(adata, ("domain", "WM"), genes=["GRAD1"], layers=(None,))
    >>> figure = s3.pl.gradient(adata, "GRAD1", show=False)
    >>> [ax.get_label() for ax in figure.axes][:2]
    ['distance', 'GRAD1: X']
    """
    import matplotlib.pyplot as plt

    table = table_of(data, table_key)
    found = stored(table, key, ("results", "bands", "target"), fix=_FIX)
    bands, results, params = found["bands"], found["results"], found["params"]
    names = chosen(genes, results["gene"].unique(), "genes", most=4, fix=_FIX + " with genes=")
    shown = chosen(groups, results["group"].unique(), "groups", most=12, fix="pass groups of the result")
    layers = list(dict.fromkeys(results["layer"].astype(str)))
    colors = _colors(table, params.get("groupby"), shown)
    size = _MAP + _PANEL * len(layers) + 0.4, _HEIGHT * max(len(names), 1.2)
    figure = plt.figure(figsize=size, layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=[_MAP, size[0] - _MAP])
    left, right = halves
    _draw_map(left.add_subplot(label="distance"), table, found, cmap)
    grid = right.add_gridspec(len(names), len(layers))
    for row, gene in enumerate(names):
        first: Axes | None = None
        for column, layer in enumerate(layers):
            ax = right.add_subplot(grid[row, column], label=f"{gene}: {layer}", sharey=first)
            of_gene = bands[(bands["gene"] == gene) & (bands["layer"] == layer)]
            _draw_lines(ax, of_gene, shown, colors)
            title = f"{gene}: {layer_title(layer, layers)}"
            if len(shown) == 1:
                own = (results["gene"] == gene) & (results["layer"] == layer) & (results["group"] == shown[0])
                title += f", rho = {results['rho'][own].iloc[0]:.2f}"
            ax.set_title(title, fontsize=9)
            ax.tick_params(labelbottom=row == len(names) - 1, labelleft=first is None)
            if first is None:
                ax.set_ylabel("mean expression")
                first = ax
            if row == len(names) - 1:
                ax.set_xlabel(f"distance to {found['target']['name']}")
            if len(shown) > 1 and row == 0 and column == len(layers) - 1:
                _draw.legend_beside(ax, {name: colors[name] for name in shown}, unlabelled=False)
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _colors(table: AnnData, groupby: str | None, groups: list[str]) -> dict[str, str]:
    if groupby is None:
        return dict.fromkeys(groups, _ONE)
    categories = categories_of(table, groupby, fix=_FIX + " with groupby=").categories
    return colors_of(table, groupby, list(categories))


def _draw_lines(ax: Axes, bands: pd.DataFrame, groups: list[str], colors: dict[str, str]) -> None:
    names = list(dict.fromkeys(bands["band"].astype(str)))
    for number, group in enumerate(groups):
        own = bands[bands["group"] == group]
        aside = 0.0 if len(groups) == 1 else 0.3 * (number / (len(groups) - 1) - 0.5)
        ax.errorbar(
            np.arange(len(names)) + aside, own["mean"], yerr=own["sem"], color=colors[group], label=group,
            marker="o", markersize=4, linewidth=1.5, elinewidth=1, capsize=2,
        )  # fmt: skip
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    if names[0] == "inside":
        ax.axvspan(-0.5, 0.5, color="0.93", zorder=0, linewidth=0)


def _draw_map(ax: Axes, table: AnnData, found: Any, cmap: str) -> None:
    from matplotlib.colors import Normalize

    params, target = found["params"], found["target"]
    codes, slices = slices_of(table, params.get("library_key"))
    xy = coordinates_of(table, str(params["coordinates"]))
    shift = side_by_side(xy, codes, len(slices))
    distance = slot_of(table, "obs", str(params["distance_key"]), fix=_FIX).to_numpy(np.float64)
    known = np.isfinite(distance)
    places, radius = xy + shift[codes], _draw.spot_radius(xy)
    if (~known).any():
        _draw.circles(ax, places[~known], radius, facecolors=UNLABELLED)
    drawn = _draw.circles(
        ax, places[known], radius, array=distance[known], cmap=cmap,
        norm=Normalize(distance[known].min(), distance[known].max()),
    )  # fmt: skip
    view = _draw_target(ax, table, target, places, radius, shift)
    _draw.as_image(ax, np.vstack([view - radius, view + radius]))
    ax.set_title(f"distance to {target['name']}")
    figure = ax.get_figure()
    if figure is not None:
        figure.colorbar(drawn, cax=ax.inset_axes((1.02, 0.15, 0.04, 0.7)))


def _draw_target(
    ax: Axes, table: AnnData, target: Any, places: np.ndarray, radius: float, shift: np.ndarray
) -> np.ndarray:
    """Spots of a domain in its colour, or points, lines and outlines; returns places (k, 2) that must be in view."""
    from matplotlib.collections import LineCollection

    domain = [str(word) for word in target["domain"]]
    if domain:
        labels = categories_of(table, domain[0], fix=_FIX)
        colors = colors_of(table, domain[0], list(labels.categories))
        for name in domain[1:]:
            own = places[np.asarray(labels == name)]
            # the rim tells its colour from those of the distances
            _draw.circles(ax, own, radius, facecolors=colors[name], edgecolors="0.25", linewidths=0.4)
        return places
    vertices = np.asarray(target["xy"]) + shift[np.asarray(target["slice"])]
    kind, part = np.asarray(target["kind"]), np.asarray(target["part"])
    points = kind == 0
    if points.any():
        size = 70 if points.sum() < 300 else 8
        x, y = vertices[points].T
        ax.scatter(x, y, s=size, marker="*", color=_INK, edgecolors="white", linewidths=0.4, zorder=3)
    if (~points).any():
        starts = np.flatnonzero(np.diff(part[~points])) + 1
        ax.add_collection(LineCollection(np.split(vertices[~points], starts), colors=_INK, linewidths=1.2, zorder=3))
    # what lies near the tissue is shown whole, what is far away must not shrink it
    margin = _NEAR * np.ptp(places, axis=0)
    near = np.clip(vertices, places.min(axis=0) - margin, places.max(axis=0) + margin)
    return np.vstack([places, near])
