"""Find the table in the user's object and read its slots, each with an error that repairs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl.errors import CoordinatesError, CountsError, DataTypeError, InputError, LabelsError, MissingKeyError

if TYPE_CHECKING:
    from anndata import AnnData

    from s3rl._typing import Data

_COORDINATES_FIX = "set adata.obsm['spatial'] to an (n, 2) array of finite x and y"


def table_of(data: Data, table_key: str | None = None) -> AnnData:
    """Return the table that ``data`` is or holds, the object itself and not a copy.

    Parameters
    ----------
    data
        AnnData, or SpatialData with one table or with one named ``table_key``.
    table_key
        Name of the table in ``data.tables``.

    Raises
    ------
    DataTypeError
        If ``data`` is neither, or is a view of an AnnData.
    MissingKeyError
        If the SpatialData has no table of that name, or several and no name was given.
    InputError
        If names are duplicated or an axis is empty.
    """
    from anndata import AnnData

    if isinstance(data, AnnData):
        table = data
    elif hasattr(data, "tables") and hasattr(data, "images"):
        table = _table_in(data, table_key)
    else:
        raise DataTypeError(
            "is neither an AnnData nor a SpatialData",
            key="data",
            found=type(data).__name__,
            fix="pass the object that anndata.read_h5ad or spatialdata.read_zarr returns",
        )
    if table.is_view:
        raise DataTypeError(
            "is a view of another AnnData; writing to it would silently copy it",
            key="data",
            found="a view",
            fix="adata = adata[...].copy()",
        )
    _check_axes(table)
    return table


def _table_in(sdata: Any, table_key: str | None) -> AnnData:
    return sdata.tables[table_name(list(sdata.tables), table_key)]


def table_name(names: list[str], table_key: str | None) -> str:
    """Return the name among ``names`` that ``table_key`` means; None is the only one."""
    if table_key is None and len(names) == 1:
        table_key = names[0]
    if table_key is None or table_key not in names:
        raise MissingKeyError(
            "names no table" if table_key is not None else "must say which table to use",
            key="table_key",
            found=repr(table_key),
            available=names,
            fix=f"pass table_key={names[0]!r}" if names else "add a table with sdata.tables['table'] = adata",
        )
    return table_key


def _check_axes(table: AnnData) -> None:
    for axis, size, names in (("obs", table.n_obs, table.obs_names), ("var", table.n_vars, table.var_names)):
        if size == 0:
            raise InputError(
                "is empty", key=axis, found=f"shape {table.shape}", fix=f"pass an object with at least one {axis} row"
            )
        if not names.is_unique:
            twice = names[names.duplicated()].unique()
            raise InputError(
                "has duplicated names",
                key=f"{axis}_names",
                found=", ".join(map(str, twice[:5])),
                fix=f"adata.{axis}_names_make_unique()",
            )


def slot_of(table: AnnData, attribute: str, key: str, *, fix: str) -> Any:
    """Return ``table.<attribute>[key]`` or say what exists there and ``fix``."""
    mapping = getattr(table, attribute)
    if key not in mapping:
        raise MissingKeyError("is not there", key=f"{attribute}[{key!r}]", available=list(mapping.keys()), fix=fix)
    return mapping[key]


def coordinates_of(table: AnnData, key: str = _keys.SPATIAL) -> np.ndarray:
    """Float64 (n, 2) coordinates of ``obsm[key]``, checked to be finite."""
    found = np.asarray(slot_of(table, "obsm", key, fix=_COORDINATES_FIX))
    name = f"obsm[{key!r}]"
    if found.ndim != 2 or found.shape[1] < 2 or not np.issubdtype(found.dtype, np.number):
        raise CoordinatesError(
            "is not an (n, 2) array of numbers", key=name, found=f"{found.dtype} {found.shape}", fix=_COORDINATES_FIX
        )
    xy = found[:, :2].astype(np.float64)
    bad = ~np.isfinite(xy).all(axis=1)
    if bad.any():
        raise CoordinatesError(
            "has spots without finite coordinates",
            key=name,
            found=f"{bad.sum()} of {len(xy)} spots, first {table.obs_names[bad][0]}",
            fix=f"adata = adata[numpy.isfinite(adata.obsm[{key!r}]).all(axis=1)].copy()",
        )
    return xy


def expression_of(table: AnnData, layer: str | None = None) -> sp.csr_matrix:
    """Float32 CSR (n, g) copy of ``X`` or of a layer, checked to be finite; a dask array is computed."""
    name = "X" if layer is None else f"layers[{layer!r}]"
    if layer is None:
        values = table.X
        if values is None:
            raise MissingKeyError(
                "is not there", key="X", available=list(table.layers), fix="pass layer=, or set adata.X"
            )
    else:
        values = slot_of(table, "layers", layer, fix="pass layer=None to use X, or one of the layers that exist")
    if hasattr(values, "compute"):
        values = values.compute()
    values = sp.csr_matrix(values)
    if values.dtype.kind not in "fiub":
        raise InputError("is not numeric", key=name, found=values.dtype, fix="store numbers, for example float32")
    if not np.isfinite(values.data).all():
        bad = np.unique(values.tocoo().row[~np.isfinite(values.data)])
        raise InputError(
            "has values that are not finite",
            key=name,
            found=f"{bad.size} spots, first {table.obs_names[bad[0]]}",
            fix="remove or repair these spots; if a transformation made them, start again from the counts",
        )
    return values.astype(np.float32)


def normalised_expression_of(table: AnnData, layer: str | None = None) -> sp.csr_matrix:
    """Like ``expression_of``, for functions that need log-normalised values without empty spots."""
    values = expression_of(table, layer)
    name = "X" if layer is None else f"layers[{layer!r}]"
    if values.nnz and (values.data.min() < 0):
        raise CountsError(
            "has negative values",
            key=name,
            found=f"minimum {values.data.min():.3g}",
            fix="s3.pp.normalize(adata) on counts",
        )
    # a logarithm leaves nothing whole but zeros; a matrix of zeros and ones may be a choice
    if values.nnz and values.data.max() > 1 and (values.data.max() > 50 or not np.mod(values.data, 1).any()):
        raise CountsError(
            "looks like raw counts, not like log-normalised expression",
            key=name,
            found=f"maximum {values.data.max():.4g}",
            fix="s3.pp.normalize(adata)",
        )
    empty = np.flatnonzero(np.diff(values.indptr) == 0)
    if empty.size:
        raise CountsError(
            "has spots without any expression",
            key=name,
            found=f"{empty.size} of {table.n_obs} spots, first {table.obs_names[empty[0]]}",
            fix="scanpy.pp.filter_cells(adata, min_counts=1) before s3.pp.normalize",
        )
    return values


def slices_of(table: AnnData, library_key: str | None) -> tuple[np.ndarray, list[str]]:
    """Slice of each spot as codes (n,) with the names of the slices; one slice where ``library_key`` is None."""
    if library_key is None:
        return np.zeros(table.n_obs, dtype=np.int64), ["all"]
    return labels_of(table, library_key, fix="pass the column of adata.obs that names the slice")


def labels_of(table: AnnData, key: str, *, fix: str) -> tuple[np.ndarray, list[str]]:
    """Codes (n,) and category names of a categorical, boolean, integer or text column without missing values."""
    import pandas as pd

    column = slot_of(table, "obs", key, fix=fix)
    name = f"obs[{key!r}]"
    if column.isna().any():
        raise LabelsError("has missing values", key=name, found=f"{column.isna().sum()} of {table.n_obs}", fix=fix)
    if pd.api.types.is_float_dtype(column):
        raise LabelsError("holds floating-point numbers, not names", key=name, found=column.dtype, fix=fix)
    codes = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype(str).astype("category")
    codes = codes.cat.remove_unused_categories()
    if len(codes.cat.categories) > max(50, table.n_obs // 2):
        raise LabelsError(
            "has almost as many names as spots, so it is no grouping",
            key=name,
            found=f"{len(codes.cat.categories)} names for {table.n_obs} spots",
            available=table.obs.columns,
            fix=fix,
        )
    return codes.cat.codes.to_numpy(np.int64), [str(c) for c in codes.cat.categories]
