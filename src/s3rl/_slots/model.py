"""What a fitted model writes into a table, the same for training and for transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def domains_of(probabilities: np.ndarray, names: list[str], index: pd.Index) -> pd.Series:
    """Hard domain of each spot as a categorical column of str with all ``names`` as categories."""
    import pandas as pd

    codes = probabilities.argmax(axis=1)
    return pd.Series(pd.Categorical.from_codes(codes, categories=names), index=index)


def result_slots(
    keys: ModelKeys,
    *,
    embedding: np.ndarray,
    probabilities: np.ndarray,
    domain: pd.Series,
    layer: np.ndarray | None,
    record: dict[str, Any],
) -> dict[tuple[str, str], Any]:
    """Name every slot of a result."""
    slots: dict[tuple[str, str], Any] = {
        ("obsm", keys.embedding): embedding,
        ("obsm", keys.probabilities): probabilities,
        ("obs", keys.domain): domain,
        ("uns", keys.colors): domain_colors(len(domain.cat.categories)),
        ("uns", keys.uns): record,
    }
    if layer is not None:
        slots["layers", keys.layer] = layer
    return slots
