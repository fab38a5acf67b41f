"""Representations of spots in ``obsm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._slots.table import slot_of
from s3rl.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


def embedding_of(table: AnnData, key: str, *, fix: str) -> np.ndarray:
    """Float64 (n, d) copy of ``obsm[key]``, checked to be finite numbers."""
    found = slot_of(table, "obsm", key, fix=fix)
    found = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
    name = f"obsm[{key!r}]"
    if found.ndim != 2 or found.shape[1] == 0 or found.dtype.kind not in "fiub":
        raise InputError("is not an (n, d) array of numbers", key=name, found=f"{found.dtype} {found.shape}", fix=fix)
    values = found.astype(np.float64)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise InputError(
            "has spots with values that are not finite",
            key=name,
            found=f"{bad.sum()} of {len(values)} spots, first {table.obs_names[bad][0]}",
            fix=fix,
        )
    return values
