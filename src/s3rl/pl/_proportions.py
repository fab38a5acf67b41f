"""Proportions of cell types on the tissue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from s3rl._slots.proportions import Proportions, proportions_of
from s3rl._slots.table import table_of
from s3rl.errors import MissingKeyError, ParameterError
from s3rl.pl import _draw
from s3rl.pl._palette import UNLABELLED
from s3rl.pl._places import places_of

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes

    from s3rl._typing import Data

_KINDS = ("maps", "pies")
_COLUMNS = (4, 5, 3)
_STEP = 2.7
_IN_A_PIE = 12
_OTHER = "other"
# points of an arc: a pie of one type is a polygon of 32 corners
_ARC = 33
_LEAST = 0.005


def proportions(
    data: Data,
    *,
    key: str = "proportions",
    kind: Literal["maps", "pies"] = "maps",
    types: str | Sequence[str] | None = None,
    cmap: str = "viridis",
    library_key: str | None = None,
    table_key: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> list[Axes]:
    """Draw proportions of cell types: a map of each type, or a pie at each spot.

    All maps have one scale, from 0 to the 99th percentile of the largest type among those shown, so that they can be
    compared. Pies start at the top and go clockwise in the order of the legend; types that are not shown are grey.
    Units are equal and y points down.

    Parameters
    ----------
    data
        AnnData or SpatialData of one slice.
    key
        Name in ``obsm`` of the proportions: those of :func:`s3rl.tl.deconvolve`, or a data frame with a column for each
        type, as other methods leave it.
    kind
        ``"maps"`` or ``"pies"``.
    types
        Types to show, in that order; None is all in maps, and in pies the twelve largest on average.
    cmap
        Matplotlib colour map of the maps.
    library_key
        Column of ``obs`` that names the slice: slices are drawn beside each other.
    table_key
        Table of a SpatialData.
    ax
        Axes to draw on, where there is one panel: pies, or the map of one type.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and neither ``ax`` nor ``save`` is given.
    save
        Path of the picture.

    Returns
    -------
    axes
        One Axes for each map, or one with the pies.

    Raises
    ------
    MissingKeyError
        If the proportions, a type or the coordinates are not there.
    InputError
        If the proportions are negative or not finite.
    CoordinatesError
        If the coordinates are not finite.
    ParameterError
        If ``kind`` or ``cmap`` is unknown, or ``ax`` is given for several panels.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3, image=False).tables["table"]
    >>> shares = np.random.default_rng(0).dirichlet([1, 2, 3], size=100)
    >>> adata.obsm["proportions"] = pd.DataFrame(shares, adata.obs_names, ["B", "T", "NK"])
    >>> [ax.get_title() for ax in s3.pl.proportions(adata, types=["B", "NK"], show=False)]
    ['B', 'NK']
    """
    table = table_of(data, table_key)
    _check(kind, cmap)
    found = proportions_of(table, key)
    shown = _shown(found, types, kind)
    xy = places_of(table, library_key)
    axes = _maps(found, shown, xy, cmap, ax) if kind == "maps" else [_pies(found, shown, xy, ax)]
    _draw.finish(axes[0].figure, new=ax is None, show=show, save=save)
    return axes


def _check(kind: object, cmap: object) -> None:
    if kind not in _KINDS:
        raise ParameterError(
            "names no kind of plot", key="kind", found=repr(kind), available=_KINDS, fix="pass kind='maps'"
        )
    _draw.check_colour_map(cmap)


def _shown(found: Proportions, types: str | Sequence[str] | None, kind: str) -> list[int]:
    """Columns to draw."""
    if types is None:
        if kind == "maps" or len(found.names) <= _IN_A_PIE:
            return list(range(len(found.names)))
        largest = np.argsort(-found.values.mean(axis=0), kind="stable")[:_IN_A_PIE]
        return sorted(largest.tolist())
    wanted = [types] if isinstance(types, str) else list(types)
    unknown = [str(name) for name in wanted if name not in found.names]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        raise MissingKeyError(
            "has names that are no types" if unknown else "must name types, each once",
            key="types",
            found=", ".join(unknown) or repr(types),
            available=found.names,
            fix="pass names of adata.uns['proportions']['names']",
        )
    return [found.names.index(name) for name in wanted]


def _maps(found: Proportions, shown: list[int], xy: np.ndarray, cmap: str, ax: Axes | None) -> list[Axes]:
    from matplotlib.colors import Normalize
    from matplotlib.ticker import PercentFormatter

    axes = _panels(len(shown), xy, ax)
    values = found.values[:, shown]
    high = float(np.percentile(values, 99, axis=0).max())
    high = min(high, float(values.max())) or 1.0
    radius = _draw.spot_radius(xy)
    for panel, column in zip(axes, shown, strict=True):
        drawn = _draw.circles(panel, xy, radius, array=found.values[:, column], cmap=cmap, norm=Normalize(0, high))
        panel.set_title(found.names[column])
        _draw.as_image(panel, np.vstack([xy - radius, xy + radius]))
    figure = axes[0].get_figure(root=True)
    if figure is not None:
        above = "max" if values.max() > high else "neither"
        bar = figure.colorbar(
            drawn, ax=axes, shrink=0.8 if len(shown) <= _COLUMNS[0] else 0.5, pad=0.02, extend=above,
            format=PercentFormatter(1.0, decimals=0 if high > 0.05 else 1),
        )  # fmt: skip
        bar.set_label("proportion")
    return axes


def _panels(count: int, xy: np.ndarray, ax: Axes | None) -> list[Axes]:
    import matplotlib.pyplot as plt

    if ax is not None:
        if count > 1:
            raise ParameterError(
                "is one, but there are several types",
                key="ax",
                found=f"{count} types",
                fix="leave ax out, or pass one of the types",
            )
        return [_draw.checked_axes(ax)]
    columns = count if count <= _COLUMNS[0] else min(_COLUMNS, key=lambda wide: -count % wide)
    rows = -(-count // columns)
    wide, high = np.maximum(np.ptp(xy, axis=0), 1e-9)
    aspect = float(np.clip(high / wide, 0.4, 2.0))
    step = _STEP if count > 1 else 4.2
    size = (step * columns + 0.9, (step * aspect + 0.35) * rows)
    grid = plt.subplots(rows, columns, figsize=size, layout="compressed", squeeze=False)[1].ravel()
    for empty in grid[count:]:
        empty.remove()
    return list(grid[:count])


def _pies(found: Proportions, shown: list[int], xy: np.ndarray, ax: Axes | None) -> Axes:
    from matplotlib.collections import PolyCollection

    wide, high = np.maximum(np.ptp(xy, axis=0), 1e-9)
    ax, _ = _draw.axes_or_new(ax, (7.6, 6.0 * float(np.clip(high / wide, 0.4, 1.6))))
    radius = _apart(xy)
    shares = found.values[:, shown]
    total = found.values.sum(axis=1)
    colors = {found.names[column]: found.colors[found.names[column]] for column in shown}
    if len(shown) < len(found.names):
        shares = np.column_stack([shares, total - shares.sum(axis=1)])
        colors[_other(found.names)] = UNLABELLED
    shares = np.maximum(shares, 0) / np.where(total > 0, total, 1.0)[:, None]
    corners, kinds = _wedges(xy, shares, radius)
    palette = np.array(list(colors.values()))
    ax.add_collection(
        PolyCollection(list(corners), facecolors=palette[kinds], linewidths=0, rasterized=len(corners) > 20_000)
    )
    _draw.as_image(ax, np.vstack([xy - radius, xy + radius]))
    _draw.legend_beside(ax, colors, unlabelled=False, title="cell type")
    return ax


def _apart(xy: np.ndarray) -> float:
    """Radius at which pies of usual neighbours do not overlap, also where most places of an array are empty."""
    from scipy.spatial import cKDTree

    nearest = cKDTree(xy).query(xy, k=min(2, len(xy)))[0].reshape(len(xy), -1)[:, -1]
    usual = float(np.median(nearest))
    touching = _draw.spot_radius(xy)
    return 0.95 * (min(touching, usual / 2) if usual > 0 else touching)


def _other(names: list[str]) -> str:
    return _OTHER if _OTHER not in names else "not shown"


def _wedges(xy: np.ndarray, shares: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners (w, points, 2) and column (w,) of the wedges of all pies, but those too thin to be seen."""
    ends = np.cumsum(shares, axis=1)
    starts = ends - shares
    spots, kinds = np.nonzero(shares > _LEAST)
    along = np.linspace(0, 1, _ARC)
    start, end = starts[spots, kinds][:, None], ends[spots, kinds][:, None]
    angle = 2 * np.pi * (start + (end - start) * along)
    # y points down, so that this begins at the top and goes clockwise
    arc = np.stack([np.sin(angle), -np.cos(angle)], axis=2) * radius
    corners = np.concatenate([np.zeros((len(spots), 1, 2)), arc], axis=1) + xy[spots][:, None, :]
    return corners, kinds
