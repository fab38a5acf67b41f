"""Spots and cells beside an image: which element holds them, and where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._slots.images import GLOBAL, matrix_of, no_common_system, systems_of
from s3rl._slots.table import table_of
from s3rl._slots.tiles import is_tiles
from s3rl.errors import CoordinatesError, InputError, MissingKeyError, ParameterError
from s3rl.tiles.geometry import length_factor, mapped, visium_microns_per_unit

if TYPE_CHECKING:
    import pandas as pd

_REGION_FIX = "pass region_key= with the name of the spots or cells"


class Region(NamedTuple):
    """Instances of one element in one coordinate system.

    Attributes
    ----------
    name
        Name of the element.
    system
        The coordinate system.
    xy
        float64 (n, 2) centroids in it.
    instances
        Ids, unique.
    microns_per_unit
        Micrometres for each unit of the system where the circles are Visium's beyond doubt, else None.
    """

    name: str
    system: str
    xy: np.ndarray
    instances: pd.Index
    microns_per_unit: float | None


def region_of(
    sdata: Any,
    image_key: str,
    *,
    region_key: str | None,
    table_key: str | None,
    system: str | None,
    with_unit: bool = False,
) -> Region:
    """Centroids of circles, polygons, points or labels beside an image, in the order of the element.

    ``with_unit`` says that the caller has a length in units of the coordinate system, which then must not be a guess.

    Raises
    ------
    MissingKeyError
        If there is no such element.
    ParameterError
        If several could be meant, or several coordinate systems that disagree.
    InputError
        If the element is empty, its ids are doubled, or it shares no coordinate system with the image.
    CoordinatesError
        If a centroid is not finite.
    """
    image = sdata.images[image_key]
    name = _name(sdata, image_key, region_key, table_key)
    element = _element(sdata, name)
    system = _system(element, image, (f"{name!r}", f"images[{image_key!r}]"), system, with_unit)
    _check_size(element, name)
    xy, instances = _centroids(element, name, system)
    return Region(name, system, xy, instances, _visium(element, name, system, xy))


def _element(sdata: Any, name: str) -> Any:
    for kind in (sdata.shapes, sdata.labels, sdata.points):
        if name in kind:
            return kind[name]
    raise MissingKeyError(
        "names no shapes, labels or points",
        key="region_key",
        found=repr(name),
        available=_possible(sdata),
        fix=_REGION_FIX,
    )


def _possible(sdata: Any) -> list[str]:
    shapes = [str(name) for name, element in sdata.shapes.items() if not is_tiles(element)]
    return [*shapes, *map(str, sdata.labels), *map(str, sdata.points)]


def _name(sdata: Any, image_key: str, region_key: str | None, table_key: str | None) -> str:
    """Return the element that is asked for, or the only one that a table annotates and that shares a system."""
    if region_key is not None:
        return region_key
    names = _annotated(sdata, table_key) or _possible(sdata)
    if not names:
        raise MissingKeyError(
            "are not there: no shapes, labels or points",
            key="region_key",
            available=[],
            fix="add the spots with sdata.shapes['spots'] = spatialdata.models.ShapesModel.parse(...)",
        )
    systems = set(systems_of(sdata.images[image_key]))
    near = [name for name in names if systems & set(systems_of(_element(sdata, name)))]
    if not near:
        of_all = sorted({system for name in names for system in systems_of(_element(sdata, name))})
        raise no_common_system((", ".join(map(repr, names)), f"images[{image_key!r}]"), of_all, sorted(systems))
    if len(near) > 1:
        raise ParameterError(
            "must say which spots or cells to use",
            key="region_key",
            found="None",
            available=near,
            fix=f"pass region_key={near[0]!r}",
        )
    return near[0]


def _annotated(sdata: Any, table_key: str | None) -> list[str]:
    """Elements that the table annotates, or all tables where none is named."""
    from spatialdata.models import get_table_keys

    tables = list(sdata.tables.values()) if table_key is None else [table_of(sdata, table_key)]
    names: dict[str, None] = {}
    for table in tables:
        try:
            regions = get_table_keys(table)[0]
        except (KeyError, ValueError, AttributeError):
            continue
        names |= dict.fromkeys([regions] if isinstance(regions, str) else map(str, regions))
    return [name for name in names if name in sdata]


def _system(element: Any, image: Any, names: tuple[str, str], system: str | None, with_unit: bool) -> str:
    common = [name for name in systems_of(element) if name in systems_of(image)]
    if not common:
        raise no_common_system(names, systems_of(element), systems_of(image))
    if system is not None:
        if system in common:
            return system
        raise ParameterError(
            f"is not shared by {names[0]} and {names[1]}",
            key="coordinate_system",
            found=repr(system),
            available=common,
            fix=f"pass coordinate_system={common[0]!r}",
        )
    default = GLOBAL if GLOBAL in common else common[0]
    onto = [np.linalg.inv(matrix_of(image, name, names[1])) @ matrix_of(element, name, names[0]) for name in common]
    height, width = _shape(image)
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=np.float64)
    there = mapped(np.linalg.inv(onto[0]), corners)
    problem = None
    if any(np.abs(mapped(matrix, there) - corners).max() > 0.5 for matrix in onto[1:]):
        problem = f"{names[0]} lies at different places of {names[1]} in different coordinate systems"
    elif with_unit and default != GLOBAL:
        units = [length_factor(matrix_of(element, name, names[0])) for name in common]
        if not np.allclose(units, units[0]):
            problem = "microns_per_unit is given, and the coordinate systems have different units"
    if problem is not None:
        raise ParameterError(
            f"must be named: {problem}",
            key="coordinate_system",
            found="None",
            available=common,
            fix=f"pass coordinate_system={default!r}, or the other one that spots and image are registered in",
        )
    return default


def _shape(image: Any) -> tuple[int, int]:
    from spatialdata.models import get_axes_names
    from xarray import DataTree

    array = next(iter(image["scale0"].ds.data_vars.values())) if isinstance(image, DataTree) else image
    axes = get_axes_names(image)
    return int(array.shape[axes.index("y")]), int(array.shape[axes.index("x")])


def _check_size(element: Any, name: str) -> None:
    is_shapes = hasattr(element, "geometry")
    if len(element) == 0:
        raise InputError("is empty", key=f"{name!r}", found="0 instances", fix=_REGION_FIX + " that has some")
    if is_shapes and element.geometry.is_empty.any():
        empty = element.geometry.is_empty
        raise CoordinatesError(
            "has empty shapes",
            key=f"{name!r}",
            found=f"{empty.sum()} of {len(element)}, first {element.index[empty][0]}",
            fix=f"sdata.shapes[{name!r}] = sdata.shapes[{name!r}][~sdata.shapes[{name!r}].is_empty]",
        )


def _centroids(element: Any, name: str, system: str) -> tuple[np.ndarray, pd.Index]:
    import spatialdata as sd

    table = sd.get_centroids(element, coordinate_system=system).compute()
    xy, instances = table[["x", "y"]].to_numpy(np.float64), table.index
    if len(xy) == 0:
        raise InputError("is empty", key=f"{name!r}", found="0 instances", fix=_REGION_FIX + " that has some")
    if not instances.is_unique:
        raise InputError(
            "has doubled instance ids",
            key=f"{name!r}",
            found=f"{instances.duplicated().sum()} of {len(instances)}, first {instances[instances.duplicated()][0]}",
            fix="give every spot or cell an id of its own: element.index = numpy.arange(len(element)), and the table "
            "the same ids",
        )
    bad = ~np.isfinite(xy).all(axis=1)
    if bad.any():
        raise CoordinatesError(
            "has instances without finite coordinates",
            key=f"{name!r}",
            found=f"{bad.sum()} of {len(xy)}, first {instances[bad][0]}",
            fix="drop these instances from the element and from the table",
        )
    return xy, instances


def _visium(element: Any, name: str, system: str, xy: np.ndarray) -> float | None:
    if not hasattr(element, "geometry") or "radius" not in element.columns:
        return None
    matrix = matrix_of(element, system, f"{name!r}")
    return visium_microns_per_unit(xy, element["radius"].to_numpy(np.float64) * length_factor(matrix))
