"""Boxes of tiles over their image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._slots.images import Level, image_of, levels_of, matrix_of, spatialdata_of
from s3rl._slots.regions import region_of
from s3rl._slots.tiles import TileSet, tile_keys_of, tiles_of
from s3rl.errors import MissingKeyError, ParameterError
from s3rl.pl import _draw, _montage
from s3rl.tiles.boxes import centers_of
from s3rl.tiles.geometry import length_factor, mapped

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes
    from spatialdata import SpatialData

# of boxes on a bright and on a dark image, by the colour of the spots
_BOX, _MIDDLE = {"black": "#0072B2", "white": "#56B4E9"}, "#F0E442"
_DARK = 0.35
_PIXELS = 1200
# a level of more bytes is not decoded for a picture
_MOST_BYTES = 2**30
_STEPS = 3.0


class _Picture(NamedTuple):
    """Pixels (C, h, w), and where they lie: left, right, bottom and top in pixels of the full resolution."""

    pixels: np.ndarray
    extent: tuple[float, float, float, float]


class _Scene(NamedTuple):
    """All in pixels of the full resolution, x to the right and y downwards."""

    low: np.ndarray
    high: np.ndarray
    spots: np.ndarray
    radius: np.ndarray | None
    padded: np.ndarray

    def inside(self, window: np.ndarray) -> np.ndarray:
        """Boxes that meet the window (2, 2) of first and last corner."""
        return ((self.low < window[1]) & (self.high > window[0])).all(axis=1)


def tile_boxes(
    sdata: SpatialData,
    tiles_key: str | None = None,
    *,
    center: Any = None,
    image: bool = True,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> list[Axes]:
    """Draw the boxes of tiles over their image, all of them and some from near.

    It answers whether tiles sit on their spots. The image is read at the level of its pyramid that fits the figure,
    the detail from the part that is drawn. An image of more than 1 GB without a pyramid is left out of the first panel.

    Parameters
    ----------
    sdata
        SpatialData with tiles (:func:`s3rl.pp.make_tiles`).
    tiles_key
        Name in ``shapes``; None where there is only one.
    center
        Instance in the middle of the detail; None is the one nearest to the middle of all.
    image
        Whether to draw the image.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    axes
        Two Axes in pixels of the full resolution: all boxes, and those around ``center`` with the outlines of circles
        or the centroids of whatever else the tiles were made for. Boxes that reach beyond the image have a colour of
        their own.

    Raises
    ------
    DataTypeError
        If ``sdata`` is no SpatialData.
    MissingKeyError
        If the tiles, their image, their spots or ``center`` are not there.
    InputError
        If the boxes do not lie on the pixels of the image any more.
    ParameterError
        If there are several sets of tiles and none is named.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=60, n_genes=30, n_layers=3)
    >>> s3.pp.make_tiles(sdata, "he", size=32)
    >>> axes = s3.pl.tile_boxes(sdata, show=False)
    >>> axes[0].get_title()
    'he_tiles: 60 tiles (32 px, 96 µm)'
    """
    key = _only(spatialdata_of(sdata), tiles_key)
    found = tiles_of(sdata, key)
    levels = levels_of(image_of(sdata, found.record["image_key"]), found.record["image_key"])
    own = levels[found.record["level"]]
    scene = _scene_of(sdata, found, own)
    middle = _middle(scene, found, center)
    whole, near = _windows(scene, middle)
    pictures = [_picture_of(_coarse(levels, whole), whole), _picture_of(own, near)] if image else [None, None]
    axes = _panels(whole)
    ink = _draw_pictures(axes, pictures)
    for ax, window, width in zip(axes, (whole, near), (0.4, 1.4), strict=True):
        _draw_boxes(ax, scene, window, _BOX[ink], width)
        _draw.as_image(ax, window, margin=0)
    _draw_box(axes[0], near, ink, 2)
    _draw_spots(axes[1], scene, near, ink)
    _draw_box(axes[1], np.array([scene.low[middle], scene.high[middle]]), _MIDDLE, 3)
    size = _montage.size_said(found.size, found.record["microns"])
    axes[0].set_title(f"{key}: {len(scene.low):,} tiles ({size})")
    axes[1].set_title(f"around {found.instances[middle]} of {found.record['region']!r}")
    _legend(axes[1], scene, ink)
    _draw.finish(axes[0].figure, new=True, show=show, save=save)
    return axes


def _only(sdata: Any, tiles_key: str | None) -> str:
    if tiles_key is not None:
        return tiles_key
    names = tile_keys_of(sdata)
    if len(names) == 1:
        return names[0]
    if not names:
        raise MissingKeyError(
            "are not there", key="tiles", available=[], fix="s3.pp.make_tiles(sdata, image_key, size='visium')"
        )
    raise ParameterError(
        "must say which tiles to draw", key="tiles_key", found="None", available=names, fix=f"tiles_key={names[0]!r}"
    )


def _scene_of(sdata: Any, found: TileSet, level: Level) -> _Scene:
    """Boxes, and the spots that they were made for through the coordinate systems again."""
    low = (found.starts * level.factor + level.offset)[:, ::-1]
    high = ((found.starts + found.size) * level.factor + level.offset)[:, ::-1]
    name, image_key = found.record["region"], found.record["image_key"]
    region = region_of(sdata, image_key, region_key=name, table_key=None, system=None)
    back = np.linalg.inv(matrix_of(sdata.images[image_key], region.system, f"images[{image_key!r}]"))
    radius = None
    element = sdata.shapes.get(name)
    if element is not None and "radius" in element.columns:
        onto = back @ matrix_of(element, region.system, f"shapes[{name!r}]")
        radius = element["radius"].to_numpy(np.float64) * length_factor(onto)
    return _Scene(low, high, mapped(back, region.xy), radius, found.padded > 0)


def _middle(scene: _Scene, found: TileSet, center: Any) -> int:
    if center is None:
        places = centers_of(found.starts, found.size)
        return int(((places - np.median(places, axis=0)) ** 2).sum(axis=1).argmin())
    rows = np.flatnonzero(found.instances == center)
    if not len(rows):
        raise MissingKeyError(
            "names no instance of these tiles",
            key="center",
            found=repr(center),
            available=found.instances[:10].tolist(),
            fix=f"pass center={found.instances[0].item() if hasattr(found.instances[0], 'item') else center!r}",
        )
    return int(rows[0])


def _windows(scene: _Scene, middle: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last corner (2, 2) of both panels."""
    side = float((scene.high - scene.low)[middle].max())
    pitch = 2 * _draw.spot_radius(scene.spots) if len(scene.spots) > 1 else side
    reach = max(_STEPS * pitch, 1.5 * side)
    at = (scene.low[middle] + scene.high[middle]) / 2
    return np.array([scene.low.min(axis=0), scene.high.max(axis=0)]), np.array([at - reach, at + reach])


