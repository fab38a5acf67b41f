"""The table of tested interactions, as ``tl.ligrec`` writes it and as the plots and comparisons read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from s3rl._slots.table import slot_of
from s3rl.communication.quadrants import QUADRANTS, quadrant
from s3rl.errors import DataTypeError, InputError, MissingKeyError, ParameterError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

PLACE = ("source", "target", "ligand", "receptor")
"""Columns that name an interaction: two clusters and two molecules."""

PVALUES = ("pvalue", "fdr", "fdr_pair", "fdr_cluster_pair", "pvalue_calibrated", "fdr_calibrated")
"""Columns that say how significant it is."""

_FIX = "s3.tl.ligrec(adata, cluster_key)"


def interactions_of(table: AnnData, key: str) -> pd.DataFrame:
    """The frame of ``uns[key]``, checked.

    Raises
    ------
    MissingKeyError
        If there is no such slot, or columns are missing.
    DataTypeError
        If it holds something else.
    InputError
        If it has no rows.
    """
    return interactions_in(slot_of(table, "uns", key, fix=_FIX), f"uns[{key!r}]")


def interactions_in(found: Any, name: str) -> pd.DataFrame:
    """The frame that ``found`` is, or holds as ``results``, checked; ``name`` is what the user calls it."""
    import pandas as pd

    frame = found.get("results") if isinstance(found, Mapping) else getattr(found, "results", found)
    if not isinstance(frame, pd.DataFrame):
        raise DataTypeError("holds no table of interactions", key=name, found=type(found).__name__, fix=_FIX)
    missing = [column for column in (*PLACE, "pvalue") if column not in frame]
    if missing:
        raise MissingKeyError("lacks columns", key=name, found=", ".join(missing), available=list(frame), fix=_FIX)
    if frame.empty:
        raise InputError("has no rows", key=name, fix="lower the threshold of s3.tl.ligrec, or take another resource")
    if frame.duplicated(list(PLACE)).any():
        raise InputError("names an interaction twice", key=name, fix=_FIX)
    return frame


def clusters_of(table: AnnData, key: str) -> tuple[str | None, list[str]]:
    """Column of ``obs`` that was tested, where it is known, and the names of the clusters in their order."""
    frame = interactions_of(table, key)
    entry = table.uns[key]
    params = entry.get("params", {}) if isinstance(entry, Mapping) else {}
    cluster_key = params.get("cluster_key") if isinstance(params, Mapping) else None
    names: list[str] = []
    for column in ("source", "target"):
        values = frame[column]
        listed = values.cat.categories if hasattr(values, "cat") else values.unique()
        names += [str(value) for value in listed if str(value) not in names]
    return (None if cluster_key is None else str(cluster_key)), names


def column_for(use: Any, frame: pd.DataFrame) -> Any:
    """``use``, or the column without calibration where ``use`` is a calibrated one that the frame lacks."""
    return use if use in frame or use not in PVALUES else str(use).removesuffix("_calibrated")


def checked_use(use: Any, frame: pd.DataFrame, name: str) -> str:
    """Return ``use`` if it is a column of p-values of the frame."""
    if use not in PVALUES:
        raise ParameterError(
            "names no column of p-values", key="use", found=repr(use), available=PVALUES, fix="pass use='fdr'"
        )
    if use not in frame:
        fix = f"{_FIX.removesuffix(')')}, layer='s3rl', calibrate=True)" if use.endswith("calibrated") else _FIX
        raise MissingKeyError("has no such column", key=f"{name}[{use!r}]", available=list(frame), fix=fix)
    return str(use)


def checked_alpha(alpha: Any) -> float:
    """Return ``alpha`` if it is a level of significance."""
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < 1:
        raise ParameterError("must be a number between 0 and 1", key="alpha", found=repr(alpha), fix="pass alpha=0.05")
    return float(alpha)


def compared(raw: pd.DataFrame, denoised: pd.DataFrame, *, alpha: float, use: str) -> pd.DataFrame:
    """A row for each interaction of either table, with both p-values and its quadrant.

    ``use`` may name a calibrated column that one of them lacks; there the column without calibration stands for it.

    Raises
    ------
    ParameterError
        If ``use`` names no column of p-values.
    MissingKeyError
        If a table lacks it.
    """
    import pandas as pd

    chosen = [column_for(use, frame) for frame in (raw, denoised)]
    columns = {
        name: frame.set_index([frame[place].astype(str) for place in PLACE])[checked_use(column, frame, name)]
        for (name, frame), column in zip({"raw": raw, "denoised": denoised}.items(), chosen, strict=True)
    }
    # the order of the first table, then what only the second has
    order = columns["raw"].index.append(columns["denoised"].index.difference(columns["raw"].index, sort=False))
    found = pd.DataFrame({name: column.reindex(order).astype(float) for name, column in columns.items()})
    codes = quadrant(found["raw"].to_numpy(), found["denoised"].to_numpy(), alpha)
    found["quadrant"] = pd.Categorical.from_codes(codes, list(QUADRANTS))
    found = found.reset_index(names=list(PLACE))
    return found.set_index(found.index.astype(str))
