"""Significance of interactions before and after denoising."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._slots.interactions import checked_alpha, column_for, compared, interactions_of
from s3rl._slots.palette import UNLABELLED, domain_colors
from s3rl._slots.table import table_of
from s3rl.communication.quadrants import QUADRANTS, rates
from s3rl.pl import _draw, _interactions

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from matplotlib.axes import Axes

    from s3rl._typing import Data

_BLUE, _ORANGE, _GREEN = domain_colors(3)
COLORS = {"kept": _GREEN, "new": _BLUE, "lost": _ORANGE, "neither": UNLABELLED}
"""Colour of each quadrant."""

_MANY = 5_000
_CORNERS = {"kept": (0.98, 0.98), "new": (0.02, 0.98), "lost": (0.98, 0.02), "neither": (0.02, 0.02)}


def ligrec_quadrants(
    data: Data,
    raw_key: str = "ligrec",
    denoised_key: str = "ligrec_s3rl",
    *,
    use: str = "fdr",
    alpha: float = 0.05,
    ax: Axes | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw the significance of each interaction before denoising against that after it, with the paper's quadrants.

    Permutations give few different values, so interactions at the same place are one circle whose area grows with
    their number; the largest stands for the most. What was not tested in a table is at 0 there.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    raw_key, denoised_key
        Names in ``uns`` of two results of :func:`s3rl.tl.ligrec`.
    use
        Column of p-values, as in :func:`s3rl.tl.compare_ligrec`.
    alpha
        Significant is a value of at most this.
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
        One collection of circles for each quadrant with interactions, its label the name of the quadrant; the corners
        say how many there are.

    Raises
    ------
    MissingKeyError
        If a result, or the column ``use``, is not there.
    ParameterError
        If ``use``, ``alpha`` or ``ax`` is none.
    StoreError
        If the picture cannot be saved.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 4.6 and figure S19.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> pairs = adata.uns["simulation"]["pairs"]
    >>> for key, n_perms in {"ligrec": 100, "more": 400}.items():
    ...     s3.tl.ligrec(adata, "domain", resource=pairs, n_perms=n_perms, key_added=key)
    >>> ax = s3.pl.ligrec_quadrants(adata, "ligrec", "more", show=False)
    >>> any(text.get_text().startswith("kept") for text in ax.texts)
    True
    """
    table = table_of(data, table_key)
    frames = interactions_of(table, raw_key), interactions_of(table, denoised_key)
    alpha = checked_alpha(alpha)
    rows = compared(*frames, alpha=alpha, use=use)
    ax, new = _draw.axes_or_new(ax, (5.0, 5.0))
    _draw_circles(ax, rows)
    level = float(-np.log10(alpha))
    for line in (ax.axvline, ax.axhline):
        line(level, color="0.3", linewidth=0.8, linestyle="--", zorder=0)
    sizes = {name: int((rows["quadrant"] == name).sum()) for name in QUADRANTS}
    for name, (x, y) in _CORNERS.items():
        ax.text(
            x, y, f"{name}: {sizes[name]:,}", transform=ax.transAxes, ha="right" if x > 0.5 else "left",
            va="top" if y > 0.5 else "bottom", fontsize=9, zorder=5,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5},
        )  # fmt: skip
    found = rates(sizes["kept"], sizes["new"], sizes["lost"])
    ax.set_title(f"ESR {found.esr:.3g}   EEP {found.eep:.1f} %   SSP {found.ssp:.1f} %", fontsize=10)
    columns = [_interactions.label_of(column_for(use, frame)) for frame in frames]
    ax.set(xlabel=f"{raw_key}: {columns[0]}", ylabel=f"{denoised_key}: {columns[1]}")
    _draw.finish(ax.get_figure(root=True), new=new, show=show, save=save)
    return ax


def _draw_circles(ax: Axes, rows: pd.DataFrame) -> None:
    """One circle for each place, of an area by the number of interactions there."""
    points = np.stack([_interactions.minus_log(rows[name].to_numpy()) for name in ("raw", "denoised")], axis=1)
    most = np.unique(points.round(3), axis=0, return_counts=True)[1].max()
    for name in reversed(QUADRANTS):
        own = points[(rows["quadrant"] == name).to_numpy()]
        if len(own):
            places, number = np.unique(own.round(3), axis=0, return_counts=True)
            ax.scatter(
                places[:, 0], places[:, 1], s=6 + 194 * np.sqrt(number / most), label=name, color=COLORS[name],
                alpha=0.6, linewidths=0, rasterized=len(places) > _MANY,
            )  # fmt: skip
    high = points.max(axis=0) + 1e-9
    ax.set_xlim(-0.09 * high[0], 1.14 * high[0])
    ax.set_ylim(-0.12 * high[1], 1.16 * high[1])
