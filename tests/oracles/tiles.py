"""Tiles of an image in memory, one after the other."""

from __future__ import annotations

import numpy as np


def cut(image, start, size):
    """The part of the tile inside the image, padded by numpy to (C, size, size)."""
    inside, widths = [slice(None)], [(0, 0)]
    for first, length in zip(start, image.shape[1:], strict=True):
        low, high = max(int(first), 0), min(int(first) + size, length)
        inside.append(slice(low, high))
        widths.append((low - int(first), int(first) + size - high))
    return np.pad(image[tuple(inside)], widths, mode="symmetric")


def cut_all(image, starts, size):
    if not len(starts):
        return np.empty((0, image.shape[0], size, size), dtype=image.dtype)
    return np.stack([cut(image, start, size) for start in starts])
