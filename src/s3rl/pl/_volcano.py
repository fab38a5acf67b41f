"""Fold changes and significance of two neighbouring domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._params import whole_number
from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import table_of
from s3rl.errors import MissingKeyError, ParameterError
from s3rl.pl import _draw
from s3rl.pl._palette import UNLABELLED
from s3rl.pl._results import stored

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from matplotlib.axes import Axes

    from s3rl._typing import Data

_FIX = "s3.tl.rank_domains(adata)"
_FONT = 8
_FEW = 0.05


def volcano(
    data: Data,
    domain: str | None = None,
    reference: str | None = None,
    *,
    key: str = "rank_domains",
    n_labels: int = 10,
    ax: Axes | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw the genes of two domains by fold change and FDR, with the strongest of each side named beside the axes.

    Genes above the thresholds have the colour of the domain they are higher in. Fold changes of genes that are absent
    from one domain have no scale: genes beyond what the others reach are triangles at the border, as are those whose
    FDR is 0 to the computer.

    Parameters
    ----------
    data
        AnnData or SpatialData with the result of ``s3.tl.rank_domains``.
    domain
        The domain at the right; None is the first pair of the result.
    reference
        The domain at the left.
    key
        Name in ``uns`` of the result.
    n_labels
        Genes to name on each side; fewer where there is no room.
    ax
        Axes to draw on; None makes new ones.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    ax
        The Axes that were drawn on.

    Raises
    ------
    MissingKeyError
        If the result is not there, or the two domains were not compared.
    InputError
        If the slot holds something else.
    ParameterError
        If one domain is given and not the other, or an argument is out of its range.
    LabelsError
        If the column of the domains holds no names.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> import squidpy as sq
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.tl.rank_domains(adata, groupby="domain")
    >>> s3.pl.volcano(adata, "WM", "L3", show=False).get_title()
    'WM against L3'
    """
    table = table_of(data, table_key)
    whole_number(n_labels, "n_labels", 0, 10)
    found = stored(table, key, ("results", "pairs"), fix=_FIX)
    genes, right, left = _pair(found["results"], found["pairs"], domain, reference)
    params = found["params"]
    names = categories_of(table, str(params["groupby"]), fix=_FIX).categories
    colors = colors_of(table, str(params["groupby"]), list(names))
    ax, new = _draw.axes_or_new(ax, (6.0, 4.6))
    x, y, over = _places(genes)
    side = np.where(genes["direction"] == "up", 1, np.where(genes["direction"] == "down", -1, 0))
    for value, color in ((0, UNLABELLED), (1, colors[right]), (-1, colors[left])):
        for marker, size, which in (("o", 10, side == value), ("^", 22, side == value)):
            which = which & (over if marker == "^" else ~over)
            ax.scatter(x[which], y[which], s=size, marker=marker, color=color, linewidths=0, alpha=0.8, rasterized=True)
    _draw_thresholds(ax, params)
    reach = 1.05 * max(float(np.abs(x).max()), float(params["min_log2fc"]) * 1.2)
    ax.set_ylim(-0.02 * y.max(), 1.06 * max(y.max(), 1.0))
    for value in (1, -1):
        _name(ax, genes["gene"].astype(str).to_numpy(), x, y, side == value, value * reach, n_labels)
    ax.set_xlim(-1.45 * reach, 1.45 * reach)
    ax.set_xlabel(f"log2 fold change: {left} \N{LEFTWARDS ARROW}   \N{RIGHTWARDS ARROW} {right}")
    ax.set_ylabel("-log10 FDR")
    ax.set_title(f"{right} against {left}" + (", denoised" if params.get("post_denoising") else ""))
    ax.spines[["top", "right"]].set_visible(False)
    _draw.finish(ax.get_figure(), new=new, show=show, save=save)
    return ax


def _pair(
    results: pd.DataFrame, pairs: pd.DataFrame, domain: str | None, reference: str | None
) -> tuple[pd.DataFrame, str, str]:
    """Rows of the pair, with ``domain`` at the right whichever of both it is in the result, and the two names."""
    listed = [(str(first), str(second)) for first, second in zip(pairs["domain"], pairs["reference"], strict=True)]
    if (domain is None) != (reference is None):
        raise ParameterError(
            "must be given together with the other domain", key="domain" if domain is None else "reference",
            found="None", available=[" and ".join(pair) for pair in listed], fix="pass both, or neither",
        )  # fmt: skip
    right, left = listed[0] if domain is None else (str(domain), str(reference))
    turned = (right, left) not in listed
    if turned and (left, right) not in listed:
        raise MissingKeyError(
            "were not compared", key="domain and reference", found=f"{right} and {left}",
            available=[" and ".join(pair) for pair in listed], fix="s3.tl.rank_domains(adata, adjacent=False)",
        )  # fmt: skip
    first, second = (left, right) if turned else (right, left)
    genes = results[(results["domain"] == first) & (results["reference"] == second)].copy()
    if turned:
        genes["log2fc"] = -genes["log2fc"]
        genes["direction"] = genes["direction"].astype(str).map({"up": "down", "down": "up", "none": "none"})
    return genes, right, left


def _places(genes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fold change, -log10 of the FDR, and whether a gene lies at the border because it lies beyond."""
    change, p = genes["log2fc"].to_numpy(np.float64), genes["fdr"].to_numpy(np.float64)
    scaled = (genes[["share_in", "share_out"]].min(axis=1) > _FEW).to_numpy()
    reach = float(np.abs(change[scaled]).max()) if scaled.any() else float(np.abs(change).max())
    reach = max(reach, 1.0)
    smallest = p[p > 0].min() if (p > 0).any() else 1.0
    # 0 is what is below the smallest number
    height = -np.log10(np.where(p > 0, p, smallest * 1e-3))
    return np.clip(change, -reach, reach), height, (np.abs(change) > reach) | (p == 0)


def _draw_thresholds(ax: Axes, params: dict[str, float]) -> None:
    for place in (-float(params["min_log2fc"]), float(params["min_log2fc"])):
        ax.axvline(place, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    if float(params["alpha"]) > 0:
        ax.axhline(-np.log10(float(params["alpha"])), color="0.6", linewidth=0.8, linestyle=":", zorder=0)


def _name(ax: Axes, names: np.ndarray, x: np.ndarray, y: np.ndarray, of: np.ndarray, edge: float, count: int) -> None:
    """Names of the strongest genes in a column beside their side, none above another, each with a thin line."""
    from sklearn.isotonic import isotonic_regression

    low, high = ax.get_ylim()
    gap = (high - low) * 1.35 * _FONT / 72 / max(ax.bbox.height / ax.figure.dpi, 0.5)
    room = max(int((high - low) / gap) - 1, 0)
    own = np.flatnonzero(of)
    own = own[np.argsort(-(y[own] / y.max()) - np.abs(x[own]) / np.abs(x).max(), kind="stable")][: min(count, room)]
    own = own[np.argsort(y[own], kind="stable")]
    steps = gap * np.arange(len(own))
    if not len(own):
        return
    # the heights nearest to those of the points that keep the distance of a line
    heights = steps + isotonic_regression(y[own] - steps, y_min=low + gap / 2, y_max=high - gap / 2 - steps[-1])
    for k, height in zip(own.tolist(), heights.tolist(), strict=True):
        ax.annotate(
            names[k], (x[k], y[k]), (1.04 * edge, height), fontsize=_FONT, va="center",
            ha="left" if edge > 0 else "right", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "0.5", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2,
                "relpos": (0.0 if edge > 0 else 1.0, 0.5),
            },
        )  # fmt: skip
