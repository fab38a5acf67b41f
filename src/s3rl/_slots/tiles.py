"""Tiles as ``pp.make_tiles`` stores them: boxes in, first pixels on a dask array out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._slots.images import Level, common_system, image_of, levels_of, matrix_of, spatialdata_of
from s3rl.errors import InputError, MissingKeyError, ParameterError
from s3rl.tiles.boxes import outside_share
from s3rl.tiles.geometry import mapped

if TYPE_CHECKING:
    import dask.array as da
    from anndata import AnnData

#: Columns of the shapes element, in this order, after the geometry.
COLUMNS = ("size", "level", "padded", "image", "region", "microns")
_REMAKE = "s3.pp.make_tiles(sdata, {image!r}, size=...) once more"
# Boxes lie on whole pixels; what floating-point transformations add is far below, another image is far above.
_TOLERANCE = 0.02


class TileSet(NamedTuple):
    """Tiles of one image.

    Attributes
    ----------
    image
        Dask array (C, H, W) of the level, without an alpha channel.
    starts
        int64 (n, 2): first pixels y, x in ``image``, in the order of the boxes.
    size
        Side in pixels of ``image``.
    instances
        (n,) ids of the spots or cells.
    padded
        float32 (n,) share of each tile outside of the image.
    channels
        Names of the channels.
    record
        Plain values for ``uns``: ``image_key``, ``level``, ``region``, ``size``, ``microns``, ``tiles_key``.
    """

    image: da.Array
    starts: np.ndarray
    size: int
    instances: np.ndarray
    padded: np.ndarray
    channels: list[str]
    record: dict[str, Any]


class TableTiles(NamedTuple):
    """Tiles of rows of a table.

    Attributes
    ----------
    tiles
        The tiles of one image.
    rows
        int64 (k,) rows of the table.
    positions
        int64 (k,) tile of each of these rows.
    """

    tiles: TileSet
    rows: np.ndarray
    positions: np.ndarray


def tile_keys_of(sdata: Any) -> list[str]:
    """Names of all shapes that ``pp.make_tiles`` made."""
    return [str(name) for name, shapes in sdata.shapes.items() if is_tiles(shapes)]


def is_tiles(shapes: Any) -> bool:
    """Whether ``pp.make_tiles`` made these shapes."""
    return set(COLUMNS) <= set(shapes.columns)


def centers_of_boxes(boxes: Any) -> np.ndarray:
    """Middles float64 (n, 2) x, y in pixels of the full resolution."""
    bounds = boxes.geometry.bounds.to_numpy()
    return np.asarray((bounds[:, :2] + bounds[:, 2:]) / 2)


def tiles_of(sdata: Any, tiles_key: str) -> TileSet:
    """Tiles of ``sdata.shapes[tiles_key]`` on their image; no pixel is read.

    Raises
    ------
    DataTypeError
        If ``sdata`` is no SpatialData.
    MissingKeyError
        If the boxes, their image or the level that they were made for is not there.
    InputError
        If the boxes are of another kind, empty, doubled, or do not lie on pixels of the image any more.
    """
    boxes = _boxes_of(spatialdata_of(sdata), tiles_key)
    image_key, level_name = _one(boxes, "image", tiles_key), _one(boxes, "level", tiles_key)
    size = int(float(_one(boxes, "size", tiles_key)))
    image = image_of(sdata, image_key)
    levels = levels_of(image, image_key)
    if level_name not in levels:
        level_name = _same_level(level_name, levels, image_key)
    level = levels[level_name]
    starts = _starts(boxes, image, level, size, (tiles_key, image_key))
    record = {
        "image_key": image_key,
        "level": level_name,
        "region": _one(boxes, "region", tiles_key),
        "size": size,
        "microns": float(boxes["microns"].iloc[0]),
        "tiles_key": tiles_key,
    }
    padded = outside_share(starts, size, level.shape)
    return TileSet(level.pixels, starts, size, boxes.index.to_numpy(), padded, level.channels, record)


def tiles_of_table(sdata: Any, table: AnnData, tiles_key: str | Sequence[str] | None = None) -> list[TableTiles]:
    """Tile of every row of a table, one entry for each set of tiles.

    Parameters
    ----------
    sdata
        SpatialData with the tiles.
    table
        Table that annotates the regions of the tiles.
    tiles_key
        Names in ``sdata.shapes``; None is all that ``pp.make_tiles`` made for regions of the table.

    Raises
    ------
    MissingKeyError
        If the table annotates nothing, or there are no tiles of its regions.
    InputError
        If a row has no tile.
    ParameterError
        If a region has tiles of several names.
    """
    regions, instances = _annotated(table)
    keys = [tiles_key] if isinstance(tiles_key, str) else tiles_key
    if keys is None:
        keys = [key for key in tile_keys_of(sdata) if str(sdata.shapes[key]["region"].iloc[0]) in set(regions)]
    if not keys:
        raise MissingKeyError(
            "are not there for this table",
            key="tiles",
            found=f"a table of {', '.join(sorted(set(regions)))}",
            available=tile_keys_of(sdata),
            fix="s3.pp.make_tiles(sdata, image_key, size='visium')",
        )
    found = [_of_rows(tiles_of(sdata, key), regions, instances, table) for key in keys]
    times = np.bincount(np.concatenate([part.rows for part in found]), minlength=table.n_obs)
    if (times > 1).any():
        raise ParameterError(
            "names several tiles of the same spots",
            key="tiles_key",
            found=", ".join(keys),
            fix=f"pass one for each region, for example tiles_key={keys[0]!r}",
        )
    if (times == 0).any():
        without = np.flatnonzero(times == 0)
        raise InputError(
            "have no tile for some rows of the table",
            key=", ".join(f"shapes[{key!r}]" for key in keys),
            found=f"{len(without)} of {table.n_obs} rows without, first {table.obs_names[without[0]]} of region "
            f"{regions[without[0]]!r}",
            fix="s3.pp.make_tiles for every region of the table, or drop these rows",
        )
    return found


def _of_rows(tiles: TileSet, regions: np.ndarray, instances: np.ndarray, table: AnnData) -> TableTiles:
    import pandas as pd

    rows = np.flatnonzero(regions == tiles.record["region"])
    ids, wanted = pd.Index(tiles.instances), instances[rows]
    if (ids.inferred_type == "integer") != (pd.Index(wanted).inferred_type == "integer"):
        # one of the two came back from a store as text
        ids, wanted = ids.astype(str), wanted.astype(str)
    positions = ids.get_indexer(wanted).astype(np.int64)
    if (positions < 0).any():
        lost = rows[positions < 0]
        raise InputError(
            "has no tile for instances of the table",
            key=f"shapes[{tiles.record['tiles_key']!r}]",
            found=f"{len(lost)} of {len(rows)} rows without, first {table.obs_names[lost[0]]}, instance "
            f"{instances[lost[0]]}",
            fix=_REMAKE.format(image=tiles.record["image_key"]) + ", or drop these rows",
        )
    return TableTiles(tiles, rows.astype(np.int64), positions)


def _annotated(table: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Region, as text, and instance of each row."""
    from spatialdata.models import get_table_keys

    try:
        _, region_key, instance_key = get_table_keys(table)
        return table.obs[region_key].astype(str).to_numpy(), table.obs[instance_key].to_numpy()
    except (KeyError, ValueError, AttributeError) as error:
        raise MissingKeyError(
            "are not there: the table annotates no shapes",
            key="uns['spatialdata_attrs']",
            available=list(table.uns),
            fix="spatialdata.models.TableModel.parse(adata, region=..., region_key=..., instance_key=...), "
            "or sdata = s3.pp.to_spatialdata(adata)",
        ) from error


