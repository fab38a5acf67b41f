"""Read proportions of cell types from a table: ours, or a data frame that another method left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s3rl._slots.palette import domain_colors
from s3rl._slots.table import slot_of
from s3rl.errors import InputError, MissingKeyError

if TYPE_CHECKING:
    from anndata import AnnData

_FIX = "s3.tl.deconvolve(adata, reference, cell_type_key='...')"


class Proportions(NamedTuple):
    """Proportions (n, k) with the names of the types (k,) and a colour for each."""

    values: np.ndarray
    names: list[str]
    colors: dict[str, str]


def proportions_of(table: AnnData, key: str) -> Proportions:
    """Return ``obsm[key]``, a data frame or an array whose columns ``uns[key]["names"]`` names.

    Raises
    ------
    MissingKeyError
        If the proportions or their names are not there.
    InputError
        If they are not numbers, not finite or negative, or there are more or fewer names.
    """
    found = slot_of(table, "obsm", key, fix=_FIX)
    record = table.uns.get(key)
    record = record if isinstance(record, Mapping) else {}
    if hasattr(found, "columns"):
        names = [str(name) for name in found.columns]
    elif "names" in record:
        names = [str(name) for name in record["names"]]
    else:
        raise MissingKeyError(
            "does not say which types the columns are",
            key=f"uns[{key!r}]['names']",
            available=list(record),
            fix=f"{_FIX}, or make obsm[{key!r}] a pandas DataFrame with a column for each type",
        )
    try:
        values = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("is no matrix of numbers", key=f"obsm[{key!r}]", fix=_FIX) from error
    if values.ndim != 2 or values.shape[1] != len(names):
        raise InputError(
            "has not one column for each type",
            key=f"obsm[{key!r}]",
            found=f"shape {values.shape} for {len(names)} names",
            fix=_FIX,
        )
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError(
            "has values that are negative or not finite",
            key=f"obsm[{key!r}]",
            found=f"{(~np.isfinite(values) | (values < 0)).sum()} values",
            fix=_FIX,
        )
    stored = record.get("colors", ())
    colors = [str(color) for color in stored] if len(stored) == len(names) else domain_colors(len(names))
    return Proportions(values, names, dict(zip(names, colors, strict=True)))
