"""Annotated structures: where they are, and how far every spot is from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._log import note
from s3rl._slots.elements import Outline, element_target, geometry_target, outline_of_points
from s3rl._slots.labels import categories_of
from s3rl._slots.table import coordinates_of
from s3rl.errors import CoordinatesError, DataTypeError, InputError, MissingKeyError, ParameterError
from s3rl.statistics import distance as measure

if TYPE_CHECKING:
    from anndata import AnnData

    from s3rl._typing import Data

_FIX = (
    "pass the name of a shapes or points element of a SpatialData, coordinates (m, 2), shapely geometries, or "
    "(column of obs, category)"
)


class Target(NamedTuple):
    """A structure as every spot sees it.

    Attributes
    ----------
    name
        Of the element or of the category; empty where it has none.
    distance
        Float64 (n,) in units of ``xy``, negative inside of areas; nan where a slice has no structure.
    xy
        Float64 (n, 2): the coordinates that the distances are measured in.
    outline
        What to draw of it.
    """

    name: str
    distance: np.ndarray
    xy: np.ndarray
    outline: Outline


def target_of(data: Data, table: AnnData, target: Any, codes: np.ndarray, slices: list[str]) -> Target:
    """Measure the distance of each spot to the structure, within its slice.

    Parameters
    ----------
    data, table
        The user's object and the table in it.
    target
        As ``s3rl.tl.distance_gradient`` takes it.
    codes, slices
        Slice of each spot, and their names.

    Raises
    ------
    MissingKeyError
        If there is no such element, column, or slice.
    ParameterError
        If the target is of no kind that is known.
    InputError
        If it is empty, all spots belong to it, or it lies in no coordinate system of the spots.
    CoordinatesError
        If it, or a spot, has coordinates that are not finite.
    DataTypeError
        If it names an element and ``data`` is an AnnData.
    """
    if _is_domain(target):
        return _domain(table, target, codes)
    found = Target("", np.full(table.n_obs, np.nan), np.full((table.n_obs, 2), np.nan), Outline.empty())
    names = set()
    for code, one in enumerate(_by_slice(target, slices)):
        rows = np.flatnonzero(codes == code)
        if one is None:
            note("slice %r has no target, and its spots no distance", slices[code])
            found.xy[rows] = coordinates_of(table)[rows]
            continue
        names.add(one if isinstance(one, str) else "")
        xy, distance, outline = _measured(data, table, one, rows)
        found.xy[rows], found.distance[rows] = xy, distance
        found = found._replace(outline=found.outline.joined(outline, code))
    return found._replace(name=names.pop() if len(names) == 1 else "")


def _is_domain(target: Any) -> bool:
    if not isinstance(target, tuple) or len(target) != 2 or not isinstance(target[0], str):
        return False
    return isinstance(target[1], str) or all(isinstance(name, str) for name in np.atleast_1d(target[1]))


def _by_slice(target: Any, slices: list[str]) -> list[Any]:
    """The target of each slice; None where a mapping has none for it."""
    if not isinstance(target, Mapping):
        return [target] * len(slices)
    unknown = [str(name) for name in target if str(name) not in slices]
    if unknown or not target:
        raise MissingKeyError(
            "names slices that are not there" if unknown else "is empty",
            key="target", found=", ".join(unknown) or "{}", available=slices,
            fix="pass library_key=, and a target for each name in that column",
        )  # fmt: skip
    given = {str(name): one for name, one in target.items()}
    return [given.get(name) for name in slices]


def _measured(data: Data, table: AnnData, target: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, Outline]:
    if isinstance(target, str):
        if data is table or not hasattr(data, "shapes"):
            raise DataTypeError(
                "names an element, and an AnnData has none", key="target", found=repr(target),
                available=table.obs.columns, fix=_FIX,
            )  # fmt: skip
        return element_target(data, table, target, rows)
    xy = coordinates_of(table)[rows]
    if hasattr(target, "geometry") or _is_geometry(target):
        return xy, *geometry_target(xy, target)
    try:
        points = np.asarray(target, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
        if np.size(np.asarray(target, dtype=object)):
            raise ParameterError(
                "is no structure that is known", key="target", found=type(target).__name__, fix=_FIX
            ) from None
    points = points[None] if points.shape == (2,) else points
    if points.size == 0:
        raise InputError("is empty", key="target", found="0 points", fix=_FIX)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ParameterError("is not an (m, 2) array of x and y", key="target", found=f"shape {points.shape}", fix=_FIX)
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise CoordinatesError(
            "has points without finite coordinates", key="target",
            found=f"{bad.sum()} of {len(points)}, first number {int(bad.argmax())}", fix="drop these points",
        )  # fmt: skip
    return xy, measure.to_points(xy, points), outline_of_points(points)


def _is_geometry(target: Any) -> bool:
    from shapely.geometry.base import BaseGeometry

    if isinstance(target, BaseGeometry):
        return True
    several = isinstance(target, (list, tuple)) or (isinstance(target, np.ndarray) and target.dtype == object)
    return several and len(target) > 0 and all(isinstance(one, BaseGeometry) for one in target)


def _domain(table: AnnData, target: tuple[str, Any], codes: np.ndarray) -> Target:
    key, wanted = target[0], [str(name) for name in np.atleast_1d(target[1])]
    labels = categories_of(table, key, fix="pass target=(column of adata.obs, category)")
    xy = coordinates_of(table)
    present = set(labels.remove_unused_categories().categories)
    unknown = [name for name in wanted if name not in present]
    if unknown or not wanted:
        raise MissingKeyError(
            "names no spot", key="target", found=f"{', '.join(unknown) or 'nothing'} of obs[{key!r}]",
            available=sorted(present), fix=f"pass target=({key!r}, {sorted(present)[0]!r})",
        )  # fmt: skip
    members = np.asarray(labels.isin(wanted))
    if members.all():
        raise InputError(
            "covers all spots", key="target", found=f"{members.size} spots", fix="pass a category that leaves others"
        )
    distance = np.full(table.n_obs, np.nan)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        if members[rows].any():
            distance[rows] = measure.to_members(xy[rows], members[rows])
    if np.isnan(distance).any():
        note("%d spots are in slices without the target, and have no distance", np.isnan(distance).sum())
    return Target("_".join(wanted), distance, xy, Outline.empty())