def _panels(whole: np.ndarray) -> list[Axes]:
    import matplotlib.pyplot as plt

    wide, high = np.maximum(whole[1] - whole[0], 1e-9)
    aspect = float(np.clip(high / wide, 0.5, 2.0))
    size = (5.0 / aspect + 5.0 + 1.6, 5.4) if aspect > 1 else (5.6 + 5.6 + 1.6, 5.6)
    ratios = [min(1.0, 1 / aspect), 1.0] if aspect > 1 else [1.0, 1.0]
    return list(plt.subplots(1, 2, figsize=size, width_ratios=ratios, layout="compressed")[1])


def _coarse(levels: dict[str, Level], window: np.ndarray) -> Level | None:
    """The coarsest level with enough pixels for the figure, if it is small enough to be decoded."""
    full = next(iter(levels.values()))
    enough = [
        level for level in levels.values() if ((window[1] - window[0])[::-1] / level.factor).max() >= _PIXELS
    ] or [full]
    level = enough[-1]
    return level if level.pixels.nbytes <= _MOST_BYTES else None


def _picture_of(level: Level | None, window: np.ndarray) -> _Picture | None:
    """The part of the level inside the window, with every k-th pixel where there are more than needed."""
    if level is None:
        return None
    corners = [np.clip((corner[::-1] - level.offset) / level.factor, 0, level.shape) for corner in window]
    (y0, x0), (y1, x1) = np.floor(corners[0]).astype(int).tolist(), np.ceil(corners[1]).astype(int).tolist()
    step = max(1, max(y1 - y0, x1 - x0) // _PIXELS)
    pixels = np.asarray(level.pixels[:, y0:y1:step, x0:x1:step])
    # whole steps, so that every pixel has its own place
    ends = np.array([[y0, x0], [y0 + step * pixels.shape[1], x0 + step * pixels.shape[2]]])
    (top, left), (bottom, right) = ends * level.factor + level.offset
    return _Picture(pixels, (left, right, bottom, top))


def _draw_pictures(axes: list[Axes], pictures: Sequence[_Picture | None]) -> str:
    """Draw both on one scale, and return a colour that stands out from them."""
    drawn = [(ax, picture) for ax, picture in zip(axes, pictures, strict=True) if picture is not None]
    if not drawn:
        return "black"
    scale = _montage.scale_of(drawn[0][1].pixels[None])
    for ax, picture in drawn:
        shown = _montage.as_picture(picture.pixels, scale)
        ax.imshow(shown, extent=picture.extent, origin="upper")
    return "white" if shown.mean() < _DARK else "black"


def _draw_boxes(ax: Axes, scene: _Scene, window: np.ndarray, inside: str, width: float) -> None:
    from matplotlib.collections import PolyCollection

    for mask, color in ((~scene.padded, inside), (scene.padded, _montage.PADDED)):
        rows = np.flatnonzero(mask & scene.inside(window))
        if len(rows):
            (x0, y0), (x1, y1) = scene.low[rows].T, scene.high[rows].T
            corners = np.stack([np.column_stack(xy) for xy in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], axis=1)
            ax.add_collection(
                PolyCollection(list(corners), facecolors="none", edgecolors=color, linewidths=width), autolim=False
            )


def _draw_spots(ax: Axes, scene: _Scene, window: np.ndarray, ink: str) -> None:
    near = ((scene.spots > window[0]) & (scene.spots < window[1])).all(axis=1)
    if scene.radius is None:
        ax.plot(*scene.spots[near].T, "+", color=ink, markersize=7)
        return
    from matplotlib.collections import EllipseCollection

    wide = 2 * scene.radius[near]
    outlines = EllipseCollection(
        wide,
        wide,
        np.zeros(len(wide)),
        units="xy",
        offsets=scene.spots[near],
        offset_transform=ax.transData,
        facecolors="none",
        edgecolors=ink,
        linewidths=1.2,
    )
    ax.add_collection(outlines, autolim=False)


def _draw_box(ax: Axes, corners: np.ndarray, color: str, width: float) -> None:
    from matplotlib.patches import Rectangle

    side, height = corners[1] - corners[0]
    ax.add_patch(Rectangle(tuple(corners[0]), side, height, facecolor="none", edgecolor=color, linewidth=width))


def _legend(ax: Axes, scene: _Scene, ink: str) -> None:
    from matplotlib.lines import Line2D

    square: dict[str, Any] = {"marker": "s", "linestyle": "", "markerfacecolor": "none", "markersize": 9}
    handles = [
        Line2D([], [], label="tile", markeredgecolor=_BOX[ink], **square),
        Line2D([], [], label="tile in the middle", markeredgecolor=_MIDDLE, markeredgewidth=2.5, **square),
    ]
    if scene.padded.any():
        label = f"tile beyond\nthe image ({scene.padded.sum():,})"
        handles.append(Line2D([], [], label=label, markeredgecolor=_montage.PADDED, **square))
    marker, label = ("+", "centroid") if scene.radius is None else ("o", "spot")
    # white lines would not be seen beside the image
    mark: dict[str, Any] = {"markeredgecolor": "black"} if ink == "black" else {"markeredgecolor": "0.6"}
    handles.append(Line2D([], [], label=label, **(square | mark | {"marker": marker})))
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
