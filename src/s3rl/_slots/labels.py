"""Columns of names: read them with what is missing, and find their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3rl._slots.palette import domain_colors
from s3rl._slots.table import slot_of
from s3rl.errors import LabelsError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def colors_key(key: str) -> str:
    """Name in ``uns`` of the colours of ``obs[key]``, as scanpy and squidpy have it."""
    return f"{key}_colors"


def categories_of(table: AnnData, key: str, *, fix: str) -> pd.Categorical:
    """Categorical (n,) of str from ``obs[key]``; spots without a name stay missing, unused names are kept.

    Raises
    ------
    MissingKeyError
        If there is no such column.
    LabelsError
        If the column holds floating-point numbers, nothing at all, or almost as many names as spots.
    """
    import pandas as pd

    column = slot_of(table, "obs", key, fix=fix)
    name = f"obs[{key!r}]"
    if pd.api.types.is_float_dtype(column.dtype) and not column.isna().all():
        raise LabelsError("holds floating-point numbers, not names", key=name, found=column.dtype, fix=fix)
    if column.isna().all():
        raise LabelsError("names no spot at all", key=name, found=f"{table.n_obs} missing values", fix=fix)
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.map(str, na_action="ignore").astype("category")
    names = [str(category) for category in column.cat.categories]
    used = column.nunique()
    if used > max(50, table.n_obs // 2):
        raise LabelsError(
            "has almost as many names as spots, so it is no grouping",
            key=name,
            found=f"{used} names for {table.n_obs} spots",
            available=table.obs.columns,
            fix=fix,
        )
    if len(set(names)) < len(names):
        raise LabelsError("has names that are equal as text", key=name, found=", ".join(names[:12]), fix=fix)
    return pd.Categorical.from_codes(column.cat.codes, names)


def colors_of(table: AnnData, key: str, names: list[str]) -> dict[str, str]:
    """Colour of each name: those of ``uns["<key>_colors"]`` where there is one for each, else the default ones."""
    stored = table.uns.get(colors_key(key))
    if stored is not None and not isinstance(stored, (str, dict)) and len(stored) >= len(names):
        return dict(zip(names, map(str, stored), strict=False))
    return dict(zip(names, domain_colors(len(names)), strict=True))
