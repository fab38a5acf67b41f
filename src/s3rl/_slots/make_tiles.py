"""Parts of ``pp.make_tiles``: what is asked for, on which level, whether the spots lie on the image, and the boxes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._log import note, wrote
from s3rl._slots.tiles import COLUMNS, is_tiles
from s3rl.errors import CoordinatesError, ParameterError
from s3rl.tiles.geometry import nearest_level
from s3rl.tiles.presets import TILE_PRESETS, TilePreset

if TYPE_CHECKING:
    import pandas as pd
    from geopandas import GeoDataFrame

    from s3rl._slots.images import Level
    from s3rl._slots.regions import Region

_UNITS = ("px", "um")
# Spots over less than a twentieth or more than twenty times of the image are in another unit, or meant for another one.
_FACTOR = 20


class Request(NamedTuple):
    """What the user asks for: the side in one of two units, and the wanted side in pixels."""

    side: float
    unit: str
    pixels: float | None


def request_of(
    size: float | str | TilePreset, unit: str, pixels: int | None, microns_per_unit: float | None
) -> Request:
    """Check the arguments that need no data.

    Raises
    ------
    ParameterError
        If a number is not positive and finite, or a word is unknown.
    """
    if unit not in _UNITS:
        raise ParameterError("is unknown", key="unit", found=repr(unit), available=_UNITS, fix="pass unit='um'")
    for name, value in (("pixels", pixels), ("microns_per_unit", microns_per_unit)):
        if value is not None:
            _check_positive(name, value)
    if isinstance(size, str):
        if size not in TILE_PRESETS:
            raise ParameterError(
                "names no preset",
                key="size",
                found=repr(size),
                available=TILE_PRESETS,
                fix="pass a number, or size='visium'",
            )
        size = TILE_PRESETS[size]
    if isinstance(size, TilePreset):
        return Request(size.microns, "um", size.pixels if pixels is None else pixels)
    _check_positive("size", size)
    return Request(float(size), unit, pixels)


def _check_positive(name: str, value: object) -> None:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not 0 < float(value) < np.inf:  # type: ignore[arg-type]
        raise ParameterError(
            "must be a positive number",
            key=name,
            found=repr(value),
            fix=f"pass {name}=0.5 or another positive length"
            if name == "microns_per_unit"
            else f"pass {name}=32 or another positive number",
        )


def check_key(sdata: Any, key: str) -> None:
    """Refuse a name that another element has."""
    taken = key in sdata and not (key in sdata.shapes and is_tiles(sdata.shapes[key]))
    if not isinstance(key, str) or not key or taken:
        raise ParameterError(
            "names an element that is no tiles" if taken else "is no name",
            key="key_added",
            found=repr(key),
            fix="leave key_added out, or pass another name",
        )


def level_for(
    levels: Mapping[str, Level], request: Request, microns_per_pixel: float | None, system: str
) -> tuple[Level, int]:
    """Level to read, and the side in its pixels.

    Raises
    ------
    ParameterError
        If micrometres are asked for and the size of a pixel is not known, or the side is below one pixel or above the
        image.
    """
    full = next(iter(levels.values()))
    side = request.side
    if request.unit == "um":
        if microns_per_pixel is None:
            raise ParameterError(
                "cannot be derived: the circles are not Visium's spots beyond doubt",
                key="microns_per_unit",
                found="None",
                fix=f"pass microns_per_unit=, the micrometres for each unit of coordinate system {system!r} (1.0 where "
                "coordinates are micrometres, the pixel size where they are pixels), or a size in pixels",
            )
        side = request.side / microns_per_pixel
    asked = f"{request.side:g} {request.unit}, which is {side:.3g} of its pixels"
    if side > max(full.shape):
        raise ParameterError(
            "is larger than the image",
            key="size",
            found=f"{asked}; the image is {full.shape[1]} wide and {full.shape[0]} high",
            fix="pass a smaller size, or check the unit, microns_per_unit and the transformations",
        )
    if side < 0.5:
        raise ParameterError(
            "is less than one pixel of the image",
            key="size",
            found=asked,
            fix="pass a larger size, or check the unit, microns_per_unit and the transformations",
        )
    sides = {name: max(1, round(side / float(np.sqrt(level.factor.prod())))) for name, level in levels.items()}
    level = levels[nearest_level(sides, request.pixels)]
    if request.pixels is not None and sides[level.name] < request.pixels:
        note("tiles have %d pixels on the side, not %g: the image has no more", sides[level.name], request.pixels)
    return level, sides[level.name]


def check_units(centers: np.ndarray, side: int, level: Level, image_key: str, region: Region) -> None:
    """Refuse spots that are spread as if their coordinates were in another unit than the pixels.

    Spots over a small part of an image are no mistake in themselves; they are one where they also lie on top of each
    other.
    """
    if len(centers) < 2:
        return
    extent = np.asarray(level.shape) * level.factor
    share = float(np.ptp(centers, axis=0).max() / extent.max())
    if share > _FACTOR or (share < 1 / _FACTOR and _nearest(centers) < side * float(level.factor.min()) / 4):
        raise other_units(f"spots over {100 * share:.3g} % of the image's side", image_key, region)
    if share < 0.25:
        note("%r covers only %.2g %% of the side of %r: are the units the same?", region.name, 100 * share, image_key)


def _nearest(centers: np.ndarray) -> float:
    from scipy.spatial import cKDTree

    return float(np.median(cKDTree(centers).query(centers, k=2)[0][:, 1]))


def other_units(found: str, image_key: str, region: Region) -> CoordinatesError:
    """Error for coordinates that do not fit the pixels."""
    return CoordinatesError(
        f"does not fit images[{image_key!r}]; the coordinates look like micrometres where pixels are expected, or the "
        "other way round",
        key=f"{region.name!r}",
        found=f"{found}, in coordinate system {region.system!r}",
        fix="from spatialdata.transformations import Scale, set_transformation; "
        f"set_transformation(sdata.images[{image_key!r}], Scale([s, s], axes=('x', 'y')), {region.system!r}), where s "
        "is the side of a pixel in the unit of the spots (micrometres)",
    )


def check_inside(padded: np.ndarray, image_key: str, region: Region) -> None:
    """Refuse tiles that have no pixel of the image."""
    outside = padded >= 1
    if outside.all():
        raise other_units(f"all {len(padded)} tiles outside of the image", image_key, region)
    if outside.any():
        raise CoordinatesError(
            f"has instances whose tiles lie wholly outside of images[{image_key!r}]",
            key=f"{region.name!r}",
            found=f"{outside.sum()} of {len(padded)}, first {region.instances[outside][0]}",
            fix="leave them out: spatialdata.bounding_box_query(sdata, axes=('x', 'y'), min_coordinate=..., "
            f"max_coordinate=..., target_coordinate_system={region.system!r}) with the corners of the image; where "
            "they should lie on it, check the transformations",
        )


def boxes_on(
    image: Any, level: Level, starts: np.ndarray, columns: Mapping[str, Any], instances: pd.Index
) -> GeoDataFrame:
    """Shapes element of boxes in pixels of the full resolution."""
    import geopandas as gpd
    import shapely
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import get_transformation

    low, high = (corner * level.factor + level.offset for corner in (starts, starts + columns["size"]))
    geometry = shapely.box(low[:, 1], low[:, 0], high[:, 1], high[:, 0])
    index = instances.rename(None) if instances.name in {*COLUMNS, "geometry"} else instances
    frame = gpd.GeoDataFrame({"geometry": geometry}, index=index)
    for name in COLUMNS:
        frame[name] = columns[name]
    return ShapesModel.parse(frame, transformations=dict(get_transformation(image, get_all=True)))


def described(columns: Mapping[str, Any], n: int) -> str:
    """Content in a few words."""
    microns = "" if np.isnan(columns["microns"]) else f" ({columns['microns']:.4g} um)"
    level = f"level {columns['level']!r}" if columns["level"] else "full resolution"
    reach = int((columns["padded"] > 0).sum())
    return (
        f"{n} boxes around {columns['region']!r} on {columns['image']!r}, {columns['size']} px{microns} on the side, "
        f"{level}, {reach} reach beyond the image and are padded"
    )


def write_boxes(sdata: Any, key: str, boxes: GeoDataFrame, what: str) -> None:
    """Set ``sdata.shapes[key]`` and log it.

    Raises
    ------
    ParameterError
        If SpatialData does not take the name.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*already exists.*", category=UserWarning)
            sdata.shapes[key] = boxes
    except (KeyError, TypeError, ValueError) as error:
        raise ParameterError(
            "is no name that SpatialData takes",
            key="key_added",
            found=f"{key!r}: {error}",
            fix="use letters, digits, underscores, dots and hyphens",
        ) from error
    wrote(f"shapes[{key!r}]", what)
