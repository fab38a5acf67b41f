"""What a report says about the denoised layer, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.table import slot_of, table_of
from s3rl.errors import InputError
from s3rl.pl import _draw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_FIX = "s3.tl.denoising_report(adata)"
_FRAMES = {
    "held_out": ("method", "gain", "gain_se"),
    "genes": ("method", "gene", "correlation"),
    "markers": ("method", "auc", "log2_fold_change"),
    "false_discoveries": ("analysis", "clusters", "expression", "share", "low", "high"),
}
_NAMES = {
    "s3rl": "s3rl", "raw": "counts", "mean": "mean of the gene", "knn_expression": "kNN, expression",
    "knn_space": "kNN, space", "diffusion": "diffusion",
}  # fmt: skip
_OWN, _OTHER = "#c1432e", "#8a9aa8"
_KINDS = {"raw": "#5b6b78", "denoised": "#e0a43b", "calibrated": "#2f7f79"}
_TESTS = {
    "spatially_variable_genes|": "variable genes", "ligrec|regions": "pairs between\nregions",
    "ligrec|found": "pairs between\ndomains found",
}  # fmt: skip
_LEVEL = 0.05
_FONT = 8


def denoising_report(
    data: Data,
    *,
    key: str = "denoising_report",
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw what ``s3.tl.denoising_report`` has found: held-out counts, genes, markers, false discoveries.

    Parameters
    ----------
    data
        AnnData or SpatialData with the report.
    key
        Name in ``uns`` of the report.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        With the Axes (labels) ``"held out"``: what each method gains over raw counts, with 95 % intervals; ``"genes"``:
        correlations of the genes with held-out counts, the dash is the median; ``"markers"``: areas under the curve
        of markers; ``"false discoveries"``: share of p-values of .05 at most, with 95 % intervals and the nominal
        line.

    Raises
    ------
    MissingKeyError
        If the report is not there.
    InputError
        If the slot holds something else.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> import squidpy as sq
    >>> adata = s3.datasets.simulated_cortex(150, 60, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.pp.signed_neighbors(adata)
    >>> quick = {"max_epochs": 10, "n_mixtures": 4}
    >>> s3.tl.denoising_report(adata, 3, params=quick, groupby="domain", progress=False)
    >>> figure = s3.pl.denoising_report(adata, show=False)
    >>> [ax.get_label() for ax in figure.axes]
    ['held out', 'genes', 'markers', 'false discoveries']
    """
    import matplotlib.pyplot as plt

    table = table_of(data, table_key)
    report = _checked(slot_of(table, "uns", key, fix=_FIX), key)
    figure = plt.figure(figsize=(10.5, 7.4))
    figure.set_layout_engine("constrained", h_pad=0.1, w_pad=0.06)
    labels = ("held out", "genes", "markers", "false discoveries")
    axes = [figure.add_subplot(2, 2, place + 1, label=label) for place, label in enumerate(labels)]
    methods = [str(name) for name in report["held_out"]["method"]]
    _gains(axes[0], report["held_out"], methods)
    shown = [method for method in methods if method != "mean"]
    _spread(axes[1], report["genes"], shown, "correlation", "correlation with held-out counts, each gene", 0.0)
    _spread(axes[2], report["markers"], shown, "auc", "area under the curve, each marker", 0.5)
    _rates(axes[3], report["false_discoveries"])
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=_FONT)
        ax.xaxis.label.set_fontsize(_FONT + 1)
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _checked(report: object, key: str) -> Mapping[str, pd.DataFrame]:
    for name, columns in _FRAMES.items():
        frame = report.get(name) if hasattr(report, "get") else None
        if not set(columns) <= set(getattr(frame, "columns", ())):
            raise InputError(
                "is no report of denoising", key=f"uns[{key!r}]", found=f"no table {name!r} with {', '.join(columns)}",
                fix=_FIX,
            )  # fmt: skip
    return report  # type: ignore[return-value]


def _gains(ax: Axes, frame: pd.DataFrame, methods: list[str]) -> None:
    gain, error = frame["gain"].to_numpy(np.float64), 1.96 * frame["gain_se"].to_numpy(np.float64)
    places = np.arange(len(methods))
    colors = [_OWN if method == "s3rl" else _OTHER for method in methods]
    ax.barh(places, gain, xerr=error, color=colors, height=0.65, error_kw={"elinewidth": 0.9})
    ax.axvline(0, color="0.2", linewidth=0.8)
    _named(ax, methods)
    ax.set_xlabel("log-likelihood of held-out counts, gain over counts (nats per count)")
    ax.set_title("Held-out counts", loc="left")


def _spread(ax: Axes, frame: pd.DataFrame, methods: list[str], column: str, label: str, nothing: float) -> None:
    values = [frame.loc[(frame["method"] == method).to_numpy(), column].dropna().to_numpy() for method in methods]
    places = [place for place, own in enumerate(values) if len(own) > 1 and np.ptp(own) > 0]
    if places:
        drawn = ax.violinplot(
            [values[place] for place in places], places, widths=0.85, showextrema=False, orientation="horizontal"
        )
        bodies: Any = drawn["bodies"]
        for body, place in zip(bodies, places, strict=True):
            body.set(facecolor=_OWN if methods[place] == "s3rl" else _OTHER, edgecolor="0.3", linewidth=0.6, alpha=0.8)
    medians = [float(np.median(own)) if len(own) else np.nan for own in values]
    ax.scatter(medians, range(len(methods)), marker="|", color="black", s=110, zorder=3)
    ax.axvline(nothing, color="0.2", linewidth=0.8, linestyle=":")
    _named(ax, methods)
    ax.set_xlabel(label)
    ax.set_title("Genes" if column == "correlation" else "Markers, chosen by held-out counts", loc="left")


def _named(ax: Axes, methods: list[str]) -> None:
    ax.set_yticks(range(len(methods)), [_NAMES.get(method, method) for method in methods])
    ax.set_ylim(len(methods) - 0.4, -0.6)


def _rates(ax: Axes, frame: pd.DataFrame) -> None:
    tests = frame["analysis"].astype(str) + "|" + frame["clusters"].astype(str)
    order = list(dict.fromkeys(tests))
    for place, test in enumerate(order):
        own = frame[(tests == test).to_numpy()]
        for kind, color in _KINDS.items():
            row = own[(own["expression"].astype(str) == kind).to_numpy()]
            if not len(row):
                continue
            share, low, high = (float(row[name].iloc[0]) for name in ("share", "low", "high"))
            y = place + 0.24 * (list(_KINDS).index(kind) - 1)
            ax.plot([low, high], [y, y], color=color, linewidth=1.6)
            ax.plot(share, y, marker="o", markersize=5, color=color, label=kind if place == 0 else None)
    ax.axvline(_LEVEL, color="0.2", linewidth=0.8, linestyle="--")
    names = [_TESTS.get(test, test) for test in order]
    ax.set_yticks(range(len(order)), names)
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xscale("symlog", linthresh=0.1)
    ticks = (0, 0.05, 0.1, 0.2, 0.5, 1)
    ax.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    ax.set_xlim(-0.004, 1.1)
    ax.minorticks_off()
    ax.set_xlabel("p-values of .05 at most, shuffled coordinates (dashed: nominal)")
    ax.set_title("False discoveries", loc="left")
    if order:
        ax.legend(
            fontsize=_FONT, frameon=False, loc="lower right", bbox_to_anchor=(1.02, 0.99), ncols=3, handlelength=1,
            columnspacing=1, borderaxespad=0,
        )  # fmt: skip
