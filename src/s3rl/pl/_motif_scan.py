"""Motifs as letters, beside how often a list of genes has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.table import table_of
from s3rl.pl import _draw
from s3rl.pl._enrich_dots import checked, pick
from s3rl.pl._results import stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_FIX = "s3.tl.motif_scan(adata, motifs, sequences=...)"
# what readers of logos expect
_COLORS = {"A": "#109648", "C": "#255C99", "G": "#F7B32B", "T": "#D62839"}


def motif_scan(
    data: Data,
    *,
    key: str = "motif_scan",
    motifs: str | Sequence[str] | None = None,
    groups: str | None = None,
    n_top: int = 8,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw motifs as letters as high as their information, beside their enrichment in a list of genes.

    Without a list the bars are the genes that have the motif.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        Name of the result of :func:`s3rl.tl.motif_scan`.
    motifs
        Motifs to draw, from above; None takes the most significant, or those of most genes.
    groups
        Which list of genes, where there are several; None is the first.
    n_top
        How many where ``motifs`` is None.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        A row for each motif: its letters at the left (bits), its bar at the right.

    Raises
    ------
    MissingKeyError
        If the result, a motif or the list is not there.
    InputError
        If the slot holds something else.
    ParameterError
        If ``n_top`` is no whole number.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import numpy as np
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3).tables["table"]
    >>> sequences = dict.fromkeys(adata.var_names, "ACGTTGACTCATGG")
    >>> s3.tl.motif_scan(adata, {"AP1": np.eye(4)[[3, 2, 0, 1, 3, 1, 0, 3]]}, sequences=sequences, max_pvalue=1e-3)
    >>> figure = s3.pl.motif_scan(adata, show=False)
    >>> figure.axes[1].get_title()
    'genes with the motif'
    """
    table = table_of(data, table_key)
    found = stored(table, key, ("results", "motifs"), fix=_FIX)
    checked(n_top=n_top)
    rows, label = _rows(found, motifs, groups, n_top)
    figure = _draw_rows(found, rows, label)
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _rows(found: Any, motifs: Any, groups: Any, n_top: int) -> tuple[pd.DataFrame, str]:
    """Index of motifs with ``bar`` and ``text``, from above."""
    import pandas as pd

    ids = [str(name) for name in found["motifs"]["ids"]]
    if "enrichment" in found:
        tested = found["enrichment"]
        group = pick(tested["group"], groups, "groups")[0]
        own = tested[(tested["group"].astype(str) == group).to_numpy()].set_index("motif")
        own = own.assign(text=[f"{rate:.1g}" for rate in own["fdr"]], bar=own["fold"].fillna(0.0))
        own = own.sort_values(["pvalue", "bar"], ascending=[True, False], kind="stable")
        label = "fold enrichment (FDR)" if group == "genes" else f"fold enrichment in {group} (FDR)"
    else:
        counts = found["results"].groupby("motif")["gene"].nunique().reindex(ids).fillna(0).astype(int)
        own = pd.DataFrame({"bar": counts, "text": counts.astype(str)}).sort_values(
            "bar", ascending=False, kind="stable"
        )
        label = "genes with the motif"
    shown = pick(ids, motifs, "motifs") if motifs is not None else own.index[:n_top].tolist()
    return own.loc[shown, ["bar", "text"]], label


def _draw_rows(found: Any, rows: pd.DataFrame, label: str) -> Figure:
    import matplotlib.pyplot as plt

    described = found["motifs"]
    widths = np.asarray(described["widths"])
    ends = np.cumsum(widths)
    ids = [str(name) for name in described["ids"]]
    names = [str(name) for name in described["names"]]
    widest = max(int(widths[ids.index(motif)]) for motif in rows.index)
    figure, grid = plt.subplots(
        len(rows), 2, figsize=(2.4 + 0.24 * widest + 2.6, 0.75 * len(rows) + 0.5), squeeze=False, layout="constrained",
        width_ratios=[max(0.24 * widest, 1.5), 2.4],
    )  # fmt: skip
    for (motif, row), (left, right) in zip(rows.iterrows(), grid, strict=True):
        place = ids.index(str(motif))
        shares = np.asarray(described["frequencies"])[ends[place] - widths[place] : ends[place]]
        _letters(left, shares, widest)
        second = names[place]
        left.set_ylabel(
            str(motif) if not second else f"{motif}\n{second}", rotation=0, ha="right", va="center", fontsize=8
        )
        right.barh([0], [row["bar"]], color="0.6", height=0.6)
        right.text(row["bar"], 0, f" {row['text']}", va="center", fontsize=8)
        right.set(xlim=(0, 1.25 * max(float(rows["bar"].max()), 1e-9)), ylim=(-0.6, 0.6), yticks=[])
        right.spines[["top", "right"]].set_visible(False)
        right.tick_params(labelsize=7, labelbottom=right is grid[-1, 1])
    grid[0, 0].set_title("bits", fontsize=8, loc="left")
    grid[0, 1].set_title(label, fontsize=9)
    return figure


def _letters(ax: Axes, shares: np.ndarray, widest: int) -> None:
    """Letters of a motif (w, 4), the most frequent above, at the height of their share of the information."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    font = FontProperties(family="DejaVu Sans", weight="bold")
    with np.errstate(divide="ignore", invalid="ignore"):
        information = 2.0 + np.nansum(np.where(shares > 0, shares * np.log2(shares), 0.0), axis=1)
    for column, (row, bits) in enumerate(zip(shares, information, strict=True)):
        floor = 0.0
        for base in np.argsort(row, kind="stable"):
            height = float(row[base] * bits)
            if height > 0.01:
                letter = "ACGT"[base]
                path = TextPath((0, 0), letter, size=1, prop=font)
                box = path.get_extents()
                stretch = Affine2D().translate(-box.x0, -box.y0).scale(0.92 / box.width, height / box.height)
                moved = stretch.translate(column + 0.04, floor).transform_path(path)
                ax.add_patch(PathPatch(moved, facecolor=_COLORS[letter], linewidth=0))
                floor += height
    ax.set(xlim=(0, widest), ylim=(0, 2.05), xticks=[], yticks=[0, 2])
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)
