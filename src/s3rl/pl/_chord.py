"""Interactions between clusters as a chord diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3rl._slots.extras import import_extra
from s3rl._slots.table import table_of
from s3rl.errors import InputError, ParameterError
from s3rl.pl import _draw, _interactions

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.projections.polar import PolarAxes

    from s3rl._typing import Data


def chord(
    data: Data,
    key: str = "ligrec",
    *,
    use: str = "fdr",
    alpha: float = 0.05,
    within: bool = False,
    ax: Axes | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> PolarAxes:
    """Draw the significant interactions between clusters as chords, as wide as they are many.

    A chord has the colour of its source and points to its target; clusters have the colours of
    ``uns["<cluster_key>_colors"]`` and the order of their categories, clockwise from above.

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
    within
        Draw interactions within a cluster too.
    ax
        Polar axes to draw on; new ones by default.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    ax
        Polar axes.

    Raises
    ------
    MissingKeyError
        If the result, or the column ``use``, is not there.
    ParameterError
        If ``use``, ``alpha`` or ``ax`` is none.
    InputError
        If nothing is significant.
    MissingExtraError
        If pycirclize is not installed.
    StoreError
        If the picture cannot be saved.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, figure 4.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.ligrec(adata, "domain", resource=adata.uns["simulation"]["pairs"], n_perms=100)
    >>> ax = s3.pl.chord(adata, use="pvalue", show=False)
    >>> sorted(text.get_text() for text in ax.texts)
    ['L1', 'L2', 'WM']
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    import pandas as pd
    from matplotlib.projections.polar import PolarAxes

    table = table_of(data, table_key)
    found = _interactions.read(table, key, use, alpha)
    between = _interactions.counts(found)
    if not within:
        between = between * ~_diagonal(len(between))
    if not between.any():
        raise InputError(
            "has no significant interaction to draw",
            key=f"uns[{key!r}]",
            found=f"{len(found.frame)} tests, smallest {use} {found.frame[use].min():.3g}",
            fix="pass a larger alpha, use='pvalue' or within=True",
        )
    if ax is not None and not isinstance(_draw.checked_axes(ax), PolarAxes):
        raise ParameterError(
            "is not polar", key="ax", found=type(ax).__name__,
            fix="matplotlib.pyplot.subplots(subplot_kw={'projection': 'polar'}), or leave ax out",
        )  # fmt: skip
    with mpl.rc_context():
        # it sets margins of all figures when it is imported
        circos = import_extra("pycirclize", "plot").Circos
    drawn: Any = ax
    if drawn is None:
        drawn = plt.subplots(figsize=(5.5, 5.5), subplot_kw={"projection": "polar"})[1]
    shown = [place for place in range(len(between)) if between[place].any() or between[:, place].any()]
    names = [found.names[place] for place in shown]
    circos.chord_diagram(
        pd.DataFrame(between[shown][:, shown], index=names, columns=names),
        space=0 if len(names) == 1 else min(3.0, 120.0 / len(names)),
        cmap=found.colors,
        label_kws={"size": 9, "r": 105, "orientation": "vertical" if max(map(len, names)) > 4 else "horizontal"},
        link_kws={"direction": 1, "ec": "none", "lw": 0.0, "alpha": 0.75},
    ).plotfig(ax=drawn)
    total = int(between.sum())
    drawn.set_title(f"{total} interaction{'s' * (total != 1)}", fontsize=9, pad=24)
    _draw.finish(drawn.get_figure(root=True), new=ax is None, show=show, save=save)
    return drawn


def _diagonal(n: int) -> Any:
    import numpy as np

    return np.eye(n, dtype=bool)
