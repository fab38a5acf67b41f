"""Compare a store on disk with the object that it was written from, without loading it a second time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from s3rl.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anndata import AnnData
    from spatialdata import SpatialData

__all__ = ["check_spatialdata", "check_table", "read_all"]

_ROWS = 2048
_ALIGNED = ("obsm", "varm", "obsp", "varp", "layers")


def check_table(partial: Path, table: AnnData, place: Path) -> None:
    """Compare names, shapes and samples of every array of an AnnData file or store with ``table``.

    Parameters
    ----------
    partial
        File or folder that was written.
    table
        The object that was written.
    place
        Name that it will have, for the error.
    """
    import h5py
    import zarr

    if partial.is_dir():
        _check_group(zarr.open_group(partial, mode="r"), table, place)
        return
    with h5py.File(partial, "r") as file:
        _check_group(file, table, place)


def check_spatialdata(partial: Path, sdata: SpatialData, place: Path) -> None:
    """Compare every element of a SpatialData store with ``sdata``; images by a sample of their pixels.

    Parameters
    ----------
    partial, sdata, place
        As in ``check_table``.
    """
    import spatialdata
    import zarr

    group: Any = zarr.open_group(partial, mode="r")
    _same_keys(place, "tables", group["tables"].keys() if "tables" in group else (), sdata.tables)
    for name, table in sdata.tables.items():
        _check_group(group[f"tables/{name}"], table, place)
    written = spatialdata.read_zarr(partial, selection=("images", "labels", "shapes", "points"))
    for kind in ("images", "labels", "shapes", "points"):
        stored, given = getattr(written, kind), getattr(sdata, kind)
        _same_keys(place, kind, stored, given)
        for name, element in given.items():
            _check_element(place, f"{kind}[{name!r}]", stored[name], element)


def read_all(data: Any) -> None:
    """Read every array and every table of an object that is lazy in places."""
    if not hasattr(data, "tables"):
        return
    for element in (*data.images.values(), *data.labels.values()):
        for array in _levels(element):
            array.max().compute()
    for points in data.points.values():
        len(points.compute())


def _check_group(group: Any, table: AnnData, place: Path) -> None:
    from anndata.io import read_elem

    for axis in ("obs", "var"):
        stored, given = read_elem(group[axis]), getattr(table, axis)
        _expect(place, f"{axis}_names", list(stored.index) == [str(name) for name in given.index])
        _same_keys(place, axis, stored.columns, given.columns)
    _same_keys(place, "uns", group["uns"], {str(key).partition("/")[0] for key in table.uns})
    _check_array(place, "X", group.get("X"), table.X)
    for attribute in _ALIGNED:
        # From anndata 0.13 on, layers lists X under the key None.
        given = {key: value for key, value in getattr(table, attribute).items() if key is not None}
        stored = group[attribute]
        _same_keys(place, attribute, stored, given)
        for key, value in given.items():
            _check_array(place, f"{attribute}[{key!r}]", stored[key], value)


def _check_array(place: Path, name: str, stored: Any, given: Any) -> None:
    if given is None:
        return
    if sp.issparse(given):
        _expect(place, name, tuple(stored.attrs["shape"]) == given.shape)
        for part in ("data", "indices", "indptr"):
            _same_samples(place, f"{name}.{part}", stored[part], getattr(given, part))
    elif isinstance(given, np.ndarray):
        _expect(place, name, tuple(stored.shape) == given.shape)
        if given.dtype.kind in "biufc":
            _same_samples(place, name, stored, given)


def _same_samples(place: Path, name: str, stored: Any, given: np.ndarray) -> None:
    """Compare the first, the middle and the last rows."""
    _expect(place, name, tuple(stored.shape) == given.shape)
    for rows in _samples(given.shape[0] if given.ndim else 0):
        one, other = np.asarray(stored[rows]), np.asarray(given[rows])
        _expect(place, name, np.array_equal(one, other, equal_nan=other.dtype.kind in "fc"))


def _samples(n: int) -> Iterator[slice]:
    for start in sorted({0, max(0, n // 2 - _ROWS // 2), max(0, n - _ROWS)}):
        yield slice(start, min(start + _ROWS, n))


def _check_element(place: Path, name: str, stored: Any, given: Any) -> None:
    from spatialdata.transformations import get_transformation

    frames = [set(get_transformation(element, get_all=True)) for element in (stored, given)]
    _expect(place, f"{name} coordinate systems", frames[0] == frames[1])
    if hasattr(given, "geometry"):
        _expect(place, name, list(stored.index.astype(str)) == list(given.index.astype(str)))
        _expect(place, name, bool(np.array_equal(stored.total_bounds, given.total_bounds, equal_nan=True)))
    elif hasattr(given, "npartitions"):
        _same_keys(place, name, stored.columns, given.columns)
        _expect(place, name, len(stored) == len(given))
    else:
        for one, other in zip(_levels(stored), _levels(given), strict=True):
            _expect(place, name, one.shape == other.shape and one.dtype == other.dtype)
            _same_corners(place, name, one, other)


def _same_corners(place: Path, name: str, one: Any, other: Any) -> None:
    """Compare a window at the start, in the middle and at the end of a lazy image."""
    height, width = other.shape[-2:]
    for rows, columns in zip(_windows(height), _windows(width), strict=True):
        equal = np.array_equal(np.asarray(one[..., rows, columns]), np.asarray(other[..., rows, columns]))
        _expect(place, name, equal)


def _windows(n: int) -> list[slice]:
    size = min(n, 256)
    return [slice(start, start + size) for start in (0, (n - size) // 2, n - size)]


def _levels(element: Any) -> list[Any]:
    """Arrays of an image or of labels, one for each scale."""
    if hasattr(element, "data") and hasattr(element, "dims") and not hasattr(element, "children"):
        return [element.data]
    return [next(iter(scale.ds.values())).data for scale in element.children.values()]


def _same_keys(place: Path, name: str, stored: Iterable[Any], given: Iterable[Any]) -> None:
    _expect(place, name, {str(key) for key in stored} == {str(key) for key in given})


def _expect(place: Path, name: str, holds: bool) -> None:
    if not holds:
        raise StoreError(
            "did not read back as it was written, so it was not put in place; nothing was overwritten",
            key=f"{place}: {name}",
            fix="write it again; if it happens twice, check the disk or pass a path on another one",
        )
