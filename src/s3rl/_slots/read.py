"""Read the user's file or store, and say what is wrong with it where that fails."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3rl._slots.table import table_name, table_of
from s3rl.errors import S3RLError, StoreError
from s3rl.fit.atomic import recover_folder

if TYPE_CHECKING:
    import h5py
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import Data

_ELEMENTS = ("images", "labels", "points", "shapes", "tables")
_COPY_FIX = "copy or download it again, or write it again with s3rl or the program that made it"


def read_input(
    path: str | os.PathLike[str], table_key: str | None = None, *, elements: tuple[str, ...] | None = None
) -> Data:
    """Read an ``.h5ad`` file or a ``.zarr`` store of AnnData or SpatialData.

    Parameters
    ----------
    path
        File or store.
    table_key
        Table of a SpatialData that must be there; None does not look.
    elements
        Kinds of elements of a SpatialData to read, such as ``("tables", "shapes")``; None is all.

    Returns
    -------
    AnnData in memory, or SpatialData whose images stay lazy.

    Raises
    ------
    StoreError
        If it is not there, has another suffix, is damaged or cut short, holds no AnnData or SpatialData, or is an HDF5
        file that refers to other files.
    MissingKeyError
        If there is no table of the name ``table_key``.
    """
    place = Path(path)
    recover_folder(place)
    _check_path(place)
    data = _read_h5ad(place) if place.suffix == ".h5ad" else _read_zarr(place, elements)
    if table_key is not None:
        table_of(data, table_key)
    return data


def read_names(path: str | os.PathLike[str], table_key: str | None = None) -> tuple[pd.Index, pd.Index]:
    """Names of the spots and of the genes of a table on disk, as text, without reading its matrices.

    Raises
    ------
    StoreError
        As ``read_input``.
    MissingKeyError
        As ``table_of``.
    """
    import h5py

    place = Path(path)
    recover_folder(place)
    _check_path(place)
    try:
        if place.suffix == ".h5ad":
            with h5py.File(place, "r") as file:
                _check_h5ad(place, file)
                return _names_in(file)
        return _names_in(_table_group(place, table_key))
    except (MemoryError, S3RLError):
        raise
    except Exception as error:
        raise damaged(place, error) from error


def _names_in(group: Any) -> tuple[pd.Index, pd.Index]:
    from anndata.io import read_elem

    obs, var = (read_elem(group[axis]).index.astype(str) for axis in ("obs", "var"))
    return obs, var


def _table_group(place: Path, table_key: str | None) -> Any:
    group = _open_zarr(place)
    if group.attrs.get("encoding-type") == "anndata":
        return group
    tables = group.get("tables", {})
    return tables[table_name(list(tables), table_key)]


def _check_path(place: Path) -> None:
    if not place.exists():
        beside = place.parent.iterdir() if place.parent.is_dir() else iter(())
        raise StoreError(
            "is not there",
            key=str(place),
            available=sorted(entry.name for entry in beside if entry.suffix in {".h5ad", ".zarr"}),
            fix="pass the path of an .h5ad file or a .zarr store",
        )
    if place.suffix not in {".h5ad", ".zarr"}:
        raise StoreError(
            "is neither an .h5ad file nor a .zarr store",
            key=str(place),
            found=place.suffix or "no suffix",
            fix="read it with scanpy or spatialdata-io, then adata.write_h5ad('in.h5ad') or sdata.write('in.zarr')",
        )
    if place.suffix == ".h5ad" and place.is_dir():
        raise StoreError("is a folder, not an .h5ad file", key=str(place), fix="pass a .zarr store or an .h5ad file")
    if place.suffix == ".zarr" and not place.is_dir():
        raise StoreError("is a file, not a .zarr store", key=str(place), fix="pass the folder of the store, unpacked")


def _read_h5ad(place: Path) -> AnnData:
    import anndata
    import h5py

    try:
        with h5py.File(place, "r") as file:
            _check_h5ad(place, file)
        return anndata.read_h5ad(place)
    except (MemoryError, S3RLError):
        raise
    except Exception as error:
        raise damaged(place, error) from error


def _check_h5ad(place: Path, file: h5py.File) -> None:
    for name, where in links_outside(file):
        raise StoreError(
            "refers to another file, which is not read",
            key=f"{place}: {name}",
            found=where,
            fix="write a file that holds everything itself: anndata.read_h5ad(...).write_h5ad('input.h5ad')",
        )
    missing = {"obs", "var"} - set(file)
    if missing:
        raise StoreError(
            "is an HDF5 file but no AnnData",
            key=str(place),
            available=sorted(file),
            fix="read it with scanpy, for example scanpy.read_10x_h5, then adata.write_h5ad('input.h5ad')",
        )


def links_outside(file: h5py.File) -> Iterator[tuple[str, str]]:
    """Name and target of every link, virtual dataset and raw data file through which HDF5 would read another file."""
    import h5py

    seen: set[int] = set()
    groups: list[h5py.Group] = [file]
    while groups:
        group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            link = group.get(name, getlink=True)
            at = f"{group.name.rstrip('/')}/{name}"
            if isinstance(link, h5py.ExternalLink):
                yield at, f"external link to {link.filename}"
            elif isinstance(link, h5py.HardLink):
                entry = group[name]
                if isinstance(entry, h5py.Group):
                    groups.append(entry)
                elif isinstance(entry, h5py.Dataset) and entry.external:
                    yield at, f"raw data in {entry.external[0][0]}"
                elif isinstance(entry, h5py.Dataset) and entry.is_virtual:
                    yield at, f"virtual dataset of {entry.virtual_sources()[0].file_name}"


def _open_zarr(place: Path) -> Any:
    import zarr

    group = zarr.open_group(place, mode="r")
    known = group.attrs.get("encoding-type") == "anndata" or "spatialdata_attrs" in group.attrs
    if not known and not any(name in group for name in _ELEMENTS):
        raise StoreError(
            "is a Zarr store of neither AnnData nor SpatialData",
            key=str(place),
            available=sorted(group.keys()),
            fix="pass the store that adata.write_zarr or sdata.write made, its top folder",
        )
    return group


def _read_zarr(place: Path, elements: tuple[str, ...] | None) -> Data:
    import anndata
    import spatialdata

    try:
        group = _open_zarr(place)
        if group.attrs.get("encoding-type") == "anndata":
            check_chunks(place, group)
            return anndata.read_zarr(place)
        if "tables" in group:
            check_chunks(place, group["tables"])
        if elements is None:
            return spatialdata.read_zarr(place)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The table is annotating")
            return spatialdata.read_zarr(place, selection=elements)
    except (MemoryError, S3RLError):
        raise
    except Exception as error:
        raise damaged(place, error) from error


def check_chunks(place: Path, group: Any) -> None:
    """Refuse sparse matrices of which chunks are gone: Zarr would read them as zeros without a word.

    A dense array may lack chunks rightly, since Zarr leaves out those of zeros only; the positions and the stored
    values of a sparse matrix are never all zero over a chunk of more than a few entries.
    """
    import zarr

    for name, entry in group.members(max_depth=None):
        parent = name.rpartition("/")[0]
        if not isinstance(entry, zarr.Array) or not parent or name.rpartition("/")[2] not in {"indices", "data"}:
            continue
        kind = str(group[parent].attrs.get("encoding-type", ""))
        if kind not in {"csr_matrix", "csc_matrix"} or entry.nchunks_initialized >= entry.nchunks:
            continue
        if _minor_size(group[parent], kind) > 1:
            raise StoreError(
                "has chunks that are gone",
                key=f"{place}: {entry.path}",
                found=f"{entry.nchunks_initialized} of {entry.nchunks} chunks",
                fix=_COPY_FIX,
            )


def _minor_size(matrix: Any, kind: str) -> int:
    shape = matrix.attrs["shape"]
    return int(shape[1] if kind == "csr_matrix" else shape[0])


def damaged(place: Path, error: Exception) -> StoreError:
    """Error for a store that cannot be read, with what the reader said about it."""
    notes = " ".join(getattr(error, "__notes__", []))
    return StoreError(
        "is damaged, was cut short, or is of a form that cannot be read",
        key=str(place),
        found=f"{type(error).__name__}: {error} {notes}".strip()[:500],
        fix=_COPY_FIX,
    )
