"""Plane geometry between coordinate systems and pixels: matrices act on (x, y, 1)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.spatial import cKDTree

__all__ = ["length_factor", "mapped", "nearest_level", "trimmed", "visium_microns_per_unit"]

_VISIUM_PITCH = 100.0
# Diameter of a spot over the distance of two: 0.55 as specified, 0.65 and 0.70 in what Space Ranger wrote over the
# years. So the distance is the measure and the diameter only a sign.
_VISIUM_RATIOS = (0.55, 0.65, 0.70)


def mapped(matrix: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Points (n, 2) under an affine matrix (3, 3)."""
    return np.asarray(xy @ matrix[:2, :2].T + matrix[:2, 2])


def length_factor(matrix: np.ndarray) -> float:
    """Factor on lengths, sqrt(abs(det)): exact for turns and mirrors, the geometric mean of unequal scales."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


def trimmed(factor: float, full: int, level: int) -> tuple[float, float]:
    """Pixels of the full image for each pixel of a level, and the first of them, where downsampling trims.

    SpatialData makes pyramids of means and drops what does not fill the last one at the beginning of an axis: 101 rows
    halved are 50 rows, the first one the mean of rows 1 and 2. The transformation that it declares stretches 50 rows
    over all 101, up to a pixel off. Where ``factor`` is that ratio of sizes, the whole number behind it and the rows
    dropped are returned, else ``factor`` and 0.
    """
    whole = full // level
    if whole > 1 and np.isclose(factor, full / level, rtol=1e-6) and full // whole == level:
        return float(whole), float(full - whole * level)
    return float(factor), 0.0


def nearest_level(sides: Mapping[str, int], pixels: float | None) -> str:
    """Name of the level with the smallest side that is not below ``pixels``; the first one where none is or for None.

    Parameters
    ----------
    sides
        Side of the tile in pixels of each level, from the full resolution down.
    pixels
        Wanted side.
    """
    large = {} if pixels is None else {name: side for name, side in sides.items() if side >= pixels}
    return min(large, key=large.__getitem__) if large else next(iter(sides))


def visium_microns_per_unit(xy: np.ndarray, radius: np.ndarray) -> float | None:
    """Micrometres for each unit of ``xy`` where circles are Visium's spots beyond doubt, else None.

    Beyond doubt: equal radii, many spots with six neighbours at one distance, and a diameter of 0.55, 0.65 or 0.70
    of that distance, which is 100 micrometres.
    """
    if len(xy) < 7 or not np.allclose(radius, radius[0], rtol=0.01):
        return None
    distances = cKDTree(xy).query(xy, k=7)[0][:, 1:]
    full = distances[:, 5] < 1.15 * distances[:, 0]
    if full.mean() < 0.3:
        return None
    pitch = float(distances[full].mean())
    ratio = 2 * float(radius[0]) / pitch
    if not any(abs(ratio - known) < 0.02 for known in _VISIUM_RATIOS):
        return None
    return _VISIUM_PITCH / pitch
