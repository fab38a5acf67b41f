"""Join neighbouring spots to cells of equal number, so that exact transport between them is affordable."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

_AROUND = 18


class Points(NamedTuple):
    """Spots, or cells of spots, of one slice.

    Attributes
    ----------
    xy
        float64 (n, 2).
    features
        float64 (n, d).
    mass
        float64 (n,): the area that each stands for, in squared units of the coordinates.
    """

    xy: np.ndarray
    features: np.ndarray
    mass: np.ndarray


def spacing_of(xy: np.ndarray) -> float:
    """Side of the square that one spot (n, 2) has to itself: the median over the spots of the area around each.

    The mean distance to the nearest ones, and not that to the last of them, which jitter of a lattice makes longer.
    """
    count = min(_AROUND, len(xy) - 1)
    if count < 1:
        return 1.0
    mean = cKDTree(xy).query(xy, k=count + 1)[0][:, 1:].mean(axis=1)
    # of points spread evenly over a disc the mean distance to its centre is two thirds of the radius
    return float(np.sqrt(np.pi / (count + 1)) * 1.5 * np.median(mean))


def cells_of(xy: np.ndarray, n_cells: int) -> np.ndarray:
    """Number of the cell of each spot (n, 2): medians across the longer side, again and again, no randomness."""
    cell = np.zeros(len(xy), dtype=np.int64)
    parts = [(np.arange(len(xy)), min(n_cells, len(xy)))]
    done = 0
    while parts:
        rows, wanted = parts.pop()
        if wanted == 1:
            cell[rows] = done
            done += 1
            continue
        axis = int(np.ptp(xy[rows], axis=0).argmax())
        rows = rows[np.argsort(xy[rows, axis], kind="stable")]
        left = wanted // 2
        cut = round(len(rows) * left / wanted)
        parts += [(rows[cut:], wanted - left), (rows[:cut], left)]
    return cell


def joined(points: Points, cell: np.ndarray) -> Points:
    """Centre, mean features and summed mass of each cell (n,)."""
    total = np.bincount(cell, points.mass)
    means = [
        np.stack([np.bincount(cell, points.mass * column) for column in part.T], axis=1) / total[:, None]
        for part in (points.xy, points.features)
    ]
    return Points(means[0], means[1], total)
