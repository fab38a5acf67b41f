"""Networks of co-expression, layers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from s3rl._slots.palette import domain_colors
from s3rl._slots.table import table_of
from s3rl.pl import _draw
from s3rl.pl._palette import UNLABELLED
from s3rl.pl._results import chosen, layer_title, stored

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_FIX = "s3.tl.coexpression(adata, genes)"
_POSITIVE, _NEGATIVE = "#D55E00", "#0072B2"
_SIDE = 4.2
_CROWDED = 60


def coexpression(
    data: Data,
    *,
    key: str = "coexpression",
    groups: str | Sequence[str] | None = None,
    genes: Sequence[str] | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the network of each group, a row each, with the layers side by side.

    Genes stand on a circle in the order of their modules in the first layer that has any, at the same place in every
    layer; networkx places them. Circles have the colour of the module and grow with the number of edges; lines are
    wide where the correlation is strong, orange for positive and blue for negative ones.

    Parameters
    ----------
    data
        AnnData or SpatialData with the result of ``s3.tl.coexpression``.
    key
        Name in ``uns`` of the result.
    groups
        Groups to draw; None is the first four.
    genes
        Genes to draw; None is all.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        Axes ``"<group>: <layer>"`` (labels of the Axes).

    Raises
    ------
    MissingKeyError
        If the result, a group or a gene is not there.
    InputError
        If the slot holds something else.
    ParameterError
        If no group or gene is given.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.coexpression(adata, ["MARK-L1-1", "MARK-L1-2", "MARK-WM-1", "MARK-WM-2"], layers=(None,))
    >>> figure = s3.pl.coexpression(adata, show=False)
    >>> [ax.get_label() for ax in figure.axes]
    ['all: X']
    """
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    table = table_of(data, table_key)
    found = stored(table, key, ("results", "genes"), fix=_FIX)
    edges, nodes = found["results"], found["genes"]
    shown = chosen(groups, nodes["group"].astype(str), "groups", most=4, fix="pass groups of the result")
    names = chosen(genes, nodes["gene"].astype(str), "genes", most=10**6, fix="pass genes of the result")
    layers = list(dict.fromkeys(nodes["layer"].astype(str)))
    figure, axes = plt.subplots(
        len(shown), len(layers), figsize=(_SIDE * len(layers), _SIDE * len(shown)), layout="constrained", squeeze=False
    )
    for row, group in enumerate(shown):
        of_group = nodes[(nodes["group"] == group) & nodes["gene"].isin(names)]
        places = _places(of_group, layers)
        for column, layer in enumerate(layers):
            ax = axes[row, column]
            ax.set_label(f"{group}: {layer}")
            own = edges[(edges["group"] == group) & (edges["layer"] == layer)]
            own = own[own["gene_1"].isin(names) & own["gene_2"].isin(names)]
            _draw_network(ax, own, of_group[of_group["layer"] == layer], places)
            title = layer_title(layer, layers) + ("" if group == "all" and len(shown) == 1 else f", {group}")
            ax.set_title(f"{title}: {len(own)} edges", fontsize=11)
    marks = [Line2D([], [], color=color, linewidth=2) for color in (_POSITIVE, _NEGATIVE)]
    figure.legend(marks, ["positive", "negative"], loc="outside lower center", ncols=2, frameon=False)
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _places(nodes: pd.DataFrame, layers: list[str]) -> dict[str, np.ndarray]:
    """Place of each gene on the unit circle, members of a module beside each other."""
    import networkx as nx

    first = nodes[nodes["layer"] == next((layer for layer in layers if _grouped(nodes, layer)), layers[0])]
    # genes without a module come last
    module = first["module"].to_numpy()
    order = np.lexsort((np.arange(len(first)), np.where(module < 0, module.max(initial=0) + 1, module)))
    return {str(name): place for name, place in nx.circular_layout(first["gene"].astype(str).to_numpy()[order]).items()}


def _grouped(nodes: pd.DataFrame, layer: str) -> bool:
    return bool((nodes["module"][nodes["layer"] == layer] >= 0).any())


def _draw_network(ax: Axes, edges: pd.DataFrame, nodes: pd.DataFrame, places: dict[str, np.ndarray]) -> None:
    from matplotlib.collections import LineCollection

    strength = edges["r"].to_numpy()
    weakest = np.argsort(np.abs(strength))
    lines = [(places[str(edges["gene_1"].iloc[k])], places[str(edges["gene_2"].iloc[k])]) for k in weakest]
    widths = 0.8 + 2.7 * np.abs(strength[weakest]) ** 2
    colors = np.where(strength[weakest] > 0, _POSITIVE, _NEGATIVE).tolist()
    alpha = float(np.clip(60 / max(len(lines), 1), 0.15, 0.75))
    ax.add_collection(LineCollection(lines, colors=colors, linewidths=widths, alpha=alpha, zorder=1))
    modules = nodes["module"].to_numpy()
    palette = domain_colors(max(int(modules.max(initial=-1)) + 1, 1) + 2)[2:]
    fills = [palette[module] if module >= 0 else UNLABELLED for module in modules]
    spots = np.stack([places[str(name)] for name in nodes["gene"]])
    sizes = 25 + 110 * nodes["degree"].to_numpy() / max(len(nodes) - 1, 1)
    ax.scatter(spots[:, 0], spots[:, 1], s=sizes, c=fills, edgecolors="0.25", linewidths=0.6, zorder=2)
    size = 8 if len(nodes) <= _CROWDED else 7
    for name, (x, y) in zip(nodes["gene"].astype(str), spots, strict=True):
        angle = np.degrees(np.arctan2(y, x))
        turned = angle + 180 if abs(angle) > 90 else angle
        ax.text(
            1.13 * x, 1.13 * y, name, rotation=turned, rotation_mode="anchor", fontsize=size, va="center",
            ha="right" if abs(angle) > 90 else "left",
        )  # fmt: skip
    longest = max(map(len, nodes["gene"].astype(str)))
    reach = 1.15 + 0.065 * longest
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.set_axis_off()
