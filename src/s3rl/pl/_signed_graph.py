"""The signed graph on its tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._random import stream
from s3rl._slots.neighbors import signed_graph_of, spatial_graph_of
from s3rl._slots.table import coordinates_of, table_of
from s3rl.errors import ParameterError
from s3rl.pl import _draw

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_COLORS = {"spatial": "#404040", "similarity": "#0072B2", "repulsion": "#D55E00"}


class Kind(NamedTuple):
    """One kind of edges: name, pairs of spots (e, 2), and the number of its edges at each spot (n,)."""

    name: str
    pairs: np.ndarray
    degrees: np.ndarray


def signed_graph(
    data: Data,
    *,
    neighbors_key: str = "s3rl_neighbors",
    max_edges: int = 3000,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the signed graph on its tissue, a panel for each kind of edges, with their numbers and degrees.

    Spatial edges are attracting pairs that the spatial graph joins too, similarity edges the other attracting pairs,
    repulsion edges the repelling ones. Units are equal and y points down. Several slices with overlapping
    coordinates are drawn over each other; for one of them pass ``adata[adata.obs[library_key] == name].copy()``.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    neighbors_key
        Name in ``uns`` of the signed graph of :func:`s3rl.pp.signed_neighbors`.
    max_edges
        Edges drawn of each kind, ten times as many of the short spatial ones; of more, this many are picked at random
        with a fixed seed, and the title says so. Numbers and degrees are always those of all edges.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        Axes of the kinds, labelled ``"spatial"``, ``"similarity"``, ``"repulsion"``, each with one collection of
        lines; then ``"numbers"``, bars with the number of edges, and ``"degrees"``, the distributions of edges a spot.

    Raises
    ------
    MissingKeyError
        If the signed graph, the spatial graph it was built from or the coordinates are not there.
    GraphError
        If a graph is malformed.
    CoordinatesError
        If the coordinates are not finite.
    ParameterError
        If ``max_edges`` is no positive whole number.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> import scipy.sparse as sp
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3).tables["table"]
    >>> pairs = sp.csr_matrix(([1.0, 1.0], ([0, 1], [1, 0])), shape=(100, 100), dtype="float32")
    >>> adata.obsp["spatial_connectivities"] = adata.obsp["s3rl_connectivities"] = pairs
    >>> adata.obsp["s3rl_repulsions"] = sp.csr_matrix((100, 100), dtype="float32")
    >>> adata.uns["s3rl_neighbors"] = {
    ...     "connectivities_key": "s3rl_connectivities",
    ...     "repulsions_key": "s3rl_repulsions",
    ...     "params": {},
    ... }
    >>> figure = s3.pl.signed_graph(adata, show=False)
    >>> figure.axes[0].get_title()
    'spatial: 1 edge'
    """
    import matplotlib.pyplot as plt

    table = table_of(data, table_key)
    if not isinstance(max_edges, (int, np.integer)) or isinstance(max_edges, bool) or max_edges < 1:
        raise ParameterError(
            "must be a positive whole number", key="max_edges", found=repr(max_edges), fix="pass max_edges=3000"
        )
    xy = coordinates_of(table)
    kinds = _kinds(table, neighbors_key)
    wide, high = np.maximum(np.ptp(xy, axis=0), 1e-9)
    size = (14.0, float(np.clip(3.45 * high / wide, 2.4, 6.5)) + 1.45)
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(2, 4, width_ratios=[1, 1, 1, 0.75])
    for column, kind in enumerate(kinds):
        most = int(max_edges) * (10 if kind.name == "spatial" else 1)
        _draw_edges(figure.add_subplot(grid[:, column], label=kind.name), xy, kind, most)
    _draw_numbers(figure.add_subplot(grid[0, 3], label="numbers"), kinds)
    _draw_degrees(figure.add_subplot(grid[1, 3], label="degrees"), kinds)
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _kinds(table: AnnData, neighbors_key: str) -> list[Kind]:
    signed = signed_graph_of(table, neighbors_key)
    source = signed.connectivity_key
    near = spatial_graph_of(table, str(source))
    spatial = signed.attraction.multiply(near > 0).tocsr()
    matrices = {"spatial": spatial, "similarity": signed.attraction - spatial, "repulsion": signed.repulsion}
    return [_kind(name, matrix) for name, matrix in matrices.items()]


def _kind(name: str, matrix: sp.spmatrix) -> Kind:
    upper = sp.triu(matrix, k=1).tocoo()
    pairs = np.column_stack([upper.row, upper.col]).astype(np.int64)
    return Kind(name, pairs, np.bincount(pairs.ravel(), minlength=matrix.shape[0]))


def _draw_edges(ax: Axes, xy: np.ndarray, kind: Kind, max_edges: int) -> None:
    from matplotlib.collections import LineCollection

    pairs, count = kind.pairs, len(kind.pairs)
    title = f"{kind.name}: {count:,} {'edge' if count == 1 else 'edges'}"
    if count > max_edges:
        pairs = pairs[np.sort(stream(0).choice(count, max_edges, replace=False))]
        title += f"\n({max_edges:,} drawn at random)"
    _draw.circles(ax, xy, 0.6 * _draw.spot_radius(xy), facecolors="#DDDDDD", zorder=0)
    lines = LineCollection(
        list(xy[pairs]),
        colors=_COLORS[kind.name],
        linewidths=0.7 if kind.name == "spatial" else 0.5,
        alpha=0.8 if kind.name == "spatial" else float(np.clip(600 / max(len(pairs), 1), 0.25, 0.9)),
    )
    ax.add_collection(lines)
    ax.set_title(title)
    _draw.as_image(ax, xy)


def _draw_numbers(ax: Axes, kinds: list[Kind]) -> None:
    names = [kind.name for kind in kinds]
    bars = ax.barh(names, [len(kind.pairs) for kind in kinds], color=[_COLORS[name] for name in names])
    ax.bar_label(bars, labels=[f"{len(kind.pairs):,}" for kind in kinds], padding=3)
    ax.margins(x=0.3)
    ax.invert_yaxis()
    ax.set(xlabel="edges", xticks=[])
    ax.spines[["top", "right", "bottom"]].set_visible(False)


def _draw_degrees(ax: Axes, kinds: list[Kind]) -> None:
    """Share of the spots with at least so many edges, on a logarithmic axis, since farthest pairs have hubs."""
    top = 1
    for kind in kinds:
        degrees, counts = np.unique(kind.degrees, return_counts=True)
        at_least = counts[::-1].cumsum()[::-1] / len(kind.degrees)
        if degrees[0] > 0:  # all spots have the smallest number; the step up to it would be missing
            degrees, at_least = np.insert(degrees, 0, 0), np.insert(at_least, 0, 1.0)
        ax.step([*degrees, degrees[-1] + 1], [*at_least, 0], where="pre", color=_COLORS[kind.name], label=kind.name)
        top = max(top, int(degrees[-1]))
    ax.set_xscale("symlog", linthresh=10)
    ticks = [0, *(step * 10**power for power in range(6) for step in (5, 10))]
    ax.set_xticks([tick for tick in ticks if tick <= max(top, 5)], minor=False)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.minorticks_off()
    ax.set(
        xlabel="edges of a spot", ylabel="share of spots\nwith so many or more", xlim=(0, top * 1.1 + 1), ylim=(0, 1.03)
    )
    ax.spines[["top", "right"]].set_visible(False)
