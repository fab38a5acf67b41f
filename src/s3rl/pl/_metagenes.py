"""Metagenes: their maps, and the genes that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._params import whole_number
from s3rl._slots.embedding import embedding_of
from s3rl._slots.table import slot_of, table_of
from s3rl.errors import InputError
from s3rl.pl import _draw
from s3rl.pl._places import places_of

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_CALL = "s3.tl.metagenes(adata)"
_SIDE = 2.6


def metagenes(
    data: Data,
    *,
    key: str = "metagenes",
    n_genes: int = 10,
    cmap: str = "RdBu_r",
    library_key: str | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the score of each metagene over the tissue, and below it the genes that correlate most with it.

    Scores run from the negative to the positive 98th percentile of their size, so that white is a spot of the mean.
    Units of the tissue are equal and y points down.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        Name in ``obsm`` and ``uns`` of the metagenes.
    n_genes
        Most genes to list for each.
    cmap
        Matplotlib colour map with a middle.
    library_key
        Column of ``obs`` that names the slice: slices are drawn beside each other.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        With axes ``"metagene 0: map"`` and ``"metagene 0: genes"`` (labels of the Axes) and so on, and colour bars.

    Raises
    ------
    MissingKeyError
        If the metagenes or the coordinates are not there.
    InputError
        If they are not what :func:`s3rl.tl.metagenes` writes.
    ParameterError
        If ``n_genes`` is no positive number, or there is no such colour map.
    CoordinatesError
        If the coordinates are not finite.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=60, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.metagenes(adata, adata.var_names[:20], n=2)
    >>> figure = s3.pl.metagenes(adata, show=False)
    >>> figure.axes[0].get_label()
    'metagene 0: map'
    """
    import matplotlib.pyplot as plt

    table = table_of(data, table_key)
    scores = embedding_of(table, key, fix=_CALL)
    frame = _genes_of(table, key, scores.shape[1])
    _draw.check_colour_map(cmap, "RdBu_r")
    whole_number(n_genes, "n_genes", 1, 10)
    xy = places_of(table, library_key)
    parts = [frame[(frame["metagene"].astype(str) == str(number)).to_numpy()] for number in range(scores.shape[1])]
    listed = min(int(n_genes), max(map(len, parts)))
    aspect = float(np.clip(np.divide(*np.maximum(np.ptp(xy, axis=0), 1e-9)[::-1]), 0.5, 1.6))
    upper, lower = _SIDE * aspect, 0.17 * listed + 0.55
    columns = min(len(parts), 5)
    lines = -(-len(parts) // columns)
    figure = plt.figure(figsize=((_SIDE + 0.7) * columns, (upper + lower + 0.5) * lines), layout="constrained")
    grid = figure.add_gridspec(2 * lines, columns, height_ratios=[upper, lower] * lines)
    for number, own in enumerate(parts):
        line, column = divmod(number, columns)
        above = figure.add_subplot(grid[2 * line, column], label=f"metagene {number}: map")
        below = figure.add_subplot(grid[2 * line + 1, column], label=f"metagene {number}: genes")
        _map(above, xy, scores[:, number], cmap)
        above.set_title(f"metagene {number}: {len(own)} gene{'s' * (len(own) != 1)}", fontsize=10)
        _bars(below, own.head(listed), listed)
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _genes_of(table: AnnData, key: str, n: int) -> pd.DataFrame:
    stored = slot_of(table, "uns", key, fix=_CALL)
    frame = stored.get("results") if hasattr(stored, "get") else None
    if frame is None or not {"gene", "metagene", "correlation"} <= set(getattr(frame, "columns", ())):
        raise InputError("is no table of metagenes", key=f"uns[{key!r}]", found=type(stored).__name__, fix=_CALL)
    numbers = set(frame["metagene"].astype(str))
    if not numbers or numbers != {str(number) for number in range(n)}:
        raise InputError(
            "are of another run than the scores",
            key=f"uns[{key!r}]",
            found=f"{len(numbers)} metagenes for {n} columns of obsm[{key!r}]",
            fix=_CALL,
        )
    return frame.sort_values("correlation", ascending=False, kind="stable")


def _map(ax: Axes, xy: np.ndarray, values: np.ndarray, cmap: str) -> None:
    from matplotlib.colors import Normalize

    reach = float(np.percentile(np.abs(values), 98)) or max(float(np.abs(values).max()), 1e-9)
    radius = _draw.spot_radius(xy)
    drawn = _draw.circles(ax, xy, radius, array=values, cmap=cmap, norm=Normalize(-reach, reach))
    _draw.as_image(ax, np.vstack([xy - radius, xy + radius]))
    figure = ax.get_figure(root=True)
    if figure is not None:
        bar = figure.colorbar(drawn, ax=ax, shrink=0.6, pad=0.02, extend="both")
        bar.ax.tick_params(labelsize=7)


def _bars(ax: Axes, own: pd.DataFrame, places: int) -> None:
    heights = np.arange(len(own))
    ax.barh(heights, own["correlation"], color="0.75", height=0.75)
    ax.set_yticks(heights, own["gene"].astype(str), fontsize=7.5)
    ax.set_ylim(places - 0.4, -0.6)
    ax.set_xlim(min(0.0, float(own["correlation"].min()) * 1.05), 1.0)
    ax.set_xlabel("correlation with the metagene", fontsize=8)
    ax.tick_params(axis="x", labelsize=7.5)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
