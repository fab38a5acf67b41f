"""Which chunk holds which piece of which tile, and in what order: all of a pass that is known before any pixel is.

Chunks are visited line by line along the shorter side of the image, and a tile over several chunks is complete with the
last of them. So what waits is at most what about one such line holds, however long the other side is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from s3rl.tiles.boxes import inside_of

__all__ = ["Cut", "Plan", "plan_of"]


class Cut(NamedTuple):
    """What to take out of one chunk, y and x counted from its first pixel.

    Attributes
    ----------
    shape
        Height and width that the chunk must have.
    crop
        y0, x0, y1, x1 around all pieces.
    pieces
        int64 (k, 4) y0, x0, y1, x1 of each piece; None where they overlap so much that the crop has fewer pixels.
    """

    shape: tuple[int, int]
    crop: tuple[int, int, int, int]
    pieces: np.ndarray | None


class Plan(NamedTuple):
    """One pass over m chunks for n tiles, of p pieces in all: each tile has one in each chunk that it meets.

    Attributes
    ----------
    blocks
        int64 (m, 2) row and column, in the grid of the image, of each chunk in the order of the visit.
    frames
        int64 (m, 4) y0, x0, y1, x1 of each chunk in the image.
    crops
        int64 (m, 4) y0, x0, y1, x1 in the image around all pieces in each chunk.
    as_crop
        boolean (m,): the crop is taken out of the chunk and not the pieces.
    n_pixels
        int64 (m,) pixels that are taken out of each chunk.
    first_of_chunk
        int64 (m + 1,): ``by_chunk[first_of_chunk[i] : first_of_chunk[i + 1]]`` are the pieces of chunk i.
    by_chunk
        int64 (p,) pieces sorted by chunk.
    needed_until
        int64 (m,) last chunk that completes a tile with a piece of this one.
    order
        int64 (n,) tiles in the order in which they are complete.
    first_of_order
        int64 (m + 1,): ``order[first_of_order[i] : first_of_order[i + 1]]`` are complete with chunk i.
    first_of_tile
        int64 (n + 1,): pieces ``first_of_tile[t]`` up to ``first_of_tile[t + 1]`` belong to tile t.
    chunk
        int64 (p,) chunk of each piece.
    boxes
        int64 (p, 4) y0, x0, y1, x1 of each piece in the image.
    offsets
        int64 (p,) pixels before each piece among the pieces of its chunk.
    """

    blocks: np.ndarray
    frames: np.ndarray
    crops: np.ndarray
    as_crop: np.ndarray
    n_pixels: np.ndarray
    first_of_chunk: np.ndarray
    by_chunk: np.ndarray
    needed_until: np.ndarray
    order: np.ndarray
    first_of_order: np.ndarray
    first_of_tile: np.ndarray
    chunk: np.ndarray
    boxes: np.ndarray
    offsets: np.ndarray

    def cut(self, chunk: int) -> Cut:
        """What to take out of ``chunk``."""
        y0, x0, y1, x1 = self.frames[chunk].tolist()
        corner = np.array([y0, x0, y0, x0])
        top, left, bottom, right = (self.crops[chunk] - corner).tolist()
        pieces = self.by_chunk[self.first_of_chunk[chunk] : self.first_of_chunk[chunk + 1]]
        boxes = None if self.as_crop[chunk] else self.boxes[pieces] - corner
        return Cut((y1 - y0, x1 - x0), (top, left, bottom, right), boxes)

    def windows(self, window: int, most_pixels: int) -> Iterator[range]:
        """Runs of up to ``window`` chunks that hand over up to ``most_pixels`` pixels, or of one that hands over more.

        Parameters
        ----------
        window
            Most chunks of a run.
        most_pixels
            Most pixels of a run of more than one chunk.
        """
        before = np.concatenate([[0], np.cumsum(self.n_pixels)])
        first = 0
        while first < len(self.blocks):
            fits = int(np.searchsorted(before, before[first] + most_pixels, side="right")) - 1
            last = max(first + 1, min(first + window, fits))
            yield range(first, last)
            first = last


class _Axis(NamedTuple):
    """Chunks of one axis that are not empty: their numbers and the pixels where they begin, with the end."""

    numbers: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, sizes: Sequence[int]) -> _Axis:
        numbers = np.flatnonzero(sizes)
        return cls(numbers, np.concatenate([[0], np.cumsum(np.asarray(sizes, dtype=np.int64)[numbers])]))

    def met(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First chunk that [low, high) meets, and how many."""
        first = np.searchsorted(self.edges, low, side="right") - 1
        return first, np.searchsorted(self.edges, high, side="left") - first


