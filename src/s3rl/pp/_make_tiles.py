"""One box for each spot or cell on an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from s3rl import _keys
from s3rl._slots.images import image_of, levels_of, matrix_of, spatialdata_of
from s3rl._slots.make_tiles import (
    boxes_on,
    check_inside,
    check_key,
    check_units,
    described,
    level_for,
    request_of,
    write_boxes,
)
from s3rl._slots.regions import region_of
from s3rl.tiles.boxes import outside_share, starts_of
from s3rl.tiles.geometry import length_factor, mapped
from s3rl.tiles.presets import TILE_PRESETS, TilePreset

__all__ = ["TILE_PRESETS", "MakeTilesResult", "TilePreset", "make_tiles"]

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from spatialdata import SpatialData


class MakeTilesResult(NamedTuple):
    """Result of :func:`s3rl.pp.make_tiles` with ``copy=True``.

    Attributes
    ----------
    tiles
        The boxes, as ``sdata.shapes`` would hold them.
    key
        The name that they would have there.
    """

    tiles: GeoDataFrame
    key: str


def make_tiles(
    sdata: SpatialData,
    image_key: str,
    *,
    size: float | str | TilePreset,
    unit: Literal["px", "um"] = "px",
    pixels: int | None = None,
    microns_per_unit: float | None = None,
    coordinate_system: str | None = None,
    region_key: str | None = None,
    table_key: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> MakeTilesResult | None:
    """Put one square box around each spot or cell on an image.

    The centroids go through the coordinate systems to the pixels of the image, whatever scales, turns and mirrors lie
    between. Boxes are parallel to the pixels and lie on whole pixels of the level that they will be read from; their
    middle is at most half a pixel of it away from the centroid. No pixel is read and none is stored.

    Parameters
    ----------
    sdata
        SpatialData with the image and the spots or cells; for an AnnData see :func:`s3rl.pp.to_spatialdata`.
    image_key
        Name in ``sdata.images``: (c, y, x) with any number of channels, with or without a pyramid.
    size
        Side of the boxes in ``unit``, or ``"visium"``, ``"cosmx"``, ``"merscope"``, or a :class:`s3rl.pp.TilePreset`;
        a preset is a length in micrometres and sets ``pixels``.
    unit
        ``"px"``: pixels of the full resolution; ``"um"``: micrometres.
    pixels
        Wanted side in pixels: tiles come from the level of the pyramid where their side is nearest to it without being
        smaller. None is the full resolution.
    microns_per_unit
        Micrometres for each unit of the coordinate system. None: derived where circles are Visium's spots beyond doubt,
        by their distance of 100 micrometres.
    coordinate_system
        Where spots and image are registered. None: ``"global"`` where both have it, else the first they share.
    region_key
        Circles, polygons, labels or points. None: what the table annotates beside this image.
    table_key
        Table that is asked for it where there are several.
    key_added
        Name in ``sdata.shapes``, ``"<image_key>_tiles"`` for None. Tiles of that name are replaced.
    copy
        Return the boxes and write nothing.

    Returns
    -------
    None, or a :class:`s3rl.pp.MakeTilesResult` with ``copy=True``. Written otherwise:

    ``sdata.shapes["<image_key>_tiles"]``
        Boxes in pixels of the full resolution with the transformations of the image, in the order of the spots;
        the index is their instance id. ``size`` int: side in pixels of the level that is read; ``level`` str:
        ``""`` without a pyramid, else ``"scale0"``, ...; ``padded`` float32: share of the tile outside of the image;
        ``image``, ``region`` str; ``microns`` float: side, NaN if not known.

    In memory only: ``sdata.write_element("<image_key>_tiles")`` stores the boxes beside data on disk.

    Raises
    ------
    DataTypeError
        If ``sdata`` is no SpatialData, or the image has a z axis.
    MissingKeyError
        If image, spots or table are not there.
    ParameterError
        If an argument is outside of its range, the micrometres cannot be derived, or something must be named.
    CoordinatesError
        If spots lie wholly outside of the image, or in other units than its pixels.
    InputError
        If image and spots share no coordinate system, there are no spots, or their ids are doubled.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 4.1. Sides go through a transformation by sqrt(abs(det)).

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3)
    >>> s3.pp.make_tiles(sdata, "he", size=50, unit="um")
    >>> tiles = sdata.shapes["he_tiles"]
    >>> len(tiles), int(tiles["size"].iloc[0]), float(tiles["microns"].iloc[0])
    (100, 17, 51.0)
    """
    spatialdata_of(sdata)
    request = request_of(size, unit, pixels, microns_per_unit)
    key = key_added if key_added is not None else _keys.tiles_of_image(image_key)
    image = image_of(sdata, image_key)
    check_key(sdata, key)
    levels = levels_of(image, image_key)
    region = region_of(
        sdata,
        image_key,
        region_key=region_key,
        table_key=table_key,
        system=coordinate_system,
        with_unit=microns_per_unit is not None,
    )
    onto_system = matrix_of(image, region.system, f"images[{image_key!r}]")
    centers = mapped(np.linalg.inv(onto_system), region.xy)[:, ::-1]
    per_unit = microns_per_unit if microns_per_unit is not None else region.microns_per_unit
    per_pixel = None if per_unit is None else per_unit * length_factor(onto_system)
    level, side = level_for(levels, request, per_pixel, region.system)
    check_units(centers, side, level, image_key, region)
    starts = starts_of((centers - level.offset) / level.factor, side)
    padded = outside_share(starts, side, level.shape)
    check_inside(padded, image_key, region)
    columns = {
        "size": side,
        "level": level.name,
        "padded": padded,
        "image": image_key,
        "region": region.name,
        "microns": np.nan if per_pixel is None else round(side * float(np.sqrt(level.factor.prod())) * per_pixel, 9),
    }
    boxes = boxes_on(image, level, starts, columns, region.instances)
    if copy:
        return MakeTilesResult(boxes, key)
    write_boxes(sdata, key, boxes, described(columns, len(boxes)))
    return None
