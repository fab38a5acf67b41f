"""Tiles out of an image that does not fit into memory, each chunk decoded once.

One dask task for each chunk cuts out what the tiles need, where the chunk is decoded, and hands over only that. The
tasks run in windows of a few chunks through ``dask.compute``, on whatever scheduler the user has set. The graph of the
image decodes the chunks, so that any dask array is read: Zarr, a rechunked or a computed image, one in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl.errors import CoordinatesError, DataTypeError, InputError, ParameterError, StoreError
from s3rl.tiles.boxes import Size, checked_size, checked_starts, inside_of
from s3rl.tiles.plan import Cut, Plan, plan_of

if TYPE_CHECKING:
    from dask.array import Array

__all__ = ["read_tiles"]

# Of what one window hands over, and of one group of tiles that is yielded.
_BYTES = 2**25


def read_tiles(
    image: Array, starts: np.ndarray, size: Size, *, window: int = 64
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read square tiles, chunk by chunk.

    Every chunk that a tile meets is decoded once, all others never. Beside the chunks that are being decoded, memory
    holds one window and what waits for the next chunks: at most what one line of chunks along the shorter side of the
    image holds, and far less where tiles are sparse.

    Parameters
    ----------
    image
        (C, H, W) of any dtype, chunked in any way; several chunks of channels are read as one.
    starts
        int (n, 2) first pixels y, x of the tiles, in any order, negative or beyond the image too.
    size
        Side P of the tiles in pixels, also larger than a chunk or the image.
    window
        Most chunks to be computed in one go; fewer are where they hand over more than 32 MB. It changes how the tiles
        are grouped, neither their order nor their bytes. More keep more workers of a cluster busy.

    Returns
    -------
    Iterator of positions int64 (k,), the rows of ``starts``, and tiles (k, C, P, P) of the dtype of the image, writable
    and not shared. Each tile comes once, as soon as its last chunk is read; the order depends on the chunks and
    ``starts`` alone. Pixels outside of the image mirror the part of the tile inside, as ``numpy.pad(part, widths,
    mode="symmetric")`` does.

    Raises
    ------
    DataTypeError
        If ``image`` is no dask array.
    InputError
        If ``image`` is not (C, H, W), has no pixel or chunks of unknown size.
    CoordinatesError
        If ``starts`` is not integer (n, 2), or if a tile lies outside of the image wholly.
    ParameterError
        If ``size`` or ``window`` is no positive integer.
    StoreError
        While reading, if a chunk cannot be decoded; it names the chunk and its pixels.

    Examples
    --------
    >>> import dask.array as da, numpy as np
    >>> from s3rl.tiles.reader import read_tiles
    >>> image = da.arange(100, chunks=100).reshape(1, 10, 10).rechunk((1, 5, 5))
    >>> starts = np.array([[4, 4], [0, 0], [-1, 8]])
    >>> for positions, tiles in read_tiles(image, starts, 2):
    ...     print(positions, tiles.shape)
    [1 2 0] (3, 1, 2, 2)
    >>> tiles[1, 0].tolist()
    [[8, 9], [8, 9]]
    """
    image = _checked_image(image)
    size, starts = checked_size(size), checked_starts(starts)
    if isinstance(window, bool) or not isinstance(window, int | np.integer) or window < 1:
        raise ParameterError("must be a positive number of chunks", key="window", found=repr(window), fix="window=64")
    low, high = inside_of(starts, size, image.shape[1:])
    outside = np.flatnonzero((low >= high).any(axis=1))
    if len(outside):
        raise CoordinatesError(
            "has tiles with no pixel in the image",
            key="starts",
            found=f"{len(outside)} of {len(starts)} of side {size} on {image.shape[1]} x {image.shape[2]} pixels, "
            f"first {outside[0]} at {starts[outside[0]].tolist()}",
            fix="leave out the tiles whose outside_share is 1, or check the transformation between points and image",
        )
    return _tiles(image, starts, size, int(window))


def _checked_image(image: Any) -> Array:
    """The image with all channels in one chunk, or an error."""
    from dask.array import Array

    if not isinstance(image, Array):
        raise DataTypeError(
            "must be a dask array", key="image", found=type(image).__name__, fix="dask.array.from_array(image)"
        )
    known = not np.isnan([*image.shape, *(size for sizes in image.chunks for size in sizes)]).any()
    if image.ndim != 3 or not known or 0 in image.shape:
        raise InputError(
            "must be channels, height and width, none of them 0 or unknown",
            key="image",
            found=f"shape {image.shape}",
            fix="image.compute_chunk_sizes(), or transpose and select to (C, H, W)",
        )
    return image if image.numblocks[0] == 1 else image.rechunk({0: -1})


