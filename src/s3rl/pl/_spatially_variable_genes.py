"""What varies over space: maps of the first genes with an overview, or groups beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._params import whole_number
from s3rl._slots.gene_chunks import gene_chunks
from s3rl._slots.labels import categories_of
from s3rl._slots.table import table_of
from s3rl.errors import MissingKeyError
from s3rl.pl import _draw
from s3rl.pl._palette import UNLABELLED
from s3rl.pl._places import places_of
from s3rl.pl._variable_genes_parts import CALL, LEVEL, Tests, dots, groups_of, tests_of

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_SIDE = 2.3
CALLED = "#b2182b"


def spatially_variable_genes(
    data: Data,
    *,
    key: str = "spatially_variable_genes",
    group: str | None = None,
    n_genes: int | None = None,
    cmap: str = "viridis",
    library_key: str | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw what :func:`s3rl.tl.spatially_variable_genes` has found.

    For the whole tissue, or one group: every gene's statistic and p-value, and maps of the genes with the smallest
    p-values, each from its smallest value to its 99th percentile; spots outside of the group are grey. For several
    groups: a dot for each group and gene, its size -log10 of the fdr (up to 10), its colour the statistic, a black
    edge where the fdr is 0.05 or less. Where there are calibrated p-values, these are drawn.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        Name in ``uns`` of the tests.
    group
        Group to draw alone, with maps; None is all of them.
    n_genes
        Maps, or genes of each group; None is 6 or 3.
    cmap
        Matplotlib colour map.
    library_key
        Column of ``obs`` that names the slice: slices are drawn beside each other; None is that of the tests.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        With axes ``"overview"`` and one named after each gene, or ``"dots"`` (labels of the Axes), and colour bars.

    Raises
    ------
    MissingKeyError
        If the tests, the group, the expression or the coordinates are not there.
    InputError
        If ``uns[key]`` is no such table, or expression is not finite.
    ParameterError
        If ``n_genes`` is no positive number, or there is no such colour map.
    LabelsError
        If the groups are no names.
    CoordinatesError
        If the coordinates are not finite.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=60, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.spatially_variable_genes(adata, groupby="domain", min_spots=20)
    >>> figure = s3.pl.spatially_variable_genes(adata, key="spatially_variable_genes_domain", show=False)
    >>> figure.axes[0].get_label()
    'dots'
    """
    table = table_of(data, table_key)
    tests = tests_of(table, key)
    _draw.check_colour_map(cmap)
    if n_genes is not None:
        whole_number(n_genes, "n_genes", 1, 6)
    groups = groups_of(tests.frame)
    if group is not None and group not in groups:
        raise MissingKeyError(
            "was not tested", key="group", found=repr(group), available=groups, fix=f"pass group={groups[0]!r}"
        )
    if group is None and len(groups) > 1:
        figure = dots(tests, groups, int(n_genes or 3), cmap)
    else:
        xy = places_of(table, library_key or tests.params.get("library_key"))
        figure = _maps(table, tests, group or groups[0], int(n_genes or 6), cmap, xy)
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _maps(table: AnnData, tests: Tests, group: str, n_genes: int, cmap: str, xy: np.ndarray) -> Figure:
    import matplotlib.pyplot as plt

    own = tests.frame[(tests.frame["group"].astype(str) == group).to_numpy()]
    top = own[own[tests.pvalue].notna().to_numpy()].head(n_genes)
    names = [name for name in top["gene"].astype(str) if name in table.var_names]
    inside = np.ones(table.n_obs, dtype=bool)
    if "groupby" in tests.params:
        labels = categories_of(table, str(tests.params["groupby"]), fix=CALL)
        inside = np.asarray(labels == group)
    columns = 3 if len(names) > 4 else 2 if len(names) > 1 else 1
    lines = -(-max(len(names), 1) // columns)
    aspect = float(np.clip(np.divide(*np.maximum(np.ptp(xy, axis=0), 1e-9)[::-1]), 0.5, 1.6))
    height = max(lines * (_SIDE * aspect + 0.3), 3.2)
    figure = plt.figure(figsize=(3.6 + columns * (_SIDE + 0.55), height), layout="constrained")
    grid = figure.add_gridspec(lines, columns + 1, width_ratios=[3.2, *[_SIDE + 0.4] * columns])
    _overview(figure.add_subplot(grid[:, 0], label="overview"), own, top, tests, group)
    for number, name in enumerate(names):
        ax = figure.add_subplot(grid[number // columns, 1 + number % columns], label=name)
        row = top.iloc[list(top["gene"].astype(str)).index(name)]
        position = np.array([table.var_names.get_loc(name)])
        values = next(gene_chunks(table, position, tests.params.get("layer"), counts=True))[1][:, 0]
        _map(ax, xy, values, inside, cmap)
        ax.set_title(f"{name}  {tests.letter} = {row['statistic']:.2f}", fontsize=9)
    return figure


def _overview(ax: Axes, own: pd.DataFrame, top: pd.DataFrame, tests: Tests, group: str) -> None:
    from matplotlib.ticker import MaxNLocator

    x, y = own["statistic"].to_numpy(np.float64), -np.log10(own[tests.pvalue].to_numpy(np.float64))
    called = own[tests.fdr].to_numpy(np.float64) <= LEVEL
    for chosen, color in ((~called, UNLABELLED), (called, CALLED)):
        ax.scatter(x[chosen], y[chosen], s=7, color=color, linewidths=0, rasterized=len(x) > 5000)
    tested = int(np.isfinite(y).sum())
    ax.set_title(
        f"{'' if group == 'all' else group + ': '}{called.sum()} of {tested} genes\nwith FDR ≤ {LEVEL}", fontsize=9
    )
    ax.set_xlabel(tests.statistic)
    ax.set_ylabel(f"-log10 p{tests.note}")
    ax.spines[["top", "right"]].set_visible(False)
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        return
    low, high = float(x[finite].min()), float(x[finite].max())
    reach = max(high - low, 1e-6)
    toward = 1 if tests.letter == "I" else -1
    # names stand at the side of strong patterns, where the cloud has its tip
    room = (low - 0.05 * reach, high + 0.62 * reach) if toward > 0 else (low - 0.62 * reach, high + 0.05 * reach)
    ax.set_xlim(*room)
    ticks = np.asarray(MaxNLocator(5).tick_values(low, high))
    ax.set_xticks(ticks[(ticks >= low - 0.05 * reach) & (ticks <= high + 0.05 * reach)])
    ax.set_ylim(0, max(float(y[finite].max()) * 1.06, 1.0))
    places = -np.log10(top[tests.pvalue].to_numpy(np.float64))
    edge = high + 0.12 * reach if toward > 0 else low - 0.12 * reach
    for name, at, value, where in zip(
        top["gene"].astype(str), top["statistic"], places, _apart(places, ax.get_ylim()[1]), strict=True
    ):
        ax.annotate(
            name,
            (at, value),
            (edge, where),
            ha="left" if toward > 0 else "right",
            va="center",
            fontsize=7.5,
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "0.5", "shrinkA": 1, "shrinkB": 2},
        )


def _apart(places: np.ndarray, top: float) -> np.ndarray:
    """Heights of names in the order of their points, none nearer than a line to the next, none above the axes."""
    step = 0.06 * top
    found, last = np.empty(len(places)), top + step / 2
    for number in np.argsort(-places, kind="stable"):
        last = min(places[number], last - step)
        found[number] = last
    return found


def _map(ax: Axes, xy: np.ndarray, values: np.ndarray, inside: np.ndarray, cmap: str) -> None:
    from matplotlib.colors import Normalize

    radius = _draw.spot_radius(xy)
    own = values[inside]
    low, high = float(own.min()), float(np.percentile(own, 99))
    high = high if high > low else max(float(own.max()), low + 1e-9)
    if not inside.all():
        _draw.circles(ax, xy[~inside], radius, facecolors=UNLABELLED, alpha=0.45)
    drawn = _draw.circles(ax, xy[inside], radius, array=own, cmap=cmap, norm=Normalize(low, high))
    _draw.as_image(ax, np.vstack([xy - radius, xy + radius]))
    figure = ax.get_figure(root=True)
    if figure is not None:
        bar = figure.colorbar(drawn, ax=ax, shrink=0.6, pad=0.02, extend="max" if own.max() > high else "neither")
        bar.ax.tick_params(labelsize=7)
