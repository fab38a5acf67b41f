"""Distance from spots to points, circles, and shapes of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np

_PAIRS = 4_000_000


def to_points(xy: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance of each spot (n, 2) to the nearest of the points (m, 2), float64 (n,)."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(points).query(xy)[0], dtype=np.float64)


def to_circles(xy: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Distance of each spot (n, 2) to the nearest circle, negative inside of it, float64 (n,)."""
    from scipy.spatial.distance import cdist

    if np.ptp(radii) == 0:
        return to_points(xy, centres) - radii[0]
    found = np.empty(len(xy))
    rows = max(1, _PAIRS // len(centres))
    for start in range(0, len(xy), rows):
        part = slice(start, start + rows)
        found[part] = (cdist(xy[part], centres) - radii).min(axis=1)
    return found


def to_geometries(xy: np.ndarray, geometries: Any) -> np.ndarray:
    """Distance of each spot (n, 2) to the nearest shapely geometry, negative inside of areas, float64 (n,).

    Inside of areas that overlap it is the distance to the border of them all together.
    """
    import shapely

    geometries = np.asarray(shapely.make_valid(np.asarray(geometries, dtype=object)), dtype=object)
    spots = shapely.points(xy)
    tree = shapely.STRtree(geometries)
    found = np.empty(len(xy))
    (rows, _), distance = tree.query_nearest(spots, return_distance=True, all_matches=False)
    found[rows] = distance
    areas = geometries[shapely.get_dimensions(geometries) == 2]
    if len(areas) and (found == 0).any():
        within = np.flatnonzero(found == 0)
        border = shapely.boundary(shapely.union_all(areas))
        covered = shapely.covers(shapely.union_all(areas), spots[within])
        within = within[covered]
        found[within] = -shapely.distance(border, spots[within])
    return found


def to_members(xy: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Distance of each spot (n, 2) to the nearest of ``members`` (bool); a member's to the nearest other, negative."""
    found = np.zeros(len(xy))
    if members.any() and not members.all():
        found[~members] = to_points(xy[~members], xy[members])
        found[members] = -to_points(xy[members], xy[~members])
    return found
