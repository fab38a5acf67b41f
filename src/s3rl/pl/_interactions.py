"""What the plots of interactions share: counts between clusters, colours and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s3rl._slots.interactions import checked_alpha, checked_use, clusters_of, column_for, interactions_of
from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.palette import domain_colors

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

ARROW = "→"


class Interactions(NamedTuple):
    """One table of interactions, ready to be drawn.

    Attributes
    ----------
    frame
        A row for each test.
    names
        Clusters in their order.
    colors
        Colour of each cluster.
    significant
        Bool (rows,).
    """

    frame: pd.DataFrame
    names: list[str]
    colors: dict[str, str]
    significant: np.ndarray


def read(table: AnnData, key: str, use: str, alpha: float, *, stand_in: bool = False) -> Interactions:
    """The interactions of ``uns[key]``, clusters in the colours of their column of ``obs``.

    With ``stand_in`` a column without calibration stands for a calibrated one that is not there.
    """
    frame = interactions_of(table, key)
    use = column_for(use, frame) if stand_in else use
    checked_use(use, frame, f"uns[{key!r}]")
    cluster_key, names = clusters_of(table, key)
    return Interactions(
        frame, names, _colors(table, cluster_key, names), (frame[use] <= checked_alpha(alpha)).to_numpy()
    )


def _colors(table: AnnData, cluster_key: str | None, names: list[str]) -> dict[str, str]:
    if cluster_key is not None and cluster_key in table.obs:
        labels = categories_of(table, cluster_key, fix="s3.tl.ligrec(adata, cluster_key)")
        found = colors_of(table, cluster_key, list(labels.categories))
        if set(names) <= set(found):
            return {name: found[name] for name in names}
    return dict(zip(names, domain_colors(len(names)), strict=True))


def counts(found: Interactions) -> np.ndarray:
    """Int64 (c, c): significant interactions from each source, in rows, to each target."""
    number = {name: place for place, name in enumerate(found.names)}
    rows = found.frame[found.significant]
    between = np.zeros((len(number), len(number)), dtype=np.int64)
    np.add.at(
        between,
        (
            np.array([number[str(name)] for name in rows["source"]], dtype=np.int64),
            np.array([number[str(name)] for name in rows["target"]], dtype=np.int64),
        ),
        1,
    )
    return between


def minus_log(values: np.ndarray) -> np.ndarray:
    """``-log10``; what was not tested (nan) is 0."""
    filled = np.where(np.isnan(values), 1.0, values)
    return -np.log10(np.clip(filled, 1e-300, 1.0))


def name_of(use: str) -> str:
    """How a column of p-values is called."""
    return {
        "pvalue": "p",
        "fdr": "FDR",
        "fdr_pair": "FDR per pair",
        "fdr_cluster_pair": "FDR per cluster pair",
        "pvalue_calibrated": "calibrated p",
        "fdr_calibrated": "calibrated FDR",
    }[use]


def label_of(use: str) -> str:
    """How it is called on an axis."""
    return rf"$-\log_{{10}}$ {name_of(use)}"


def joined(first: pd.Series, second: pd.Series) -> list[str]:
    """``first → second`` of each row."""
    return [f"{a} {ARROW} {b}" for a, b in zip(first, second, strict=True)]
