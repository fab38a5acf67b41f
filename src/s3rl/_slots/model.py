"""What a fitted model writes into a table, the same for training and for transfer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from s3rl._keys import ModelKeys
from s3rl._slots.palette import domain_colors

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def modelled_genes(table: AnnData) -> np.ndarray:
    """Positions of the genes that the model reads: ``var["highly_variable"]`` where it marks any, else all."""
    if "highly_variable" in table.var:
        marked = np.flatnonzero(table.var["highly_variable"].to_numpy(dtype=bool))
        if marked.size > 1:
            return marked
    return np.arange(table.n_vars)


def target_sum_of(table: AnnData) -> float | None:
    """Total that ``s3.pp.normalize`` scaled each spot to, None where something else made the expression."""
    known = table.uns.get("log1p")
    total = known.get("target_sum") if isinstance(known, Mapping) else None
    return None if total is None else float(total)


def domains_of(probabilities: np.ndarray, names: list[str], index: pd.Index) -> pd.Series:
    """Hard domain of each spot as a categorical column of str with all ``names`` as categories."""
    import pandas as pd

    codes = probabilities.argmax(axis=1)
    return pd.Series(pd.Categorical.from_codes(codes, categories=names), index=index)


class ModelResult(Protocol):
    """What training and transfer have in common."""

    @property
    def embedding(self) -> np.ndarray:
        """float32 (n, d)."""

    @property
    def probabilities(self) -> np.ndarray:
        """float32 (n, c)."""

    @property
    def domain(self) -> pd.Series:
        """Categorical (n,)."""

    @property
    def margin(self) -> np.ndarray:
        """float32 (n,)."""

    @property
    def agreement(self) -> np.ndarray | None:
        """float32 (n,), or None."""

    @property
    def uncertainty(self) -> np.ndarray:
        """float32 (n,)."""

    @property
    def denoised(self) -> np.ndarray | None:
        """float32 (n, n_vars), or None."""

    @property
    def record(self) -> dict[str, Any]:
        """Parameters, inputs and prototypes."""


def result_slots(result: ModelResult, key_added: str) -> dict[tuple[str, str], Any]:
    """Name the slot of every part of a result."""
    keys = ModelKeys(key_added)
    slots: dict[tuple[str, str], Any] = {
        ("obsm", keys.embedding): result.embedding,
        ("obsm", keys.probabilities): result.probabilities,
        ("obs", keys.domain): result.domain,
        ("obs", keys.margin): result.margin,
        ("obs", keys.uncertainty): result.uncertainty,
        ("uns", keys.colors): domain_colors(len(result.domain.cat.categories)),
        ("uns", keys.uns): result.record,
    }
    if result.agreement is not None:
        slots["obs", keys.agreement] = result.agreement
    if result.denoised is not None:
        slots["layers", keys.layer] = result.denoised
    return slots


def stale_slots(key_added: str) -> set[tuple[str, str]]:
    """Slots of a result that the one in its place may lack."""
    keys = ModelKeys(key_added)
    return {("obs", name) for name in (keys.margin, keys.agreement, keys.uncertainty)}
