"""Slices on each other, before and after their alignment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from s3rl import _keys
from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import coordinates_of, slot_of, table_of
from s3rl.errors import ParameterError
from s3rl.pl import _draw

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes

    from s3rl._typing import Data

_ALPHA = 0.5
_FILL = 0.7


def alignment(
    data: Data,
    library_key: str,
    *,
    key: str = "spatial_aligned",
    spatial_key: str | None = None,
    table_key: str | None = None,
    ax: Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> list[Axes]:
    """Draw all slices on each other, before and after :func:`s3rl.pp.align_slices`.

    Circles are half transparent and a little narrower than the spots lie apart, in one colour for each slice. Units
    are equal and y points down.

    Parameters
    ----------
    data
        AnnData or SpatialData with aligned slices.
    library_key
        Column of ``obs`` that names the slice.
    key
        ``key_added`` of the alignment.
    spatial_key
        Coordinates before the alignment; None is those that were aligned.
    table_key
        Table of a SpatialData.
    ax
        Two Axes to draw on, before and after.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and neither ``ax`` nor ``save`` is given.
    save
        Path of the picture.

    Returns
    -------
    axes
        Two Axes, before and after, with one collection of circles for each slice, in the order of the alignment. The
        colours are those of ``uns["<library_key>_colors"]``, or the default ones.

    Raises
    ------
    MissingKeyError
        If a column or coordinates are not there, or the slices have not been aligned.
    LabelsError
        If ``library_key`` holds no names.
    CoordinatesError
        If coordinates are not finite.
    ParameterError
        If ``ax`` is not two Axes.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(
    ...     n_spots=150, n_genes=100, n_layers=3, n_slices=2, shift=400.0, image=False
    ... )
    >>> s3.pp.normalize(sdata)
    >>> s3.pp.align_slices(sdata, "slice")
    >>> [ax.get_title() for ax in s3.pl.alignment(sdata, "slice", show=False)]
    ['before', 'after: shifted']
    """
    table = table_of(data, table_key)
    fix = f"s3.pp.align_slices(adata, {library_key!r})"
    slot_of(table, "obsm", key, fix=fix)
    told = slot_of(table, "uns", _keys.AlignmentKeys(key).uns, fix=fix)
    labels = categories_of(table, library_key, fix="pass the column of adata.obs that names the slice")
    colors = colors_of(table, library_key, list(labels.categories))
    before = coordinates_of(table, spatial_key or str(told["spatial_key"]))
    after = coordinates_of(table, key)
    names = [name for name in map(str, told["order"]) if (labels == name).any()]
    axes = _axes(ax)
    titles = "before", f"after: {'turned and ' if told['mode'] == 'rigid' else ''}shifted"
    for panel, xy, title in zip(axes, (before, after), titles, strict=True):
        radius = _FILL * min(_draw.spot_radius(xy[labels == name]) for name in names)
        for name in names:
            drawn = _draw.circles(panel, xy[labels == name], radius, facecolors=colors[name], alpha=_ALPHA)
            drawn.set_label(name)
        _draw.as_image(panel, np.vstack([xy - radius, xy + radius]))
        panel.set_title(title)
    _draw.legend_beside(axes[1], {name: colors[name] for name in names}, unlabelled=False, title=library_key)
    _draw.finish(axes[0].figure, new=ax is None, show=show, save=save)
    return axes


def _axes(ax: Sequence[Axes] | None) -> list[Axes]:
    if ax is None:
        import matplotlib.pyplot as plt

        return list(plt.subplots(1, 2, figsize=(10.5, 4.8), layout="compressed")[1])
    given = list(ax) if isinstance(ax, (Sequence, np.ndarray)) else []
    if len(given) != 2:
        raise ParameterError(
            "must be two Axes, before and after",
            key="ax",
            found=type(ax).__name__,
            fix="ax=matplotlib.pyplot.subplots(1, 2)[1]",
        )
    return [_draw.checked_axes(one) for one in given]
