"""Pixels of the tiles, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from s3rl._random import seed_of, stream
from s3rl._slots.tiles import TileSet, centers_of_boxes, tiles_of
from s3rl.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from spatialdata import SpatialData

    from s3rl._typing import RNG

Batch = tuple[np.ndarray, np.ndarray]
Transform = Callable[[dict[str, Any], np.random.Generator], Mapping[str, Any]]


def iter_tiles(
    sdata: SpatialData,
    tiles_key: str,
    *,
    batch_size: int = 256,
    transform: Transform | None = None,
    order: Literal["boxes"] | ArrayLike | None = None,
    rng: RNG = None,
) -> Iterator[Batch]:
    """Yield the pixels of tiles in batches, lazily.

    Each chunk of the image that tiles touch is decoded once in a pass, the others never, and memory does not grow with
    the image. Where a ``dask.distributed`` client is the default, its workers decode; the bytes are the same.

    Parameters
    ----------
    sdata
        SpatialData with tiles of :func:`s3rl.pp.make_tiles`.
    tiles_key
        Their name in ``sdata.shapes``.
    batch_size
        Tiles of each batch; the last one holds what is left.
    transform
        ``transform({"tile": (C, P, P), "coords": (2,)}, rng)`` returns a mapping with ``"tile"``, for example of
        :mod:`s3rl.transforms`; all tiles must come back with one shape. ``coords`` are x, y of the tile's middle in
        pixels of the full resolution.
    order
        None: as chunks are read, without anything on disk. ``"boxes"``: the order of the boxes. An array of positions:
        these tiles in this order, a permutation or a subset, also with repetitions. The last two read the image once
        into a temporary file of the size of the tiles.
    rng
        Seed or generator for ``transform``; each tile has a stream of its own, so that its bytes depend on neither
        ``batch_size`` nor ``order``.

    Returns
    -------
    Iterator of ``(positions, tiles)``: positions int64 (b,) of the boxes in ``sdata.shapes[tiles_key]``, and tiles
    (b, C, P, P) of the image's dtype, without an alpha channel. What lies outside of the image is mirrored.

    Raises
    ------
    DataTypeError
        If ``sdata`` is no SpatialData.
    MissingKeyError
        If the tiles, their image or its level are not there.
    InputError
        If the boxes do not fit the image any more.
    ParameterError
        If an argument is outside of its range, or ``transform`` returns no tile.
    StoreError
        While it runs, if a chunk cannot be decoded.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3)
    >>> s3.pp.make_tiles(sdata, "he", size=16)
    >>> [tiles.shape for positions, tiles in s3.pp.iter_tiles(sdata, "he_tiles", batch_size=64)]
    [(64, 3, 16, 16), (36, 3, 16, 16)]
    """
    from s3rl.tiles.batches import in_batches
    from s3rl.tiles.reader import read_tiles

    tiles = tiles_of(sdata, tiles_key)
    if transform is not None and not callable(transform):
        raise ParameterError(
            "cannot be called", key="transform", found=type(transform).__name__, fix="pass a function(sample, rng)"
        )
    wanted = _positions(order, len(tiles.starts))
    if wanted is None:
        batches = in_batches(read_tiles(tiles.image, tiles.starts, tiles.size), batch_size)
    else:
        # refuses a wrong number here and not at the first batch
        in_batches((), batch_size)
        batches = _from_file(tiles, wanted, batch_size)
    seed = seed_of(rng)
    if transform is None:
        return batches
    return _transformed(batches, centers_of_boxes(sdata.shapes[tiles_key]), transform, seed)


def _positions(order: Any, n: int) -> np.ndarray | None:
    """Positions int64 (k,), or None for the order of the chunks."""
    if order is None:
        return None
    if isinstance(order, str) and order == "boxes":
        return np.arange(n)
    wanted = np.asarray(order) if not isinstance(order, str) else np.empty((), dtype=object)
    fits = wanted.ndim == 1 and wanted.size > 0 and wanted.dtype.kind in "iu"
    if not fits or wanted.min() < 0 or wanted.max() >= n:
        raise ParameterError(
            "is neither None, 'boxes' nor an array of positions of boxes",
            key="order",
            found=repr(order) if isinstance(order, str) else f"{wanted.dtype} {wanted.shape}",
            fix=f"pass order='boxes', or whole numbers from 0 to {n - 1}",
        )
    return wanted.astype(np.int64)


def _from_file(tiles: TileSet, wanted: np.ndarray, batch_size: int) -> Iterator[Batch]:
    """Batches in any order, through a temporary file that goes when the iterator does."""
    from s3rl.tiles.reader import read_tiles
    from s3rl.tiles.tile_file import TileFile

    needed, places = np.unique(wanted, return_inverse=True)
    shape = (tiles.image.shape[0], tiles.size, tiles.size)
    read = read_tiles(tiles.image, tiles.starts[needed], tiles.size)
    with TileFile.write(None, read, len(needed), shape, tiles.image.dtype) as file:
        for first in range(0, len(wanted), batch_size):
            part = slice(first, first + batch_size)
            yield wanted[part], file.take(places[part])


def _transformed(batches: Iterator[Batch], coords: np.ndarray, transform: Transform, seed: int) -> Iterator[Batch]:
    shape: tuple[int, ...] | None = None
    for positions, tiles in batches:
        changed = []
        for position, tile in zip(positions, tiles, strict=True):
            sample = {"tile": tile, "coords": coords[position].copy()}
            changed.append(_tile_of(transform(sample, stream(seed, int(position))), shape, int(position)))
            shape = changed[-1].shape
        yield positions, np.stack(changed)


def _tile_of(sample: Any, shape: tuple[int, ...] | None, position: int) -> np.ndarray:
    if not isinstance(sample, Mapping) or "tile" not in sample:
        raise ParameterError(
            "returned no mapping with 'tile'",
            key="transform",
            found=type(sample).__name__,
            available=sample if isinstance(sample, Mapping) else None,
            fix="return {**sample, 'tile': changed} from the function",
        )
    tile = np.asarray(sample["tile"])
    if shape is not None and tile.shape != shape:
        raise ParameterError(
            "returned tiles of different shapes",
            key="transform",
            found=f"{shape}, then {tile.shape} for tile {position}",
            fix="end the transform with a crop or a resize to one size",
        )
    return tile