def _tiles(image: Array, starts: np.ndarray, size: int, window: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if not len(starts):
        return
    plan = plan_of(image.chunks[1], image.chunks[2], starts, size)
    n_channels, item = image.shape[0], image.dtype.itemsize
    group = max(1, _BYTES // (n_channels * item * size**2))
    # Unoptimised: optimising would spell out the graph of all chunks, needed or not.
    blocks = image.to_delayed(optimize_graph=False)[0]
    held: dict[int, np.ndarray] = {}
    for chunks in plan.windows(window, max(1, _BYTES // (n_channels * item))):
        held.update(zip(chunks, _read(blocks, plan, chunks), strict=True))
        done = plan.order[plan.first_of_order[chunks.start] : plan.first_of_order[chunks.stop]]
        for first in range(0, len(done), group):
            positions = done[first : first + group]
            tiles = np.empty((len(positions), n_channels, size, size), dtype=image.dtype)
            for tile, position in zip(tiles, positions.tolist(), strict=True):
                _assemble(tile, position, starts, plan, held)
            yield positions, tiles
        for chunk in [c for c in held if plan.needed_until[c] < chunks.stop]:
            del held[chunk]


def _read(blocks: np.ndarray, plan: Plan, chunks: range) -> list[np.ndarray]:
    """What each of ``chunks`` hands over, computed together; the one that cannot be decoded is looked for only then."""
    import dask

    tasks = [_task(blocks, plan, chunk) for chunk in chunks]
    try:
        return list(dask.compute(*tasks))
    except MemoryError:
        raise
    except Exception as error:
        if len(tasks) > 1:
            return [_read(blocks, plan, range(chunk, chunk + 1))[0] for chunk in chunks]
        row, column = plan.blocks[chunks.start].tolist()
        y0, x0, y1, x1 = plan.frames[chunks.start].tolist()
        raise StoreError(
            "has a chunk that cannot be decoded",
            key="image",
            found=f"chunk ({row}, {column}), pixels y {y0} to {y1} and x {x0} to {x1}: {type(error).__name__}: {error}",
            fix="write this image again from its source, or leave out the tiles that meet these pixels",
        ) from error


def _task(blocks: np.ndarray, plan: Plan, chunk: int) -> Any:
    from dask import delayed

    row, column = plan.blocks[chunk].tolist()
    return delayed(partial(_taken, cut=plan.cut(chunk)), pure=False, traverse=False)(blocks[row, column])


def _taken(block: np.ndarray, cut: Cut) -> np.ndarray:
    """Pieces of a decoded chunk, end to end in one line, or its crop (C, height, width)."""
    block = np.asarray(block)
    if block.shape[1:] != cut.shape:
        raise ValueError(f"decoded to {block.shape[1:]} pixels instead of {cut.shape}")
    if cut.pieces is None:
        y0, x0, y1, x1 = cut.crop
        return np.ascontiguousarray(block[:, y0:y1, x0:x1])
    return np.concatenate([block[:, y0:y1, x0:x1].reshape(-1) for y0, x0, y1, x1 in cut.pieces.tolist()])


def _assemble(tile: np.ndarray, position: int, starts: np.ndarray, plan: Plan, held: dict[int, np.ndarray]) -> None:
    """Fill ``tile`` (C, P, P) with its pieces and mirror them beyond the image."""
    top, left = starts[position].tolist()
    pieces = range(plan.first_of_tile[position], plan.first_of_tile[position + 1])
    for piece in pieces:
        y0, x0, y1, x1 = plan.boxes[piece].tolist()
        chunk = int(plan.chunk[piece])
        taken = held[chunk]
        if taken.ndim == 3:
            y, x = plan.crops[chunk, :2].tolist()
            values = taken[:, y0 - y : y1 - y, x0 - x : x1 - x]
        else:
            shape = (len(tile), y1 - y0, x1 - x0)
            begin = len(tile) * int(plan.offsets[piece])
            values = taken[begin : begin + shape[0] * shape[1] * shape[2]].reshape(shape)
        tile[:, y0 - top : y1 - top, x0 - left : x1 - left] = values
    low, high = plan.boxes[pieces[0], :2] - starts[position], plan.boxes[pieces[-1], 2:] - starts[position]
    if low.any() or (high < tile.shape[1]).any():
        y, x = (_mirrored(first, last, tile.shape[1]) for first, last in zip(low.tolist(), high.tolist(), strict=True))
        tile[:] = tile[:, y[:, None], x]


def _mirrored(first: int, last: int, size: int) -> np.ndarray:
    """For each of ``size`` pixels, the one in [first, last) that it shows when these are mirrored again and again."""
    n = last - first
    turn = (np.arange(size) - first) % (2 * n)
    return first + np.minimum(turn, 2 * n - 1 - turn)
