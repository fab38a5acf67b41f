"""Regulators, their targets and their families, from frames, dictionaries and text files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._log import note
from s3rl.errors import InputError, ParameterError, StoreError

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

_FIX = "pass a frame, or a .csv or .tsv file, with the columns source and target, and weight where there is one"
_FAMILIES_FIX = "pass families={'regulator': 'family'}, or a frame with these two columns"


def network_of(network: pd.DataFrame | str | PathLike[str]) -> pd.DataFrame:
    """Frame of ``source``, ``target`` (str) and, where given, ``weight`` (float64), each pair once.

    Raises
    ------
    StoreError
        If a file cannot be read.
    InputError
        If columns or values are missing.
    ParameterError
        If it is neither a frame nor a path.
    """
    frame = _frame(network, "network", _FIX)
    if not {"source", "target"} <= set(frame.columns):
        raise InputError(
            "has no columns source and target", key="network", found=", ".join(map(str, frame.columns)), fix=_FIX
        )
    columns = [name for name in ("source", "target", "weight") if name in frame.columns]
    frame = frame[columns].reset_index(drop=True)
    if frame.empty or frame.isna().any(axis=None):
        raise InputError(
            "has no row" if frame.empty else "has rows with missing values",
            key="network",
            found=f"{frame.isna().any(axis=1).sum()} of {len(frame)} rows",
            fix="network.dropna()",
        )
    frame = frame.astype({"source": str, "target": str})
    if "weight" in columns:
        frame["weight"] = _numbers(frame["weight"])
    once = frame.drop_duplicates(["source", "target"], ignore_index=True)
    if len(once) < len(frame):
        note("network: %d pairs come more than once; the first of each is used", len(frame) - len(once))
    return once


def _numbers(weights: pd.Series) -> np.ndarray:
    import pandas as pd

    numbers = pd.to_numeric(weights, errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all():
        first = weights[~np.isfinite(numbers)].iloc[0]
        raise InputError("is no finite number", key="network['weight']", found=repr(first), fix=_FIX)
    return numbers


def families_of(families: Any) -> dict[str, str]:
    """Family of each regulator.

    Raises
    ------
    InputError
        If a frame has not two columns, or a regulator has two families.
    StoreError
        If a file cannot be read.
    ParameterError
        If it is none of these, or empty.
    """
    if isinstance(families, Mapping):
        pairs = [(str(name), str(family)) for name, family in families.items()]
    else:
        frame = _frame(families, "families", _FAMILIES_FIX)
        if frame.shape[1] != 2:
            raise InputError(
                "has not two columns", key="families", found=", ".join(map(str, frame.columns)), fix=_FAMILIES_FIX
            )
        pairs = [(str(name), str(family)) for name, family in frame.dropna().itertuples(index=False)]
    named: dict[str, str] = {}
    for name, family in pairs:
        if named.setdefault(name, family) != family:
            raise InputError(
                "has two families", key=f"families[{name!r}]", found=f"{named[name]}, {family}", fix=_FAMILIES_FIX
            )
    if not named:
        raise ParameterError("is empty", key="families", found="no regulator", fix=_FAMILIES_FIX)
    return named


def _frame(given: Any, key: str, fix: str) -> pd.DataFrame:
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        return given
    if not isinstance(given, (str, Path)) or not str(given):
        raise ParameterError("is neither a frame nor a file", key=key, found=type(given).__name__, fix=fix)
    try:
        return pd.read_csv(given, sep="," if Path(given).suffix.lower() == ".csv" else "\t")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise StoreError(f"cannot be read: {error}", key=key, found=repr(str(given)), fix=fix) from error
