"""Interactions before and after denoising on axes around a point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from s3rl._slots.interactions import compared, interactions_of
from s3rl._slots.palette import domain_colors
from s3rl._slots.table import table_of
from s3rl.communication.quadrants import rates
from s3rl.errors import ParameterError
from s3rl.pl import _draw, _interactions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.projections.polar import PolarAxes

    from s3rl._typing import Data


def radar(
    data: Data,
    raw_key: str = "ligrec",
    denoised_key: str | Sequence[str] = "ligrec_s3rl",
    *,
    kind: Literal["clusters", "rates"] = "clusters",
    use: str = "fdr",
    alpha: float = 0.05,
    ax: Axes | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> PolarAxes:
    """Draw significant interactions of each cluster, or the paper's rates, as polygons around a point.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    raw_key, denoised_key
        Names in ``uns`` of results of :func:`s3rl.tl.ligrec`; several after denoising are compared with each other.
    kind
        ``"clusters"``: an axis for each cluster, with the number of significant interactions that it takes part in,
        before and after. ``"rates"``: axes ESR, EEP and SSP, a polygon for each denoised result; percentages run to
        100, ESR to its largest finite value (infinite ones lie on the rim, undefined ones in the centre).
    use
        Column of p-values, as in :func:`s3rl.tl.compare_ligrec`.
    alpha
        Significant is a value of at most this.
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
        Polar axes with a line for each polygon, its label the name of the result.

    Raises
    ------
    MissingKeyError
        If a result, or the column ``use``, is not there.
    ParameterError
        If ``denoised_key``, ``kind``, ``use``, ``alpha`` or ``ax`` is none.
    StoreError
        If the picture cannot be saved.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, figure S19.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> pairs = adata.uns["simulation"]["pairs"]
    >>> for key, n_perms in {"ligrec": 100, "more": 400}.items():
    ...     s3.tl.ligrec(adata, "domain", resource=pairs, n_perms=n_perms, key_added=key)
    >>> ax = s3.pl.radar(adata, "ligrec", "more", show=False)
    >>> [line.get_label() for line in ax.lines]
    ['ligrec', 'more']
    """
    import matplotlib.pyplot as plt
    from matplotlib.projections.polar import PolarAxes
    from matplotlib.ticker import MaxNLocator

    table = table_of(data, table_key)
    if kind not in ("clusters", "rates"):
        raise ParameterError("must be 'clusters' or 'rates'", key="kind", found=repr(kind), fix="pass kind='clusters'")
    keys = [denoised_key] if isinstance(denoised_key, str) else [str(name) for name in denoised_key]
    if not keys:
        raise ParameterError("names no result", key="denoised_key", found="[]", fix="denoised_key='ligrec_s3rl'")
    if ax is not None and not isinstance(_draw.checked_axes(ax), PolarAxes):
        raise ParameterError(
            "is not polar", key="ax", found=type(ax).__name__,
            fix="matplotlib.pyplot.subplots(subplot_kw={'projection': 'polar'}), or leave ax out",
        )  # fmt: skip
    axes, polygons, colors = (_clusters if kind == "clusters" else _rates)(table, raw_key, keys, use, alpha)
    drawn: Any = ax
    if drawn is None:
        drawn = plt.subplots(figsize=(5.5, 5.0), subplot_kw={"projection": "polar"}, layout="constrained")[1]
    highest = max(float(values.max(initial=0.0)) for values in polygons.values())
    rim = 100.0 if kind == "rates" else 1.08 * highest
    _draw_polygons(drawn, axes, polygons, rim)
    if kind == "rates":
        drawn.set_yticklabels([])
    else:
        drawn.yaxis.set_major_locator(MaxNLocator(5, integer=True))  # there is no half interaction
        around = 2 * np.pi * np.arange(len(axes)) / len(axes)
        drawn.scatter(around, np.full(len(axes), rim or 1.0), s=40, c=colors, clip_on=False, zorder=5)
    _draw.finish(drawn.get_figure(root=True), new=ax is None, show=show, save=save)
    return drawn


Drawn = tuple[list[str], dict[str, np.ndarray], list[str]]


def _clusters(table: AnnData, raw_key: str, keys: list[str], use: str, alpha: float) -> Drawn:
    """Significant interactions in which each cluster is source or target."""
    found = [_interactions.read(table, key, use, alpha, stand_in=True) for key in (raw_key, *keys)]
    names = list(dict.fromkeys(name for one in found for name in one.names))
    colors = {name: color for one in reversed(found) for name, color in one.colors.items()}
    polygons = {}
    for key, one in zip((raw_key, *keys), found, strict=True):
        between = _interactions.counts(one)
        own = dict(zip(one.names, between.sum(axis=0) + between.sum(axis=1) - np.diag(between), strict=True))
        polygons[key] = np.array([float(own.get(name, 0)) for name in names])
    return names, polygons, [colors[name] for name in names]


def _rates(table: AnnData, raw_key: str, keys: list[str], use: str, alpha: float) -> Drawn:
    """Percentages as they are, the ratio as a percentage of its largest finite value."""
    raw = interactions_of(table, raw_key)
    found = {}
    for key in keys:
        sizes = compared(raw, interactions_of(table, key), alpha=alpha, use=use)["quadrant"].value_counts()
        found[key] = rates(int(sizes["kept"]), int(sizes["new"]), int(sizes["lost"]))
    finite = [one.esr for one in found.values() if np.isfinite(one.esr)]
    largest = max(finite, default=0.0) or 1.0
    polygons = {
        f"{key}: ESR {one.esr:.3g}, EEP {one.eep:.1f} %, SSP {one.ssp:.1f} %": np.clip(
            np.nan_to_num([100 * one.esr / largest, one.eep, one.ssp], nan=0.0, posinf=100.0), 0, 100
        )
        for key, one in found.items()
    }
    return ["ESR", "EEP", "SSP"], polygons, []


def _draw_polygons(ax: Any, axes: list[str], polygons: dict[str, np.ndarray], rim: float) -> None:
    angles = 2 * np.pi * np.arange(len(axes)) / len(axes)
    closed = np.append(angles, angles[:1])
    for (name, values), color in zip(polygons.items(), domain_colors(len(polygons) + 1)[::-1], strict=False):
        around = np.append(values, values[:1])
        ax.plot(closed, around, color=color, linewidth=1.8, marker="o", markersize=3.5, label=name, clip_on=False)
        ax.fill(closed, around, color=color, alpha=0.15, linewidth=0)
    ax.set_theta_offset(np.pi / 2)
    ax.set_theta_direction(-1)
    ax.set_xticks(angles, axes)
    for label, angle in zip(ax.get_xticklabels(), angles, strict=True):
        side = np.sin(angle)
        label.set_horizontalalignment("center" if abs(side) < 0.1 else "left" if side > 0 else "right")
    ax.set_ylim(0, rim or 1.0)
    # between two axes, so that numbers do not lie on the polygons' corners
    ax.set_rlabel_position(float(np.degrees(np.pi / len(axes))))
    ax.tick_params(axis="y", labelsize=7)
    ax.grid(color="0.85", linewidth=0.6)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False, fontsize=9)
