"""Where a tile lies: corners, centres and the share that leaves the image.

Pixel ``i`` of an image spans ``[i, i + 1)``; a tile of side ``size`` at ``start`` covers ``[start, start + size)`` in
both directions. Coordinates are (y, x) in pixels of the image that is read.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from s3rl.errors import CoordinatesError, ParameterError

__all__ = ["centers_of", "outside_share", "starts_of"]

Size: TypeAlias = int | np.integer

# Halves are exact below it, and so is the sum of a corner and a side.
_LARGEST = 2.0**51


def starts_of(centers: np.ndarray, size: Size) -> np.ndarray:
    """First pixels of the tiles whose middles are nearest to ``centers``.

    Parameters
    ----------
    centers
        (n, 2) y, x in pixels; the middle of the first pixel is (0.5, 0.5).
    size
        Side of the tiles in pixels.

    Returns
    -------
    int64 (n, 2) y, x; negative where a tile begins before the image. The middle of a tile is at most half a pixel away
    from its centre, and ``starts_of(centers_of(starts, size), size)`` is ``starts``.

    Raises
    ------
    CoordinatesError
        If ``centers`` is not (n, 2), not finite or beyond 2**51.
    ParameterError
        If ``size`` is no positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.tiles.boxes import starts_of
    >>> starts_of(np.array([[10.0, 3.2]]), 4).tolist()
    [[8, 1]]
    """
    size = checked_size(size)
    centers = np.asarray(centers, dtype=np.float64)
    if centers.ndim != 2 or centers.shape[1] != 2:
        raise CoordinatesError(
            "must be y, x of each tile", key="centers", found=f"shape {centers.shape}", fix="pass an array (n, 2)"
        )
    usable = np.isfinite(centers) & (np.abs(centers) <= _LARGEST)
    if not usable.all():
        rows = np.flatnonzero(~usable.all(axis=1))
        raise CoordinatesError(
            "must be finite and within 2**51 pixels",
            key="centers",
            found=f"{len(rows)} rows that are not, first {rows[0]}: {centers[rows[0]].tolist()}",
            fix="leave these rows out, or check the transformation between points and image",
        )
    return np.floor(centers - size / 2 + 0.5).astype(np.int64)


def centers_of(starts: np.ndarray, size: Size) -> np.ndarray:
    """Middles of tiles, float64 (n, 2) y, x: the inverse of ``starts_of``.

    Parameters
    ----------
    starts
        int (n, 2) first pixels y, x.
    size
        Side of the tiles in pixels.

    Returns
    -------
    float64 (n, 2) y, x in pixels.

    Raises
    ------
    CoordinatesError
        If ``starts`` is not (n, 2) or no integers.
    ParameterError
        If ``size`` is no positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.tiles.boxes import centers_of
    >>> centers_of(np.array([[8, 1]]), 4).tolist()
    [[10.0, 3.0]]
    """
    return checked_starts(starts) + checked_size(size) / 2


def outside_share(starts: np.ndarray, size: Size, shape: tuple[int, int]) -> np.ndarray:
    """Share of the area of each tile that lies outside of the image.

    Parameters
    ----------
    starts
        int (n, 2) first pixels y, x.
    size
        Side of the tiles in pixels.
    shape
        Height and width of the image in pixels.

    Returns
    -------
    float32 (n,) from 0, wholly inside, to 1, wholly outside.

    Raises
    ------
    CoordinatesError
        If ``starts`` is not (n, 2) or no integers.
    ParameterError
        If ``size`` is no positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.tiles.boxes import outside_share
    >>> outside_share(np.array([[0, 0], [-1, 0], [-4, 0]]), 4, (100, 100)).tolist()
    [0.0, 0.25, 1.0]
    """
    size = checked_size(size)
    low, high = inside_of(checked_starts(starts), size, shape)
    # Nothing before the division, so that wholly inside is 0 and wholly outside 1 to the last bit.
    return ((size * size - (high - low).prod(axis=1)) / (size * size)).astype(np.float32)


def inside_of(starts: np.ndarray, size: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """First and last-plus-one pixels, int64 (n, 2) each, of the parts of tiles inside the image; equal for no part."""
    # Clipped before the side is added, which could overflow.
    near = np.clip(starts, -size, np.asarray(shape, dtype=np.int64))
    return np.clip(near, 0, shape), np.clip(near + size, 0, shape)


def checked_size(size: Size) -> int:
    """``size`` as an int, or an error where it is no positive integer."""
    if isinstance(size, bool | np.bool_) or not isinstance(size, int | np.integer) or size < 1:
        raise ParameterError("must be a positive number of pixels", key="size", found=repr(size), fix="size=32")
    return int(size)


def checked_starts(starts: np.ndarray) -> np.ndarray:
    """``starts`` as int64 (n, 2), or an error; an empty list of tiles is (0, 2) whatever its type."""
    starts = np.asarray(starts)
    if starts.ndim != 2 or starts.shape[1] != 2 or (len(starts) and starts.dtype.kind not in "iu"):
        raise CoordinatesError(
            "must be the first pixels y, x of each tile",
            key="starts",
            found=f"{starts.dtype} of shape {starts.shape}",
            fix="starts_of(centers, size)",
        )
    return starts.astype(np.int64, copy=False)
