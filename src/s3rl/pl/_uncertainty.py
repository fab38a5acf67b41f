"""Where the domains are uncertain, beside the domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl import _keys
from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import coordinates_of, slices_of, slot_of, table_of
from s3rl.errors import InputError
from s3rl.pl import _draw, _model, _tissue

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_WIDTH = 3.4
_SHADES = 64


def uncertainty(
    data: Data,
    *,
    key: str = "s3rl",
    library_key: str | None = None,
    image_key: str | None = None,
    image: bool = True,
    cmap: str = "magma_r",
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the domains, how uncertain they are, and that for each domain; a row for each slice.

    The uncertainty is the probability that two readings of a spot differ: one drawn with the model's affinities to
    the prototypes, the other by one of the mixtures of the consensus, drawn at random. It is high at borders and
    between domains that are alike. It is no posterior: model and mixtures read the same components, and what misleads
    one misleads all. Where no mixtures took part, both readings are of the model, and the title says so.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        The ``key_added`` of :func:`s3rl.tl.s3rl` or :func:`s3rl.tl.transfer`; ``obs["<key>_uncertainty"]`` and
        ``obs["<key>_domain"]`` are read.
    library_key
        Column of ``obs`` that names the slice.
    image_key
        Image below the domains: an element of ``sdata.images``, or the resolution in ``uns["spatial"]``.
    image
        Whether to draw an image below the domains; there is none below the uncertainty, so that its colours stay true.
    cmap
        Colour map of the uncertainty, from 0 to its 99th percentile rounded up, the same in all slices.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        Its first Axes are three for each slice: domains, uncertainty, and boxes of the uncertainty of each domain
        (quartiles, whiskers from the 5th to the 95th percentile).

    Raises
    ------
    MissingKeyError
        If a slot of the model, the coordinates or the image are not there.
    InputError
        If the uncertainty is not from 0 to 1.
    LabelsError
        If the domains are no names.
    CoordinatesError
        If the coordinates are not finite.
    ParameterError
        If ``cmap`` names no colour map, or the image shares no coordinate system with the spots.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3).tables["table"]
    >>> adata.obs["s3rl_domain"] = adata.obs["domain"]
    >>> adata.obs["s3rl_uncertainty"] = adata.obs["depth"] ** 2
    >>> figure = s3.pl.uncertainty(adata, show=False)
    >>> [ax.get_title() for ax in figure.axes[:3]]
    ['s3rl_domain', 'uncertainty (model alone)', 'by domain']
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    table = table_of(data, table_key)
    keys = _keys.ModelKeys(key)
    _draw.check_colour_map(cmap)
    labels = categories_of(table, keys.domain, fix=_model.training_call(key))
    named = _tissue.Named(labels, colors_of(table, keys.domain, list(labels.categories)))
    values = _values_of(table, keys, key)
    xy = coordinates_of(table)
    codes, slices = slices_of(table, library_key)
    high = max(0.1, float(np.ceil(10 * np.percentile(values, 99))) / 10)
    scale = ScalarMappable(Normalize(0, high), cmap)
    shades, beyond = _shades(values / high, scale), "max" if values.max() > high else "neither"
    readings = "uncertainty" if keys.agreement in table.obs else "uncertainty (model alone)"
    figure, rows = _panels(xy[codes == 0], len(slices), len(labels.categories))
    for number, (name, (left, middle, right)) in enumerate(zip(slices, rows, strict=True)):
        spots, prefix = codes == number, f"{name}: " if library_key else ""
        for ax, shown, pictured in ((left, named, image), (middle, shades, False)):
            place = _tissue.place_of(data, table, spots, name, image_key if pictured else None, pictured)
            _tissue.draw_named(ax, data, table, shown, spots, place)
        left.set_title(f"{prefix}{keys.domain}")
        middle.set_title(readings)
        figure.colorbar(scale, ax=middle, shrink=0.7, pad=0.02, extend=beyond)
        _draw_boxes(right, values[spots], named, labels.codes[spots])
        right.set_xlim(0, 1.02 * high)
    rows[-1][2].set_xlabel("uncertainty")
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _values_of(table: AnnData, keys: _keys.ModelKeys, key: str) -> np.ndarray:
    column = slot_of(table, "obs", keys.uncertainty, fix=_model.training_call(key))
    values = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan) if column.dtype.kind in "fiub" else np.nan)
    outside = ~((values >= 0) & (values <= 1))
    if outside.any():
        raise InputError(
            "is not a number from 0 to 1 for every spot",
            key=f"obs[{keys.uncertainty!r}]",
            found=f"{outside.sum()} others" if values.ndim else f"{column.dtype}",
            fix=_model.training_call(key),
        )
    return values


def _shades(values: np.ndarray, scale: ScalarMappable) -> _tissue.Named:
    """Spots named by the shade of their share of the scale, so that they are drawn as domains are."""
    import pandas as pd
    from matplotlib.colors import to_hex

    steps = np.clip((values * _SHADES).astype(int), 0, _SHADES - 1)
    names = [str(step) for step in range(_SHADES)]
    colors = [to_hex(color) for color in scale.get_cmap()((np.arange(_SHADES) + 0.5) / _SHADES)]
    return _tissue.Named(pd.Categorical.from_codes(steps, names), dict(zip(names, colors, strict=True)))


def _panels(xy: np.ndarray, n_slices: int, n_domains: int) -> tuple[Figure, list[Any]]:
    import matplotlib.pyplot as plt

    wide, high = np.maximum(np.ptp(xy, axis=0), 1e-9)
    height = max(_WIDTH * float(np.clip(high / wide, 0.4, 2.0)), 0.22 * n_domains + 0.6) + 0.4
    figure, axes = plt.subplots(
        n_slices,
        3,
        figsize=(3 * _WIDTH, height * n_slices),
        width_ratios=[1, 1.15, 0.85],
        layout="constrained",
        squeeze=False,
    )
    return figure, list(axes)


def _draw_boxes(ax: Axes, values: np.ndarray, named: _tissue.Named, codes: np.ndarray) -> None:
    """Quartiles and whiskers beside the names of the domains: the legend of the map as well."""
    shown = [code for code in range(len(named.labels.categories)) if (codes == code).any()]
    names = [named.labels.categories[code] for code in shown]
    places = np.arange(len(shown))
    low, left, middle, right, high = np.stack(
        [np.percentile(values[codes == code], (5, 25, 50, 75, 95)) for code in shown], axis=1
    )
    ax.hlines(places, low, high, color="0.3", linewidth=1.0, zorder=1)
    colors = [named.colors[name] for name in names]
    ax.barh(places, right - left, left=left, height=0.7, color=colors, edgecolor="0.3", linewidth=0.8, zorder=2)
    ax.vlines(middle, places - 0.35, places + 0.35, color="black", linewidth=1.8, zorder=3)
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    ax.set_title("by domain")
    ax.spines[["top", "right"]].set_visible(False)
