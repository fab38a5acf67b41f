"""The two slices of one alignment: masses by area, one unit of length, all spots or cells of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from s3rl.transport.cells import Points, cells_of, joined, spacing_of
from s3rl.transport.features import unit_rows

_CELLS = 300
_FEWEST_CELLS = 60
_SAME_SPACING = 1.1


class Slice(NamedTuple):
    """Coordinates float64 (n, 2) and smoothed features float64 (n, d) of the spots."""

    xy: np.ndarray
    features: np.ndarray


class Task(NamedTuple):
    """Both slices at one resolution.

    Attributes
    ----------
    first, second
        Points with features of length one; the masses of the larger slice sum to one.
    length
        What distances are divided by: the diagonal of the larger slice.
    reach
        Spacing of the spots.
    rigid
        Whether the second slice may be turned.
    """

    first: Points
    second: Points
    length: float
    reach: float
    rigid: bool

    def mass(self, overlap: float) -> float:
        """Mass that is transported, a hair less than all of it, for sums of floats never agree."""
        return overlap * min(float(self.first.mass.sum()), float(self.second.mass.sum())) * (1 - 1e-9)


def task_of(first: Slice, second: Slice, *, rigid: bool) -> Task:
    """All spots of both slices, each with the area around it as its mass."""
    spacing = np.array([spacing_of(part.xy) for part in (first, second)])
    # one technology has one spacing; what differs less than this is how the edges lie
    if spacing.max() <= _SAME_SPACING * spacing.min():
        spacing[:] = spacing.mean()
    area = spacing**2
    total = float(max(area[0] * len(first.xy), area[1] * len(second.xy)))
    length = float(max(np.linalg.norm(np.ptp(part.xy, axis=0)) for part in (first, second)))
    points = [
        Points(part.xy, unit_rows(part.features), np.full(len(part.xy), share / total))
        for part, share in zip((first, second), area, strict=True)
    ]
    return Task(points[0], points[1], length, float(spacing.max()), rigid)


def coarsened(task: Task) -> Task:
    """The same slices as cells of equal area; a small slice has more of them than its area asks for."""
    parts = []
    for points in (task.first, task.second):
        count = max(round(_CELLS * float(points.mass.sum())), _FEWEST_CELLS)
        parts.append(joined(points, cells_of(points.xy, count)))
    return task._replace(first=parts[0], second=parts[1])


def nearest_pairs(fixed: np.ndarray, moved: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Each point (n, 2), (m, 2) with the ``count`` nearest of the other side: rows and columns, sorted, each once."""
    ahead = cKDTree(moved).query(fixed, k=min(count, len(moved)))[1].reshape(len(fixed), -1)
    back = cKDTree(fixed).query(moved, k=min(count, len(fixed)))[1].reshape(len(moved), -1)
    rows = np.concatenate([np.repeat(np.arange(len(fixed)), ahead.shape[1]), back.ravel()])
    columns = np.concatenate([ahead.ravel(), np.repeat(np.arange(len(moved)), back.shape[1])])
    both = np.unique(rows * len(moved) + columns)
    return both // len(moved), both % len(moved)
