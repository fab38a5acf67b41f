"""Domains that were found on the image alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import coordinates_of, slices_of, table_of
from s3rl.errors import MissingKeyError
from s3rl.pl import _draw, _tissue

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes

    from s3rl._typing import Data

_PANEL = 4.2
_FIX = "s3.tl.cluster(data, 'leiden', use_rep='X_simclr')"


def image_domains(
    data: Data,
    *,
    key: str = "simclr_leiden",
    reference_key: str | Sequence[str] | None = None,
    library_key: str | None = None,
    image_key: str | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> list[Axes]:
    """Draw domains of the image alone beside the image and beside other domains.

    This is figure S6 of Fu et al., Adv. Sci. 2025. What agrees was in the stain already; what does not is what
    expression adds, or what the image sees and expression does not. The domains come from
    ``s3.tl.cluster(data, "leiden", use_rep="X_simclr")``. Units are equal and y points down; spots without a name are
    grey.

    Parameters
    ----------
    data
        SpatialData with an image, or AnnData with one in ``uns["spatial"]``.
    key
        Column of ``obs`` with the domains of the image.
    reference_key
        Columns of ``obs`` to compare with, one more panel each: ``"s3rl_domain"``, or an annotation. Their titles give
        the adjusted Rand index with ``key`` over the spots that have both names.
    library_key
        Column of ``obs`` that names the slice; one row of panels for each.
    image_key
        Element of ``sdata.images``, or the resolution in ``uns["spatial"]``; by default the first in the coordinate
        system of the spots, and ``"hires"`` where there is one.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    axes
        For each slice the image, the domains of ``key``, and those of each reference.

    Raises
    ------
    DataTypeError
        If ``data`` is neither.
    MissingKeyError
        If a column, the coordinates or the image are not there.
    LabelsError
        If a column holds no names.
    CoordinatesError
        If the coordinates are not finite.
    ParameterError
        If the image shares no coordinate system with the spots.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import numpy as np
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=60, n_genes=30, n_layers=3)
    >>> sdata.tables["table"].obsm["X_simclr"] = np.random.default_rng(0).normal(size=(60, 4))
    >>> s3.tl.cluster(sdata, "leiden", use_rep="X_simclr")
    >>> axes = s3.pl.image_domains(sdata, reference_key="domain", show=False)
    >>> [ax.get_title().split(" (")[0] for ax in axes]
    ['he', 'simclr_leiden', 'domain']
    """
    table = table_of(data, table_key)
    references = [reference_key] if isinstance(reference_key, str) else list(reference_key or [])
    columns = {
        name: categories_of(
            table,
            name,
            fix="s3.tl.cluster(data, 'leiden', use_rep='X_simclr')" if name == key else "pass another column",
        )
        for name in (key, *references)
    }
    named = {
        name: _tissue.Named(column, colors_of(table, name, list(column.categories))) for name, column in columns.items()
    }
    slices, slice_names = slices_of(table, library_key)
    masks = [slices == number for number in range(len(slice_names))]
    places = [
        _with_image(_tissue.place_of(data, table, mask, name, image_key, True))
        for mask, name in zip(masks, slice_names, strict=True)
    ]
    axes = _panels(coordinates_of(table)[masks[0]], len(masks), len(named) + 1)
    for row, mask, place, slice_name in zip(axes, masks, places, slice_names, strict=True):
        _tissue.draw_image(row[0], data, table, mask, place)
        row[0].set_title(f"{slice_name}: {place.image}" if library_key else f"{place.image}")
        for ax, (name, labels) in zip(row[1:], named.items(), strict=True):
            _tissue.draw_named(ax, data, table, labels, mask, place)
            ax.set_title(name if name == key else _compared(name, labels, named[key], mask))
            if row is axes[0]:
                _draw.legend_beside(ax, labels.colors, unlabelled=bool((labels.labels.codes < 0).any()))
    flat = [ax for row in axes for ax in row]
    _draw.finish(flat[0].figure, new=True, show=show, save=save)
    return flat


def _with_image(place: _tissue.Place) -> _tissue.Place:
    if place.image is None:
        raise MissingKeyError(
            "is not there beside the spots: no image shares their coordinate system",
            key="images",
            available=[],
            fix="s3.pl.domains draws domains without an image",
        )
    return place


def _panels(xy: np.ndarray, n_rows: int, n_columns: int) -> list[list[Axes]]:
    import matplotlib.pyplot as plt

    wide, high = np.maximum(np.ptp(xy, axis=0), 1e-9)
    height = _PANEL * float(np.clip(high / wide, 0.4, 2.0))
    size = (_PANEL * n_columns + 1.0 * (n_columns - 1), height * n_rows + 0.5)
    grid = plt.subplots(n_rows, n_columns, figsize=size, layout="compressed", squeeze=False)[1]
    return [list(row) for row in grid]


def _compared(name: str, other: _tissue.Named, own: _tissue.Named, spots: np.ndarray) -> str:
    from sklearn.metrics import adjusted_rand_score

    mine, theirs = own.labels.codes[spots], other.labels.codes[spots]
    both = (mine >= 0) & (theirs >= 0)
    return f"{name} (ARI {adjusted_rand_score(theirs[both], mine[both]):.2f})" if both.any() else name
