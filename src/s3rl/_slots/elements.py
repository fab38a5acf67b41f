"""Points and shapes as targets of distances: transformed to the spots, measured, and kept for drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._log import note
from s3rl._slots.images import GLOBAL, common_system, matrix_of, systems_of
from s3rl._slots.table import coordinates_of
from s3rl.errors import CoordinatesError, InputError, MissingKeyError
from s3rl.statistics import distance as measure
from s3rl.tiles.geometry import length_factor, mapped

if TYPE_CHECKING:
    from anndata import AnnData

POINT, LINE, RING = 0, 1, 2
_CORNERS = 24


class Outline(NamedTuple):
    """Vertices of points, lines and rings.

    Attributes
    ----------
    xy
        Float64 (k, 2).
    part
        Int64 (k,): number of the point, line or ring.
    kind
        Int64 (k,): 0 point, 1 line, 2 ring.
    slice
        Int64 (k,): code of the slice.
    """

    xy: np.ndarray
    part: np.ndarray
    kind: np.ndarray
    slice: np.ndarray

    @classmethod
    def empty(cls) -> Outline:
        """Nothing to draw."""
        none = np.empty(0, dtype=np.int64)
        return cls(np.empty((0, 2)), none, none.copy(), none.copy())

    def joined(self, other: Outline, code: int) -> Outline:
        """Both outlines; the other one belongs to slice ``code``."""
        after = int(self.part.max()) + 1 if self.part.size else 0
        return Outline(
            np.concatenate([self.xy, other.xy]),
            np.concatenate([self.part, other.part + after]),
            np.concatenate([self.kind, other.kind]),
            np.concatenate([self.slice, np.full_like(other.slice, code)]),
        )


def outline_of_points(points: np.ndarray) -> Outline:
    """Each of the points (m, 2) by itself."""
    number = np.arange(len(points), dtype=np.int64)
    return Outline(points.copy(), number, np.full_like(number, POINT), np.zeros_like(number))


def _outline_of(geometries: np.ndarray) -> Outline:
    import shapely

    pieces, kinds = [], []
    for one in shapely.get_parts(shapely.get_parts(geometries)):
        dimension = int(shapely.get_dimensions(one))
        lines = shapely.get_rings(one) if dimension == RING else [one]
        pieces += [shapely.get_coordinates(line) for line in lines]
        kinds += [dimension] * len(lines)
    sizes = [len(piece) for piece in pieces]
    return Outline(
        np.concatenate(pieces),
        np.repeat(np.arange(len(pieces), dtype=np.int64), sizes),
        np.repeat(np.asarray(kinds, dtype=np.int64), sizes),
        np.zeros(sum(sizes), dtype=np.int64),
    )


def geometry_target(xy: np.ndarray, target: Any, name: str = "target") -> tuple[np.ndarray, Outline]:
    """Distance of spots (n, 2) to shapely geometries, a GeoSeries or GeoDataFrame in the same units, and its outline.

    Raises
    ------
    InputError
        If there are none, or one is empty.
    CoordinatesError
        If one has coordinates that are not finite.
    """
    import shapely
    from shapely.geometry.base import BaseGeometry

    if isinstance(target, BaseGeometry):
        target = [target]
    geometries = np.empty(len(target), dtype=object)
    geometries[:] = list(target.geometry) if hasattr(target, "geometry") else list(target)
    radii = np.asarray(target["radius"], np.float64) if "radius" in getattr(target, "columns", ()) else None
    check_geometries(geometries, name)
    if radii is not None and (shapely.get_type_id(geometries) == 0).all():
        centres = shapely.get_coordinates(geometries)
        rings = _outline_of(shapely.buffer(geometries, radii, quad_segs=_CORNERS // 4))
        return measure.to_circles(xy, centres, radii), rings
    return measure.to_geometries(xy, geometries), _outline_of(geometries)


def check_geometries(geometries: np.ndarray, name: str) -> None:
    """Refuse no geometries, and those that are missing, empty or not finite."""
    import shapely

    empty = shapely.is_empty(geometries) | shapely.is_missing(geometries)
    if len(geometries) == 0 or empty.any():
        raise InputError(
            "is empty" if len(geometries) == 0 else "has geometries that are missing or empty", key=name,
            found=f"{empty.sum()} of {len(geometries)} geometries" if len(geometries) else "0 geometries",
            fix="pass at least one geometry, and drop those that are empty",
        )  # fmt: skip
    coordinates, place = shapely.get_coordinates(geometries, return_index=True)
    bad = np.unique(place[~np.isfinite(coordinates).all(axis=1)])
    if bad.size:
        raise CoordinatesError(
            "has geometries without finite coordinates", key=name,
            found=f"{bad.size} of {len(geometries)}, first number {bad[0]}", fix="drop these geometries",
        )  # fmt: skip


def element_target(sdata: Any, table: AnnData, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, Outline]:
    """Coordinates of the spots in a system that they share with the element, their distances to it, and its outline.

    Raises
    ------
    MissingKeyError
        If there are no shapes or points of this name.
    InputError
        If it is empty, or shares no coordinate system with the spots.
    CoordinatesError
        If coordinates are not finite.
    """
    where = f"shapes[{name!r}]" if name in sdata.shapes else f"points[{name!r}]"
    if name not in sdata.shapes and name not in sdata.points:
        raise MissingKeyError(
            "names no shapes and no points", key="target", found=repr(name),
            available=[*sdata.shapes, *sdata.points], fix="pass one of these names, or sdata.shapes[name] = ...",
        )  # fmt: skip
    element = sdata[name]
    xy, system = _spots(sdata, table, element, where, rows)
    matrix = matrix_of(element, system, where)
    if name in sdata.points:
        points = mapped(matrix, element[["x", "y"]].compute().to_numpy(np.float64))
        _check_points(points, where)
        return xy, measure.to_points(xy, points), outline_of_points(points)
    return xy, *_shapes(xy, element, matrix, where)


def _check_points(points: np.ndarray, where: str) -> None:
    if len(points) == 0:
        raise InputError("is empty", key=where, found="0 points", fix="pass an element with points")
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise CoordinatesError(
            "has points without finite coordinates", key=where, found=f"{bad.sum()} of {len(points)}",
            fix="drop these points from the element",
        )  # fmt: skip


def _shapes(xy: np.ndarray, element: Any, matrix: np.ndarray, where: str) -> tuple[np.ndarray, Outline]:
    """Circles stay circles where the transformation keeps angles, and become polygons where it does not."""
    import geopandas as gpd
    import shapely

    geometries = np.asarray(element.geometry, dtype=object)
    check_geometries(geometries, where)
    columns = {}
    if "radius" in element.columns:
        radii = element["radius"].to_numpy(np.float64)
        square = matrix[:2, :2].T @ matrix[:2, :2]
        if np.allclose(square, square[0, 0] * np.eye(2), rtol=1e-9, atol=1e-9 * abs(square[0, 0])):
            columns = {"radius": radii * length_factor(matrix)}
        else:
            geometries = shapely.buffer(geometries, radii, quad_segs=64)
    moved = shapely.transform(geometries, lambda vertices: mapped(matrix, vertices))
    return geometry_target(xy, gpd.GeoDataFrame(columns, geometry=list(moved)), where)


def _spots(sdata: Any, table: AnnData, element: Any, where: str, rows: np.ndarray) -> tuple[np.ndarray, str]:
    """Centroids (rows, 2) of the instances that the table annotates, and the coordinate system they are in."""
    import spatialdata as sd
    from spatialdata.models import get_table_keys

    try:
        _, region_key, instance_key = get_table_keys(table)
    except (KeyError, ValueError):
        system = GLOBAL if GLOBAL in systems_of(element) else systems_of(element)[0]
        note("the table annotates no element: obsm['spatial'] is taken to be in coordinate system %r", system)
        return coordinates_of(table)[rows], system
    regions = table.obs[region_key].to_numpy().astype(str)[rows]
    names = list(dict.fromkeys(regions))
    absent = [name for name in names if name not in sdata]
    if absent:
        raise MissingKeyError(
            "names elements that are not there", key=f"obs[{region_key!r}]", found=", ".join(absent),
            available=[*sdata.shapes, *sdata.labels], fix="add these elements, or pass coordinates as the target",
        )  # fmt: skip
    systems = {name: common_system(sdata[name], element, (repr(name), where)) for name in names}
    if len(set(systems.values())) > 1:
        raise InputError(
            "lies in several coordinate systems of the spots", key=where, found=", ".join(systems.values()),
            fix="pass library_key= and target={slice: element, ...}",
        )  # fmt: skip
    system = next(iter(systems.values()))
    xy = np.full((len(rows), 2), np.nan)
    instances = table.obs[instance_key].to_numpy()[rows]
    for name in names:
        own = regions == name
        centroids = sd.get_centroids(sdata[name], coordinate_system=system).compute()
        xy[own] = centroids.reindex(instances[own])[["x", "y"]].to_numpy()
    if not np.isfinite(xy).all():
        raise CoordinatesError(
            "has instances without a shape", key=f"obs[{instance_key!r}]",
            found=f"{np.isnan(xy).any(axis=1).sum()} of {len(xy)} spots",
            fix="spatialdata.match_table_to_element, or drop these rows",
        )  # fmt: skip
    return xy, system
