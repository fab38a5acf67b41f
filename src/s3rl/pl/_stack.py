"""Slices on each other in three dimensions, as a page that can be turned and zoomed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl import _keys
from s3rl._log import note
from s3rl._slots.extras import import_extra
from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.slice_order import aligned_order
from s3rl._slots.slices import order_of
from s3rl._slots.table import coordinates_of, slices_of, slot_of, table_of
from s3rl.errors import ParameterError, StoreError
from s3rl.pl._palette import UNLABELLED

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    import plotly.graph_objects as go

    from s3rl._typing import Data

_GAP = 0.35
_MARKS = 90_000.0
_SIZE = 2.2
_ID = "s3rl-stack"
_PAGE = {"responsive": True, "displaylogo": False}


def stack(
    data: Data,
    library_key: str,
    *,
    key: str = "s3rl_domain",
    spatial_key: str = _keys.SPATIAL_ALIGNED,
    gap: float | None = None,
    order: Sequence[str] | None = None,
    table_key: str | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = "stack.html",
) -> go.Figure:
    """Draw the slices on each other in three dimensions, on a page to turn, zoom and point at.

    Each domain is a layer that a click on its name hides, so that one can look inside; a spot under the pointer says
    its name and slice. x and y have one scale and y points away from the viewer as it points down in an image. The
    page holds plotly itself and needs no network.

    Parameters
    ----------
    data
        AnnData or SpatialData of several slices.
    library_key
        Column of ``obs`` that names the slice.
    key
        Column of ``obs`` with the domains, or with any names.
    spatial_key
        Coordinates in ``obsm`` of all slices in one frame, as :func:`s3rl.pp.align_slices` writes them.
    gap
        Distance of neighbouring slices, in the units of the coordinates; None is what can be looked between.
    order
        Names of the slices from the bottom to the top; None is the order of the alignment where there is one, else
        that of the categories.
    table_key
        Table of a SpatialData.
    show
        Open the page in a browser.
    save
        Path of the page, an ``.html`` file of some 5 MB; None writes none.

    Returns
    -------
    figure
        ``plotly.graph_objects.Figure`` with one ``Scatter3d`` for each domain and one for the spots without a name.

    Raises
    ------
    MissingExtraError
        If plotly is not installed.
    MissingKeyError
        If a column or the coordinates are not there.
    LabelsError
        If a column holds no names.
    CoordinatesError
        If the coordinates are not finite.
    ParameterError
        If ``gap`` is no distance, or ``order`` names other slices.
    StoreError
        If the page cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3, n_slices=3, image=False)
    >>> figure = s3.pl.stack(sdata, "slice", key="domain", spatial_key="spatial", save=None)
    >>> [trace.name for trace in figure.data]
    ['L1', 'L2', 'WM']
    """
    go = import_extra("plotly.graph_objects", "plot")
    table = table_of(data, table_key)
    labels = categories_of(table, key, fix="s3.tl.s3rl(adata, n_domains, library_key=...)")
    colors = colors_of(table, key, list(labels.categories))
    slot_of(
        table, "obsm", spatial_key, fix=f"s3.pp.align_slices(adata, {library_key!r}), or pass spatial_key='spatial'"
    )
    xy = coordinates_of(table, spatial_key)
    codes, names = slices_of(table, library_key)
    placed = order_of(aligned_order(table, spatial_key, names) if order is None else order, names)
    distance = _gap(gap, xy, len(names))
    level = np.empty(len(names))
    level[placed] = np.arange(len(names)) * distance
    points = np.column_stack([xy, level[codes]])
    hover = [f"{spot}<br>{names[code]}" for spot, code in zip(table.obs_names, codes, strict=True)]
    figure = go.Figure(_traces(go, points, labels, colors, hover))
    figure.update_layout(**_layout(key, points, [names[s] for s in placed], level[placed]))
    _save(figure, save)
    if show:
        figure.show()
    return figure


def _gap(gap: float | None, xy: np.ndarray, count: int) -> float:
    """Distance of neighbouring slices: a share of their width, less where there are many."""
    if gap is None:
        return float(np.ptp(xy, axis=0).max()) * _GAP * min(1.0, 4 / count) or 1.0
    number = isinstance(gap, (int, float, np.number)) and not isinstance(gap, bool)
    if not number or not math.isfinite(gap) or gap <= 0:
        raise ParameterError(
            "must be a distance above 0, in the units of the coordinates",
            key="gap",
            found=repr(gap),
            fix="leave gap out",
        )
    return float(gap)


def _traces(
    go: Any, points: np.ndarray, labels: pd.Categorical, colors: dict[str, str], hover: list[str]
) -> list[go.Scatter3d]:
    """One trace for each name that is used, and one for the spots without."""
    size = float(np.clip(math.sqrt(_MARKS / len(points)), 1.5, 6.0))
    text = np.array(hover)
    traces = []
    for code, name in [*enumerate(labels.categories), (-1, "unlabelled")]:
        rows = labels.codes == code
        if not rows.any():
            continue
        x, y, z = np.ascontiguousarray(points[rows].T)
        marker = {"size": size, "color": UNLABELLED if code < 0 else colors[name], "line": {"width": 0}}
        hovering = {"text": text[rows], "hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}
        traces.append(go.Scatter3d(x=x, y=y, z=z, mode="markers", name=name, marker=marker, **hovering))
    return traces


def _layout(key: str, points: np.ndarray, names: list[str], heights: np.ndarray) -> dict[str, Any]:
    low, high = points.min(axis=0), points.max(axis=0)
    sizes = np.maximum(high - low, 1e-9)
    pad = 0.02 * sizes.max()
    ranges = np.stack([low - pad, high + pad], axis=1).tolist()
    ratio = (sizes + 2 * pad) * _SIZE / np.linalg.norm(sizes)
    hidden = {"visible": False, "showspikes": False}
    corner = {"x": float(low[0]), "y": float(high[1])}
    style = {"showarrow": False, "xanchor": "left", "yanchor": "top", "font": {"size": 14}}
    return {
        "scene": {
            "xaxis": hidden | {"range": ranges[0]},
            "yaxis": hidden | {"range": ranges[1][::-1]},
            "zaxis": hidden | {"range": ranges[2]},
            # one scale for all three
            "aspectmode": "manual",
            "aspectratio": dict(zip("xyz", ratio.tolist(), strict=True)),
            # from above the front edge, which is the lower edge of the image; parallel lines stay parallel
            "camera": {"eye": {"x": 0.4, "y": -1.9, "z": 0.85}, "projection": {"type": "orthographic"}},
            "annotations": [
                {"text": name, "z": float(z), **corner, **style} for name, z in zip(names, heights, strict=True)
            ],
        },
        "legend": {"title": {"text": key}, "itemsizing": "constant", "y": 0.94},
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "paper_bgcolor": "white",
    }


def _save(figure: go.Figure, save: str | PathLike[str] | None) -> None:
    if save is None:
        return
    try:
        figure.write_html(save, include_plotlyjs=True, div_id=_ID, config=_PAGE, default_height="96vh")
    except OSError as error:
        raise StoreError(
            f"cannot be written: {error}", key="save", found=repr(str(save)), fix="pass a path such as 'stack.html'"
        ) from error
    note("wrote %s", save)
