"""Write results beside the input: a finished, verified store appears under its name, or nothing changes."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3rl._slots.read import damaged, read_input
from s3rl._slots.verify import check_spatialdata, check_table, read_all
from s3rl.errors import DataTypeError, S3RLError, StoreError
from s3rl.fit.atomic import recover_folder, replace_folder, staged, write_file_atomically

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

    from s3rl._typing import Data

# What anndata and ome-zarr say about the format of their next version, once for each array.
_ABOUT_FORMATS = (
    "zarr v3 autosharding",
    "Writing zarr v2 data",
    r"(?s).*\bScaler\b.*deprecated",
    "Consolidated metadata",
)

_ROOT_FILES = ("zarr.json", ".zgroup")

__all__ = ["verify_store", "write_results"]


def write_results(data: Data, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write the whole object, read it back, and only then give it its name.

    The object in memory is not changed: neither ``sdata.path`` nor the types of its columns.

    Parameters
    ----------
    data
        AnnData or SpatialData. Images that a SpatialData reads lazily from its own store are copied.
    path
        ``.h5ad`` (AnnData) or ``.zarr`` (both), in a folder that is there.
    overwrite
        Replace what an earlier call wrote; until the new store is whole, the old one stays readable.

    Raises
    ------
    DataTypeError
        If ``data`` is neither, or is a SpatialData and ``path`` an ``.h5ad``.
    StoreError
        If ``path`` is, holds or lies in the store that ``data`` is read from; if it is there and ``overwrite`` is
        False; if it is no store of its suffix; if a value cannot be stored; if the disk is full or read-only; if what
        was written does not read back equal. What was there is then as it was.

    Examples
    --------
    >>> import tempfile, numpy as np, anndata
    >>> from s3rl._slots.read import read_input
    >>> from s3rl._slots.store import write_results
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_results(anndata.AnnData(np.eye(3)), f"{folder}/results.h5ad")
    ...     read_input(f"{folder}/results.h5ad").shape
    (3, 3)
    """
    target = Path(os.path.realpath(path))
    _check_kind(data, target)
    _check_not_the_input(data, target)
    recover_folder(target)
    _check_replaceable(target, overwrite)
    if target.suffix == ".h5ad":
        write_file_atomically(target, lambda partial: _write_and_check(data, partial, target))
        return
    with staged(target) as partial:
        _write_and_check(data, partial, target)
        replace_folder(partial, target)


def verify_store(path: str | os.PathLike[str]) -> None:
    """Read everything in a store, images included, and raise a ``StoreError`` if something cannot be read."""
    data = read_input(path)
    try:
        read_all(data)
    except (MemoryError, S3RLError):
        raise
    except Exception as error:
        raise damaged(Path(path), error) from error


def _check_kind(data: Data, target: Path) -> None:
    from anndata import AnnData

    table = isinstance(data, AnnData)
    if not table and not (hasattr(data, "tables") and hasattr(data, "images")):
        raise DataTypeError(
            "is neither an AnnData nor a SpatialData", key="data", found=type(data).__name__, fix="pass one of them"
        )
    if target.suffix not in {".h5ad", ".zarr"}:
        raise StoreError(
            "has a suffix that no results have",
            key=str(target),
            found=target.suffix or "no suffix",
            fix=f"pass {str(target.with_suffix('.h5ad' if table else '.zarr'))!r}",
        )
    if target.suffix == ".h5ad" and not table:
        raise DataTypeError(
            "is a SpatialData, which an .h5ad file cannot hold",
            key="data",
            fix=f"pass {str(target.with_suffix('.zarr'))!r}, or write one of its tables",
        )


def _check_not_the_input(data: Data, target: Path) -> None:
    for source in _sources_of(data):
        same = target.exists() and source.exists() and target.samefile(source)
        if same or target == source or target in source.parents or source in target.parents:
            raise StoreError(
                "is the store that the data is read from, which is never written to",
                key=str(target),
                found=f"data read from {source}",
                fix=f"pass another path, for example {str(source.with_name(f'{source.stem}_s3rl{target.suffix}'))!r}",
            )


def _sources_of(data: Any) -> list[Path]:
    """Stores and files that the object still reads from."""
    import spatialdata

    if not hasattr(data, "tables"):
        return [Path(os.path.realpath(data.filename))] if data.isbacked else []
    named = [] if data.path is None else [data.path]
    return sorted({_root_of(Path(os.path.realpath(p))) for p in [*named, *spatialdata.get_dask_backing_files(data)]})


def _root_of(place: Path) -> Path:
    """The whole store of which ``place`` may be one array."""
    while any((place.parent / name).is_file() for name in _ROOT_FILES):
        place = place.parent
    return place


def _check_replaceable(target: Path, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise StoreError("is already there", key=str(target), fix="pass overwrite=True, or another path")
    folder = target.suffix == ".zarr"
    is_store = target.is_dir() and any((target / name).is_file() for name in _ROOT_FILES)
    if (folder and not is_store) or (not folder and not target.is_file()):
        raise StoreError(
            f"is no {target.suffix} store, so it is not overwritten",
            key=str(target),
            found="a folder" if target.is_dir() else "a file",
            fix="pass another path, or remove it yourself",
        )


def _write_and_check(data: Any, partial: Path, target: Path) -> None:
    try:
        with warnings.catch_warnings():
            for message in _ABOUT_FORMATS:
                warnings.filterwarnings("ignore", message=message)
            if hasattr(data, "tables"):
                copy = _container_of(data)
                copy.write(partial)
                check_spatialdata(partial, copy, target)
            else:
                table = _table_to_write(data)
                (table.write_h5ad if target.suffix == ".h5ad" else table.write_zarr)(partial)
                check_table(partial, table, target)
    except (MemoryError, OSError):
        raise
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", []))
        raise StoreError(
            "cannot be written, since the object holds a value that cannot be stored; nothing was overwritten",
            key=str(target),
            found=f"{type(error).__name__}: {error} {notes}".strip()[:500],
            fix="remove or convert that value: text keys, and arrays, lists, text and numbers as values",
        ) from error


def _container_of(sdata: SpatialData) -> SpatialData:
    """Another container of the same elements: writing sets its path, and spatialdata writes metadata to that path."""
    import spatialdata

    return spatialdata.SpatialData(
        images=dict(sdata.images),
        labels=dict(sdata.labels),
        points=dict(sdata.points),
        shapes=dict(sdata.shapes),
        tables=dict(sdata.tables),
        attrs=dict(sdata.attrs),
    )


def _table_to_write(table: AnnData) -> AnnData:
    """Another AnnData of the same arrays: anndata turns text columns into categories in the object that it writes."""
    from anndata import AnnData

    if table.isbacked:
        return table.to_memory()
    if table.is_view:
        return table.copy()
    raw = table.raw
    return AnnData(
        X=table.X,
        obs=table.obs.copy(),
        var=table.var.copy(),
        uns=dict(table.uns),
        obsm=dict(table.obsm),
        varm=dict(table.varm),
        obsp=dict(table.obsp),
        varp=dict(table.varp),
        # From anndata 0.13 on, layers lists X under the key None.
        layers={key: value for key, value in table.layers.items() if key is not None},
        raw=None if raw is None else {"X": raw.X, "var": raw.var.copy(), "varm": dict(raw.varm)},
    )
