"""How many interactions there are between clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.table import table_of
from s3rl.pl import _draw, _interactions

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes

    from s3rl._typing import Data


_STRIP = 6.0


def ligrec_heatmap(
    data: Data,
    key: str = "ligrec",
    *,
    use: str = "fdr",
    alpha: float = 0.05,
    cmap: str = "viridis",
    ax: Axes | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw the number of significant interactions from each cluster, in rows, to each other.

    Clusters that were not tested together, with ``adjacent=True``, are blank.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        Name in ``uns`` of the result of :func:`s3rl.tl.ligrec`.
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
        Sources are rows from above, targets columns.

    Raises
    ------
    MissingKeyError
        If the result, or the column ``use``, is not there.
    ParameterError
        If ``use``, ``alpha``, ``cmap`` or ``ax`` is none.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.ligrec(adata, "domain", resource=adata.uns["simulation"]["pairs"], n_perms=100)
    >>> ax = s3.pl.ligrec_heatmap(adata, show=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['L1', 'L2', 'WM']
    """
    table = table_of(data, table_key)
    _draw.check_colour_map(cmap)
    found = _interactions.read(table, key, use, alpha)
    between = np.ma.masked_array(_interactions.counts(found), mask=~_tested(found))
    n = len(found.names)
    longest = max(map(len, found.names))
    side = 1.6 + max(0.36 * n, 2.0)
    ax, new = _draw.axes_or_new(ax, (side + 0.08 * longest + 0.9, side + 0.08 * longest))
    image = ax.imshow(between, cmap=cmap, vmin=0, vmax=max(int(between.max()) if between.count() else 0, 1))
    if n <= 20:
        _write_numbers(ax, between)
    ax.set_xticks(range(n), found.names, rotation=90 if longest > 3 else 0)
    ax.set_yticks(range(n), found.names)
    _colour_strips(ax, [found.colors[name] for name in found.names])
    ax.set(xlabel="target", ylabel="source")
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.colorbar(image, ax=ax, shrink=0.7, label=f"interactions, {_interactions.name_of(use)} ≤ {alpha:g}")
    _draw.finish(figure, new=new, show=show, save=save)
    return ax


def _tested(found: _interactions.Interactions) -> np.ndarray:
    number = {name: place for place, name in enumerate(found.names)}
    tested = np.zeros((len(number), len(number)), dtype=bool)
    both = found.frame[["source", "target"]].astype(str).drop_duplicates()
    for source, target in both.itertuples(index=False):
        tested[number[source], number[target]] = True
    return tested


def _write_numbers(ax: Axes, between: np.ma.MaskedArray) -> None:
    high = float(between.max()) if between.count() else 0.0
    for (row, column), number in np.ndenumerate(between.filled(-1)):
        if number >= 0:
            color = "black" if high > 0 and number > 0.6 * high else "white"
            ax.text(column, row, str(number), ha="center", va="center", color=color, fontsize=7)


def _colour_strips(ax: Axes, colors: list[str]) -> None:
    """The colour of each cluster between its name and its row or column."""
    from matplotlib.transforms import ScaledTranslation

    figure: Any = ax.get_figure(root=True)
    for place, color in enumerate(colors):
        ends, edge = [place - 0.48, place + 0.48], [0.0, 0.0]
        for across in (True, False):
            below = (ax.get_xaxis_transform if across else ax.get_yaxis_transform)()
            shift = (0.0, -_STRIP / 72) if across else (-_STRIP / 72, 0.0)
            ax.plot(
                *((ends, edge) if across else (edge, ends)), color=color, linewidth=_STRIP, clip_on=False,
                transform=below + ScaledTranslation(*shift, figure.dpi_scale_trans), solid_capstyle="butt",
                scalex=False, scaley=False,
            )  # fmt: skip
    ax.tick_params(length=0, pad=1.5 * _STRIP + 3)
