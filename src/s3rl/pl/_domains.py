"""Domains on their tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import coordinates_of, slices_of, table_of
from s3rl.errors import ParameterError
from s3rl.pl import _draw, _tissue

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData
    from matplotlib.axes import Axes

    from s3rl._typing import Data

_COLUMNS = 4


def domains(
    data: Data,
    *,
    key: str = "s3rl_domain",
    reference_key: str | None = None,
    library_key: str | None = None,
    image_key: str | None = None,
    image: bool = True,
    table_key: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> list[Axes]:
    """Draw domains on their tissue, beside an annotation where there is one.

    A SpatialData is drawn by spatialdata-plot, image and shapes in the coordinate system they share; an AnnData with
    an image in ``uns["spatial"]`` by :func:`squidpy.pl.spatial_scatter`; anything else as circles at
    ``obsm["spatial"]``, as wide as the spots are (``spot_diameter_fullres``) or as touch each other. Units are equal
    and y points down. Spots without a name are grey.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        Column of ``obs`` with the domains.
    reference_key
        Column of ``obs`` with an annotation, drawn beside; the title then gives the adjusted Rand index over the
        annotated spots. After :func:`s3rl.tl.match_labels` equal names have equal colours.
    library_key
        Column of ``obs`` that names the slice; one panel for each, or one row beside an annotation.
    image_key
        Image below the spots: an element of ``sdata.images``, or the resolution in ``uns["spatial"]``; by default
        the first in the coordinate system of the spots, and ``"hires"`` where there is one.
    image
        Whether to draw an image.
    table_key
        Table of a SpatialData.
    ax
        Axes to draw on, where there is one panel.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and neither ``ax`` nor ``save`` is given.
    save
        Path of the picture.

    Returns
    -------
    axes
        One Axes for each panel: slices in the order of their names, for each the domains and then the annotation.
        The colours are those of ``uns["<key>_colors"]``, or the default ones.

    Raises
    ------
    MissingKeyError
        If a column, the coordinates or the image are not there.
    LabelsError
        If a column holds no names.
    CoordinatesError
        If the coordinates are not finite.
    ParameterError
        If ``ax`` is given for several panels, or the image shares no coordinate system with the spots.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=200, n_genes=50, n_layers=3)
    >>> axes = s3.pl.domains(sdata, key="domain", show=False)
    >>> axes[0].get_title()
    'domain'
    """
    table = table_of(data, table_key)
    keys = [key] if reference_key is None else [key, reference_key]
    columns = {
        name: categories_of(table, name, fix="s3.tl.s3rl(adata, n_domains)" if name == key else "pass another column")
        for name in keys
    }
    named = {
        name: _tissue.Named(column, colors_of(table, name, list(column.categories))) for name, column in columns.items()
    }
    coordinates_of(table)
    slices, slice_names = slices_of(table, library_key)
    masks = [slices == number for number in range(len(slice_names))]
    places = [
        _tissue.place_of(data, table, mask, name, image_key, image)
        for mask, name in zip(masks, slice_names, strict=True)
    ]
    axes = _panels(table, masks, len(keys), ax)
    for number, panel in enumerate(axes):
        which, column = divmod(number, len(keys))
        mask, name = masks[which], keys[column]
        _tissue.draw_named(panel, data, table, named[name], mask, places[which])
        panel.set_title(_title(named, name, reference_key, mask, slice_names[which] if library_key else None))
        if _has_legend(number, len(axes), len(keys)):
            missing = bool((named[name].labels.codes < 0).any())
            _draw.legend_beside(panel, named[name].colors, unlabelled=missing)
    _draw.finish(axes[0].figure, new=ax is None, show=show, save=save)
    return axes


def _panels(table: AnnData, masks: list[np.ndarray], n_keys: int, ax: Axes | None) -> list[Axes]:
    import matplotlib.pyplot as plt

    count = len(masks) * n_keys
    if ax is not None:
        if count > 1:
            raise ParameterError(
                "is one, but there are several panels", key="ax", found=f"{count} panels", fix="leave ax out"
            )
        return [_draw.checked_axes(ax)]
    columns = n_keys if n_keys > 1 else min(_COLUMNS, count)
    rows = -(-count // columns)
    xy = coordinates_of(table)[masks[0]]
    wide, high = np.maximum(np.ptp(xy, axis=0), 1e-9)
    aspect = float(np.clip(high / wide, 0.4, 2.0))
    width = 4.6 if columns <= 2 else 3.6
    size = (width * columns + 1.2 * n_keys, width * aspect * rows + 0.5)
    grid = plt.subplots(rows, columns, figsize=size, layout="compressed", squeeze=False)[1].ravel()
    for empty in grid[count:]:
        empty.set_axis_off()
    return list(grid[:count])


def _has_legend(number: int, count: int, n_keys: int) -> bool:
    """One legend for each column of names, at the right end of the first row."""
    return number < n_keys if n_keys > 1 else number == min(_COLUMNS, count) - 1


def _title(
    named: dict[str, _tissue.Named], name: str, reference_key: str | None, spots: np.ndarray, slice_name: str | None
) -> str:
    title = name if slice_name is None else f"{slice_name}: {name}"
    if reference_key is None or name == reference_key:
        return title
    from sklearn.metrics import adjusted_rand_score

    found, truth = named[name].labels.codes[spots], named[reference_key].labels.codes[spots]
    both = (found >= 0) & (truth >= 0)
    if not both.any():
        return title
    return f"{title} (ARI {adjusted_rand_score(truth[both], found[both]):.2f})"
