"""The strongest interactions, pair by pair and cluster by cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._params import whole_number
from s3rl._slots.table import table_of
from s3rl.errors import MissingKeyError
from s3rl.pl import _draw, _interactions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import pandas as pd
    from matplotlib.axes import Axes

    from s3rl._typing import Data

_LARGEST = 90.0
_SMALLEST = 4.0
_COLUMN, _ROW = 0.24, 0.2


def ligrec_dots(
    data: Data,
    key: str = "ligrec",
    *,
    pairs: Sequence[str] | None = None,
    n_pairs: int = 20,
    n_clusters: int = 20,
    use: str = "fdr",
    alpha: float = 0.05,
    cmap: str = "viridis",
    ax: Axes | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw ligand-receptor pairs against pairs of clusters: size is significance, colour expression.

    Rows are the pairs with the smallest p-value anywhere, of equal ones those whose mean stands out most from that
    of the same pair over all clusters; columns are the pairs of clusters in which most of them are significant. Dots
    with a dark edge are significant.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        Name in ``uns`` of the result of :func:`s3rl.tl.ligrec`.
    pairs
        Pairs to draw, ``"<ligand>-<receptor>"``, from above; the strongest by default.
    n_pairs, n_clusters
        At most so many pairs, and pairs of clusters.
    use
        Column of p-values.
    alpha
        Significant is a value of at most this.
    cmap
        Matplotlib colour map.
    ax
        Axes to draw on; new ones by default.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    ax
        Labels of y are pairs from above, labels of x are ``"<source> → <target>"``.

    Raises
    ------
    MissingKeyError
        If the result, the column ``use`` or a pair is not there.
    ParameterError
        If ``n_pairs``, ``n_clusters``, ``use``, ``alpha``, ``cmap`` or ``ax`` is none.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.ligrec(adata, "domain", resource=adata.uns["simulation"]["pairs"], n_perms=100)
    >>> ax = s3.pl.ligrec_dots(adata, pairs=["LIG2-REC2", "LIG1-REC1"], show=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['LIG2-REC2', 'LIG1-REC1']
    """
    table = table_of(data, table_key)
    for name, value in (("n_pairs", n_pairs), ("n_clusters", n_clusters)):
        whole_number(value, name, 1)
    _draw.check_colour_map(cmap)
    found = _interactions.read(table, key, use, alpha)
    rows = _named(found.frame, use, found.significant)
    chosen = _strongest(rows)[:n_pairs] if pairs is None else _checked(pairs, rows)
    rows = rows[rows["pair"].isin(chosen)]
    columns = _between(rows, found.names)[:n_clusters]
    columns = [name for name in _in_order(found.names) if name in set(columns)]
    rows = rows[rows["between"].isin(columns)]
    longest = (max(map(len, chosen)), max(map(len, columns)))
    size = (
        max(_COLUMN * len(columns), 1.2) + 0.085 * longest[0] + 1.9,
        max(_ROW * len(chosen), 1.8) + 0.085 * longest[1] + 0.5,
    )
    ax, new = _draw.axes_or_new(ax, size)
    _draw_dots(ax, rows, chosen, columns, cmap, _interactions.label_of(use))
    _draw.finish(ax.get_figure(root=True), new=new, show=show, save=save)
    return ax


def _named(frame: pd.DataFrame, use: str, significant: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    texts = {name: frame[name].astype(str).to_numpy() for name in ("source", "target", "ligand", "receptor")}
    mean = frame["mean"].to_numpy(dtype=float) if "mean" in frame else np.ones(len(frame))
    rows = pd.DataFrame(
        {
            "pair": texts["ligand"] + np.array("-", dtype=object) + texts["receptor"],
            "between": _interactions.joined(frame["source"], frame["target"]),
            "value": frame[use].to_numpy(dtype=float),
            "mean": mean,
            "significant": significant,
        }
    )
    overall = rows.groupby("pair", sort=False)["mean"].transform("mean")
    return rows.assign(outstanding=rows["mean"] / overall.where(overall > 0, 1.0))


def _strongest(rows: pd.DataFrame) -> list[str]:
    ordered = rows.sort_values(["value", "outstanding"], ascending=[True, False], kind="stable")
    return list(dict.fromkeys(ordered["pair"]))


def _checked(pairs: Any, rows: pd.DataFrame) -> list[str]:
    names = [pairs] if isinstance(pairs, str) else [str(name) for name in pairs]
    known = set(rows["pair"])
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise MissingKeyError(
            "names pairs that were not tested", key="pairs", found=", ".join(unknown) or "no pair",
            available=_strongest(rows), fix="pass pairs=['LIGAND-RECEPTOR'], or leave pairs out",
        )  # fmt: skip
    return list(dict.fromkeys(names))


def _between(rows: pd.DataFrame, names: list[str]) -> list[str]:
    """Pairs of clusters, those with most significant pairs first, of equal ones as the clusters are ordered."""
    sums = rows.groupby("between")["significant"].sum()
    place = {name: number for number, name in enumerate(_in_order(names))}
    return sorted(sums.index, key=lambda name: (-int(sums[name]), place[name]))


def _in_order(names: list[str]) -> list[str]:
    return [f"{source} {_interactions.ARROW} {target}" for source in names for target in names]


def _draw_dots(ax: Axes, rows: pd.DataFrame, chosen: list[str], columns: list[str], cmap: str, label: str) -> None:
    from matplotlib.lines import Line2D

    heights = _interactions.minus_log(rows["value"].to_numpy())
    high = max(float(heights.max(initial=0.0)), 1e-9)
    sizes = _SMALLEST + (_LARGEST - _SMALLEST) * heights / high
    x = rows["between"].map({name: place for place, name in enumerate(columns)})
    y = rows["pair"].map({name: place for place, name in enumerate(chosen)})
    edges = np.where(rows["significant"], "black", "none")
    drawn = ax.scatter(x, y, s=sizes, c=rows["mean"], cmap=cmap, edgecolors=list(edges), linewidths=0.7)
    ax.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8)
    ax.set_yticks(range(len(chosen)), chosen, fontsize=8)
    ax.set_xlim(-0.7, len(columns) - 0.3)
    ax.set_ylim(len(chosen) - 0.3, -0.7)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(color="0.92", linewidth=0.6)
    marks = [
        Line2D([], [], marker="o", linestyle="", color="0.6", label=f"{share * high:.1f}",
               markersize=float(np.sqrt(_SMALLEST + (_LARGEST - _SMALLEST) * share)))
        for share in (0.0, 0.5, 1.0)
    ]  # fmt: skip
    figure = ax.get_figure(root=True)
    if figure is not None:
        bar = figure.colorbar(drawn, cax=ax.inset_axes((1.03, 0.0, 0.03, 0.42)))
        bar.set_label("mean expression", fontsize=8)
        bar.ax.tick_params(labelsize=8)
    ax.legend(
        handles=marks, title=label, frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=8,
        title_fontsize=8, borderaxespad=0.0, alignment="left",
    )  # fmt: skip
