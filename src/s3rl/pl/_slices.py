"""All slices side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from s3rl import _keys
from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.slice_order import aligned_order
from s3rl._slots.table import coordinates_of, slices_of, table_of
from s3rl.errors import ParameterError
from s3rl.pl import _draw
from s3rl.pl._palette import UNLABELLED

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes

    from s3rl._typing import Data

_COLUMNS = 4
_WIDTH = 3.4


def slices(
    data: Data,
    key: str = "s3rl_domain",
    *,
    library_key: str,
    spatial_key: str = _keys.SPATIAL,
    order: Sequence[str] | None = None,
    n_columns: int | None = None,
    table_key: str | None = None,
    ax: Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> list[Axes]:
    """Draw the domains of all slices side by side, at one scale and with one legend.

    One unit of the coordinates is as long in every panel. Slices that :func:`s3rl.pp.align_slices` has brought into
    one frame (``spatial_key="spatial_aligned"``) show the same window of it; others are each in the middle of their
    panel. Spots are circles that touch, y points down, and spots without a name are grey. Over an image, draw them
    with :func:`s3rl.pl.domains`.

    Parameters
    ----------
    data
        AnnData or SpatialData of several slices.
    key
        Column of ``obs`` with the domains, or with any names.
    library_key
        Column of ``obs`` that names the slice.
    spatial_key
        Coordinates in ``obsm``.
    order
        Slices to draw, in this order; None is the order of the alignment where there is one, else that of the
        categories.
    n_columns
        Panels in a row; None is 4, or as many as there are slices.
    table_key
        Table of a SpatialData.
    ax
        Axes to draw on, one for each slice.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and neither ``ax`` nor ``save`` is given.
    save
        Path of the picture.

    Returns
    -------
    axes
        One Axes for each slice; the legend is beside the last one of the first row. The colours are those of
        ``uns["<key>_colors"]``, or the default ones.

    Raises
    ------
    MissingKeyError
        If a column or the coordinates are not there.
    LabelsError
        If a column holds no names.
    CoordinatesError
        If the coordinates are not finite.
    ParameterError
        If ``order`` names other slices, or ``ax`` or ``n_columns`` does not fit.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3, n_slices=3, image=False)
    >>> axes = s3.pl.slices(sdata, "domain", library_key="slice", show=False)
    >>> [ax.get_title() for ax in axes]
    ['slice1', 'slice2', 'slice3']
    """
    table = table_of(data, table_key)
    labels = categories_of(table, key, fix="s3.tl.s3rl(adata, n_domains, library_key=...)")
    colors = colors_of(table, key, list(labels.categories))
    xy = coordinates_of(table, spatial_key)
    codes, names = slices_of(table, library_key)
    aligned = aligned_order(table, spatial_key, names)
    drawn = _drawn(order, aligned or names, names)
    masks = [codes == names.index(name) for name in drawn]
    windows = _windows([xy[mask] for mask in masks], together=aligned is not None)
    axes, last = _axes(ax, len(drawn), n_columns, windows[0])
    # the last colour is that of code -1, a missing name
    palette = np.array([*(colors[name] for name in labels.categories), UNLABELLED])
    radius = min(_draw.spot_radius(xy[mask]) for mask in masks)
    for panel, mask, name, window in zip(axes, masks, drawn, windows, strict=True):
        _draw.circles(panel, xy[mask], radius, facecolors=palette[labels.codes[mask]])
        _draw.as_image(panel, window)
        panel.set_title(name)
    shown = np.unique(labels.codes[np.logical_or.reduce(masks)])
    entries = {labels.categories[code]: colors[labels.categories[code]] for code in shown if code >= 0}
    _draw.legend_beside(axes[last], entries, unlabelled=bool((shown < 0).any()), title=key)
    _draw.finish(axes[0].figure, new=ax is None, show=show, save=save)
    return axes


def _drawn(order: Sequence[str] | None, usual: list[str], names: list[str]) -> list[str]:
    if order is None:
        return usual
    wanted = [str(name) for name in ([order] if isinstance(order, str) else order)]
    if not wanted or not set(wanted) <= set(names) or len(set(wanted)) < len(wanted):
        raise ParameterError(
            "must name slices, each once", key="order", found=", ".join(wanted), available=names, fix="leave order out"
        )
    return wanted


def _windows(xy: list[np.ndarray], *, together: bool) -> list[np.ndarray]:
    """Corners (2, 2) of each panel, all of one size."""
    low, high = (np.stack([edge(part, axis=0) for part in xy]) for edge in (np.min, np.max))
    if together:
        return [np.stack([low.min(axis=0), high.max(axis=0)])] * len(xy)
    half = (high - low).max(axis=0) / 2
    return [np.stack([centre - half, centre + half]) for centre in (low + high) / 2]


def _axes(ax: Sequence[Axes] | None, count: int, n_columns: int | None, window: np.ndarray) -> tuple[list[Axes], int]:
    """Axes of the panels, and which of them the legend is beside."""
    import matplotlib.pyplot as plt

    whole = isinstance(n_columns, (int, np.integer)) and not isinstance(n_columns, bool)
    if n_columns is not None and not (whole and n_columns >= 1):
        raise ParameterError(
            "must be a whole number of at least 1", key="n_columns", found=repr(n_columns), fix="leave n_columns out"
        )
    if ax is not None:
        given = list(ax) if isinstance(ax, (Sequence, np.ndarray)) else [ax]
        if len(given) != count:
            raise ParameterError(
                "must be one Axes for each slice",
                key="ax",
                found=f"{len(given)} for {count} slices",
                fix=f"ax=matplotlib.pyplot.subplots(1, {count})[1]",
            )
        return [_draw.checked_axes(one) for one in given], count - 1
    columns = min(n_columns or _COLUMNS, count)
    rows = -(-count // columns)
    wide, high = np.maximum(window[1] - window[0], 1e-9)
    size = (_WIDTH * columns + 1.2, _WIDTH * float(np.clip(high / wide, 0.3, 2.5)) * rows + 0.4 * rows)
    grid = plt.subplots(rows, columns, figsize=size, layout="compressed", squeeze=False)[1].ravel()
    for empty in grid[count:]:
        empty.set_axis_off()
    return list(grid[:count]), columns - 1
