"""Slices in memory or on disk, read one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3rl._slots.centroids import centroids_of
from s3rl._slots.read import read_input, read_names
from s3rl._slots.table import coordinates_of, table_of
from s3rl.errors import CountsError, DataTypeError, InputError, ParameterError, S3RLError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import Data

_TABLES_ONLY = ("tables", "shapes", "labels")


@dataclass(frozen=True)
class Source:
    """One slice: its name, and the object or the path that it comes from."""

    name: str
    given: Any
    table_key: str | None = None

    @property
    def path(self) -> Path | None:
        """Where the slice lies on disk; None in memory."""
        return Path(self.given) if isinstance(self.given, (str, os.PathLike)) else None

    def names(self) -> tuple[pd.Index, pd.Index]:
        """Names of spots and genes as text, checked to be unique; of a store, nothing else is read."""
        with naming(self.name):
            if self.path is not None:
                found = read_names(self.path, self.table_key)
            else:
                table = table_of(self.given, self.table_key)
                found = table.obs_names.astype(str), table.var_names.astype(str)
            for axis, names in zip(("obs", "var"), found, strict=True):
                _check_unique(axis, names)
            return found

    def read(self) -> tuple[Data, AnnData]:
        """Object and table; of a SpatialData on disk no image."""
        with naming(self.name):
            data = self.given if self.path is None else read_input(self.path, self.table_key, elements=_TABLES_ONLY)
            return data, table_of(data, self.table_key)


def sources_of(slices: Any, table_key: str | None) -> list[Source]:
    """Slices of a mapping from names, or of a list, in which they are called slice1, slice2 and so on.

    Raises
    ------
    DataTypeError
        If ``slices`` is neither.
    ParameterError
        If there are fewer than two, or names are empty or equal as text.
    """
    listed = isinstance(slices, Sequence) and not isinstance(slices, (str, bytes))
    # a SpatialData is no mapping, but looks like one
    if not listed and (not isinstance(slices, Mapping) or hasattr(slices, "tables")):
        raise DataTypeError(
            "is neither a mapping from names to slices nor a list of slices",
            key="slices",
            found=type(slices).__name__,
            fix="slices={'first': adata, 'second': 'second.h5ad'}",
        )
    named = {f"slice{i + 1}": one for i, one in enumerate(slices)} if listed else dict(slices)
    names = [str(name) for name in named]
    if len(names) < 2:
        raise ParameterError(
            "must be at least two slices",
            key="slices",
            found=f"{len(names)}",
            fix="s3.pp.normalize(adata) needs one slice only",
        )
    if len(set(names)) < len(names) or "" in names:
        raise ParameterError(
            "has names that are empty or equal as text", key="slices", found=", ".join(map(repr, named)),
            fix="give every slice a name of its own",
        )  # fmt: skip
    return [Source(name, one, table_key) for name, one in zip(names, named.values(), strict=True)]


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Say in an error which slice it is about."""
    try:
        yield
    except S3RLError as error:
        key = f"slices[{name!r}] {error.key}"
        raise type(error)(
            error.problem, key=key, fix=error.fix, found=error.found, available=error.available
        ) from error


def slice_coordinates(data: Data, table: AnnData, key: str) -> np.ndarray:
    """Coordinates (n, 2) of ``obsm[key]``, or of the shapes where a SpatialData's table has none."""
    if data is table or key in table.obsm or not hasattr(data, "shapes"):
        return coordinates_of(table, key)
    return centroids_of(data, table)


def counts_table(table: AnnData, counts_layer: str | None) -> AnnData:
    """Only names and raw counts of a slice, the matrix itself and no copy.

    Raises
    ------
    DataTypeError
        If the slice is backed by a file.
    CountsError
        If it is normalised and has no counts.
    """
    import pandas as pd
    from anndata import AnnData

    if table.isbacked:
        raise DataTypeError(
            "is backed by a file", key="data", found="a backed AnnData", fix="pass the path of the file"
        )
    stored = counts_layer is not None and counts_layer in table.layers
    if "log1p" in table.uns and not stored:
        raise CountsError(
            "is normalised already: its logarithm has been taken, and the slice keeps no counts",
            key="X",
            found="uns['log1p']",
            available=[f"layers[{name!r}]" for name in table.layers if name is not None],
            fix="pass the raw counts, or counts_layer= with the layer that holds them",
        )
    return AnnData(
        table.layers[counts_layer] if stored else table.X,
        obs=pd.DataFrame(index=table.obs_names),
        var=pd.DataFrame(index=table.var_names.astype(str)),
    )


def _check_unique(axis: str, names: pd.Index) -> None:
    if not names.is_unique:
        raise InputError(
            "has duplicated names",
            key=f"{axis}_names",
            found=", ".join(map(str, names[names.duplicated()].unique()[:5])),
            fix=f"adata.{axis}_names_make_unique()",
        )