def _boxes_of(sdata: Any, tiles_key: str) -> Any:
    where = f"shapes[{tiles_key!r}]"
    if tiles_key not in sdata.shapes:
        raise MissingKeyError(
            "is not there",
            key=where,
            available=tile_keys_of(sdata),
            fix="s3.pp.make_tiles(sdata, image_key, size='visium')",
        )
    boxes = sdata.shapes[tiles_key]
    if not is_tiles(boxes):
        raise InputError(
            "was not made by s3.pp.make_tiles",
            key=where,
            found=f"columns {', '.join(map(str, boxes.columns))}",
            available=tile_keys_of(sdata),
            fix=f"s3.pp.make_tiles(sdata, image_key, size='visium', region_key={tiles_key!r})",
        )
    if len(boxes) == 0:
        raise InputError(
            "is empty", key=where, found="0 boxes", fix="s3.pp.make_tiles with spots that lie on the image"
        )
    if not boxes.index.is_unique:
        raise InputError(
            "has doubled instances",
            key=where,
            found=f"{boxes.index.duplicated().sum()} of {len(boxes)}",
            fix="make the index of the shapes unique and run s3.pp.make_tiles once more",
        )
    return boxes


def _one(boxes: Any, column: str, tiles_key: str) -> str:
    values = boxes[column].unique()
    if len(values) != 1:
        raise InputError(
            f"holds tiles of several {column}s",
            key=f"shapes[{tiles_key!r}][{column!r}]",
            found=", ".join(map(str, values[:5])),
            fix="keep the tiles of each image under a name of their own",
        )
    return str(values[0])


def _same_level(name: str, levels: dict[str, Level], image_key: str) -> str:
    """Name of the full resolution where only its name differs: a pyramid was added or taken away."""
    if name in {"", "scale0"} and ({"", "scale0"} & set(levels)):
        return next(iter(levels))
    raise MissingKeyError(
        f"has lost the level {name!r} that the tiles were made for",
        key=f"images[{image_key!r}]",
        available=[level or "the full resolution only" for level in levels],
        fix=_REMAKE.format(image=image_key) + ", or restore the pyramid with Image2DModel.parse(..., scale_factors=)",
    )


def _starts(boxes: Any, image: Any, level: Level, size: int, keys: tuple[str, str]) -> np.ndarray:
    """First pixels int64 (n, 2) y, x in the level, through the coordinate systems: a crop moves both alike."""
    names = f"shapes[{keys[0]!r}]", f"images[{keys[1]!r}]"
    system = common_system(boxes, image, names)
    matrix = np.linalg.inv(matrix_of(image, system, names[1])) @ matrix_of(boxes, system, names[0])
    bounds = boxes.geometry.bounds.to_numpy()
    low, high = (mapped(matrix, bounds[:, part])[:, ::-1] for part in (slice(0, 2), slice(2, 4)))
    low, high = (low - level.offset) / level.factor, (high - level.offset) / level.factor
    starts = np.rint(low)
    off = ~(np.abs(low - starts) <= _TOLERANCE).all(axis=1) | ~(np.abs(high - low - size) <= _TOLERANCE).all(axis=1)
    if off.any():
        raise InputError(
            "does not lie on the pixels of its image: one of them was edited, replaced or moved",
            key=names[0],
            found=f"{off.sum()} of {len(boxes)} boxes, first {boxes.index[off][0]} from pixel {low[off][0]} (y, x) "
            f"to {high[off][0]}, where the side is {size}",
            fix=_REMAKE.format(image=keys[1]),
        )
    return starts.astype(np.int64)
