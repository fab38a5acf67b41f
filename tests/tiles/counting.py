"""An image that remembers what was read of it, and how much of that was alive at one time."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import Counter

import dask.array as da


class CountingImage:
    """Array-like (C, H, W); ``reads`` counts each (c0, y0, x0, y1, x1), ``most_alive`` the blocks alive at one time."""

    def __init__(self, pixels):
        self.pixels, self.shape, self.dtype, self.ndim = pixels, pixels.shape, pixels.dtype, 3
        self.reads, self.alive, self.most_alive = Counter(), 0, 0
        self._lock = threading.Lock()

    def __getitem__(self, key):
        c, y, x = key
        block = self.pixels[key].copy()
        with self._lock:
            self.reads[c.start, y.start, x.start, y.stop, x.stop] += 1
            self.alive += 1
            self.most_alive = max(self.most_alive, self.alive)
        weakref.finalize(block, self._gone)
        return block

    def _gone(self):
        with self._lock:
            self.alive -= 1

    def lazy(self, chunks):
        # with a meta, since dask reads an empty block to find one
        return da.from_array(self, chunks, name=False, asarray=False, meta=self.pixels[:0, :0, :0])


def chunk_boxes(image):
    """c0, y0, x0, y1, x1 of all chunks that are not empty."""
    spans = []
    for sizes in image.chunks:
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        spans.append([(end - side, end) for end, side in zip(ends, sizes, strict=True) if side])
    return [(c0, y0, x0, y1, x1) for (c0, _), (y0, y1), (x0, x1) in itertools.product(*spans)]


def meets(box, start, size):
    *_, y0, x0, y1, x1 = box
    return start[0] < y1 and start[0] + size > y0 and start[1] < x1 and start[1] + size > x0
