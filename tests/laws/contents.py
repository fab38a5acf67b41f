"""What is in a table, as plain values that can be compared bit by bit."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

MAPPINGS = ("layers", "obsm", "varm", "obsp", "varp", "uns")


def plain(value: Any) -> Any:
    """Reduce a value to nested tuples, so that it equals itself after a round trip through a file."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if sp.issparse(value):
        value = value.tocsr()
        return tuple(
            plain(part) for part in (value.indptr.astype(np.int64), value.indices.astype(np.int64), value.data)
        )
    if isinstance(value, pd.DataFrame):
        return {"index": plain(value.index), **{str(name): plain(value[name]) for name in value}}
    if isinstance(value, (pd.Series, pd.Index)) and isinstance(value.dtype, pd.CategoricalDtype):
        codes = value.cat.codes if isinstance(value, pd.Series) else value.codes
        categories = value.cat.categories if isinstance(value, pd.Series) else value.categories
        return plain(np.asarray(codes, np.int64)), plain(categories)
    if value is None or isinstance(value, (str, bytes)):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "OUST":
        return array.shape, tuple(map(str, array.ravel()))
    if array.ndim == 0:
        # what is not a number differs from itself
        return "nan" if pd.isna(array.item()) else array.item()
    return array.dtype.str, array.shape, array.tobytes()


def contents(data: Any) -> dict[str, Any]:
    """Every slot of a table by its name, ``obsm/X_pca``, as plain values; of a SpatialData its shapes too."""
    if not hasattr(data, "shapes"):
        return _of_table(data)
    return _of_table(data.tables["table"]) | {f"shapes/{name}": plain(shapes) for name, shapes in data.shapes.items()}


def _of_table(table: Any) -> dict[str, Any]:
    found = {"X": plain(table.X), "obs_names": plain(table.obs_names), "var_names": plain(table.var_names)}
    for axis in ("obs", "var"):
        frame = getattr(table, axis)
        found |= {f"{axis}/{name}": plain(frame[name]) for name in frame}
    for name in MAPPINGS:
        # anndata 0.13 lists X among the layers, under None
        found |= {f"{name}/{key}": plain(value) for key, value in getattr(table, name).items() if key is not None}
    return found


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Names of the slots that were added, removed or hold something else."""
    return {
        name for name in {*before, *after} if name not in before or name not in after or before[name] != after[name]
    }


def random_states() -> tuple[Any, ...]:
    """The global states of Python, numpy and torch."""
    import torch

    return random.getstate(), plain(np.random.get_state(legacy=False)), plain(torch.get_rng_state().numpy())  # noqa: NPY002