def plan_of(heights: Sequence[int], widths: Sequence[int], starts: np.ndarray, size: int) -> Plan:
    """Plan a pass.

    Parameters
    ----------
    heights, widths
        Pixels of the chunks of each axis; zeros are allowed.
    starts
        int64 (n, 2) first pixels y, x; every tile has a pixel in the image, and n > 0.
    size
        Side of the tiles in pixels.

    Returns
    -------
    The plan; equal arguments give equal plans.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.tiles.plan import plan_of
    >>> plan = plan_of([5, 5], [5, 5], np.array([[4, 4], [0, 0]]), 2)
    >>> plan.blocks.tolist(), plan.order.tolist()
    ([[0, 0], [0, 1], [1, 0], [1, 1]], [1, 0])
    """
    rows, columns = _Axis.of(heights), _Axis.of(widths)
    low, high = inside_of(starts, size, (int(rows.edges[-1]), int(columns.edges[-1])))
    first_row, n_rows = rows.met(low[:, 0], high[:, 0])
    first_column, n_columns = columns.met(low[:, 1], high[:, 1])
    first_of_tile = np.concatenate([[0], np.cumsum(n_rows * n_columns)])
    tile = np.repeat(np.arange(len(starts)), np.diff(first_of_tile))
    down, right = np.divmod(np.arange(len(tile)) - first_of_tile[tile], n_columns[tile])
    row, column = first_row[tile] + down, first_column[tile] + right
    frames = np.stack([rows.edges[row], columns.edges[column], rows.edges[row + 1], columns.edges[column + 1]], axis=1)
    boxes = np.concatenate([np.maximum(low[tile], frames[:, :2]), np.minimum(high[tile], frames[:, 2:])], axis=1)

    wide = columns.edges[-1] > rows.edges[-1]
    visit = column * len(rows.numbers) + row if wide else row * len(columns.numbers) + column
    _, example, chunk = np.unique(visit, return_index=True, return_inverse=True)
    by_chunk = np.argsort(chunk, kind="stable")
    first_of_chunk = np.searchsorted(chunk[by_chunk], np.arange(len(example) + 1))
    last = np.maximum.reduceat(chunk, first_of_tile[:-1])
    order = np.argsort(last, kind="stable")
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    before = np.cumsum(areas[by_chunk]) - areas[by_chunk]
    offsets = np.empty_like(before)
    offsets[by_chunk] = before - before[first_of_chunk[:-1]][chunk[by_chunk]]
    grouped, groups = boxes[by_chunk], first_of_chunk[:-1]
    crops = np.concatenate(
        [np.minimum.reduceat(grouped[:, :2], groups), np.maximum.reduceat(grouped[:, 2:], groups)], axis=1
    )
    of_pieces = np.add.reduceat(areas[by_chunk], groups)
    of_crop = (crops[:, 2:] - crops[:, :2]).prod(axis=1)
    return Plan(
        blocks=np.stack([rows.numbers[row[example]], columns.numbers[column[example]]], axis=1),
        frames=frames[example],
        crops=crops,
        as_crop=of_crop < of_pieces,
        n_pixels=np.minimum(of_crop, of_pieces),
        first_of_chunk=first_of_chunk,
        by_chunk=by_chunk,
        needed_until=np.maximum.reduceat(last[tile[by_chunk]], groups),
        order=order,
        first_of_order=np.searchsorted(last[order], np.arange(len(example) + 1)),
        first_of_tile=first_of_tile,
        chunk=chunk,
        boxes=boxes,
        offsets=offsets,
    )
