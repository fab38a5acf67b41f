"""A trajectory on its tissue: pseudotime, how the groups hang together, and the fates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._keys import TrajectoryKeys
from s3rl._slots.embedding import embedding_of
from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import slot_of, table_of
from s3rl.errors import InputError
from s3rl.pl import _draw
from s3rl.pl._places import places_of
from s3rl.pl._trajectory_groups import draw_groups, draw_network

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import EllipseCollection
    from matplotlib.figure import Figure

    from s3rl._typing import Data

_COLUMNS = 4
_WIDTH = 3.6
_FIX = "s3.tl.trajectory(adata, root=...)"


class _Found(NamedTuple):
    """What the slots hold."""

    record: Any
    time: np.ndarray
    labels: pd.Categorical
    colors: dict[str, str]
    xy: np.ndarray
    fates: np.ndarray | None
    embedding: np.ndarray | None


def trajectory(
    data: Data,
    *,
    key: str = "s3rl",
    basis: str | None = None,
    cmap: str = "viridis",
    library_key: str | None = None,
    table_key: str | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw a trajectory: pseudotime and groups on the tissue, how the groups hang together, and the fates.

    The network has the groups from left to right in the order of their median pseudotime; the lines of the strongest
    tree are as thick as PAGA's connectivity, other connections above the threshold are thin arcs. A ring marks the
    root's group, a double ring a terminal one. Violins show the pseudotime within each group, in the same order.
    With two or more terminal states there is a map of the probability to end in each.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        The ``key_added`` of :func:`s3rl.tl.trajectory`.
    basis
        Name in ``obsm`` of an embedding in the plane, such as ``"X_umap"``, of which the first two columns are drawn
        with the pseudotime.
    cmap
        Matplotlib colour map of pseudotime and probabilities.
    library_key
        Column of ``obs`` that names the slice: slices are drawn beside each other.
    table_key
        Table of a SpatialData.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and ``save`` is not given.
    save
        Path of the picture.

    Returns
    -------
    figure
        With the Axes (labels) ``"pseudotime"``, ``"groups"``, ``"network"``, ``"violins"``, with ``basis``
        ``"embedding"``, and ``"fate: <state>"`` for each terminal state where there are two or more.

    Raises
    ------
    MissingKeyError
        If there is no trajectory of this name, or its groups, the coordinates or the embedding are not there.
    InputError
        If the trajectory is that of another object, or the embedding is not finite numbers.
    ParameterError
        If there is no such colour map.
    LabelsError
        If the groups are no names.
    CoordinatesError
        If the coordinates are not finite.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import squidpy as sq
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.pp.signed_neighbors(adata)
    >>> s3.tl.s3rl(adata, n_domains=3, params={"max_epochs": 20}, progress=False)
    >>> s3.tl.trajectory(adata, root=adata.obs["domain"].cat.categories[0], groupby="domain")
    >>> figure = s3.pl.trajectory(adata, show=False)
    >>> [ax.get_label() for ax in figure.axes[:2]]
    ['pseudotime', 'groups']
    """
    import matplotlib.pyplot as plt

    table = table_of(data, table_key)
    _draw.check_colour_map(cmap)
    found = _read(table, key, basis, library_key)
    maps = [] if found.fates is None else [f"fate: {state}" for state in found.record["states"]]
    maps = (["embedding"] if found.embedding is not None else []) + maps
    aspect = float(np.clip(np.divide(*np.maximum(np.ptp(found.xy, axis=0), 1e-9)[::-1]), 0.5, 1.4))
    below = -(-len(maps) // _COLUMNS)
    columns = min(_COLUMNS, max(len(maps), 2))
    high = (_WIDTH * aspect + 0.4) * (1 + below) + 3.2
    figure = plt.figure(figsize=(max(9.5, (_WIDTH + 0.5) * columns), high), layout="constrained")
    rows = figure.subfigures(2 + (below > 0), 1, height_ratios=_heights(aspect, below), squeeze=False)[:, 0]
    top = [rows[0].add_subplot(1, 2, 1, label="pseudotime"), rows[0].add_subplot(1, 2, 2, label="groups")]
    _draw_values(top[0], found.xy, found.time, cmap, "pseudotime")
    top[0].plot(*found.xy[_root(table, found)], marker="*", markersize=12, color="white", markeredgecolor="black")
    _draw_labels(top[1], found)
    draw_network(rows[1].add_subplot(1, 2, 1, label="network"), found.record, found.colors)
    draw_groups(rows[1].add_subplot(1, 2, 2, label="violins"), found.record, found.time, found.labels, found.colors)
    for number, name in enumerate(maps):
        ax = rows[2].add_subplot(below, columns, number + 1, label=name)
        if name == "embedding":
            _draw_embedding(ax, found, cmap, str(basis))
        elif found.fates is not None:
            _draw_values(ax, found.xy, found.fates[:, number - len(maps)], cmap, name, (0.0, 1.0))
    _draw.finish(figure, new=True, show=show, save=save)
    return figure


def _heights(aspect: float, below: int) -> list[float]:
    high = _WIDTH * aspect + 0.4
    return [high, 3.2, high * below] if below else [high, 3.2]


def _read(table: AnnData, key: str, basis: str | None, library_key: str | None) -> _Found:
    keys = TrajectoryKeys(key)
    record = slot_of(table, "uns", keys.uns, fix=_FIX)
    parts = ("groups", "connectivities", "tree", "states", "root", "params")
    missing = [part for part in parts if not hasattr(record, "keys") or part not in record]
    if missing:
        raise InputError("is not what a trajectory writes", key=f"uns[{keys.uns!r}]", found=missing[0], fix=_FIX)
    labels = categories_of(table, str(record["params"]["groupby"]), fix=f"{_FIX}, for it names the groups")
    unknown = [name for name in record["groups"]["group"].astype(str) if name not in labels.categories]
    if unknown or str(record["root"]) not in table.obs_names:
        raise InputError(
            "is of other groups or spots than the table has",
            key=f"uns[{keys.uns!r}]",
            found=", ".join(unknown[:5]) or f"root {record['root']}",
            fix=_FIX,
        )
    states = len(record["states"])
    fates = None
    if record["params"]["fates"] and states > 1:
        fates = embedding_of(table, keys.fates, fix=_FIX)
        if fates.shape[1] != states:
            raise InputError(
                "has another number of columns than there are terminal states",
                key=f"obsm[{keys.fates!r}]",
                found=f"{fates.shape[1]} for {states}",
                fix=_FIX,
            )
    embedding = None if basis is None else embedding_of(table, basis, fix="scanpy.tl.umap(adata), or leave basis out")
    if embedding is not None and embedding.shape[1] < 2:
        raise InputError("has one column", key=f"obsm[{basis!r}]", found=embedding.shape, fix="pass basis='X_umap'")
    time = np.asarray(slot_of(table, "obs", keys.pseudotime, fix=_FIX), dtype=np.float64)
    colors = colors_of(table, str(record["params"]["groupby"]), list(labels.categories))
    return _Found(record, time, labels, colors, places_of(table, library_key), fates, embedding)


def _root(table: AnnData, found: _Found) -> int:
    return int(table.obs_names.get_loc(str(found.record["root"])))


def _draw_values(
    ax: Axes, xy: np.ndarray, values: np.ndarray, cmap: str, title: str, span: tuple[float, float] | None = None
) -> None:
    from matplotlib.colors import Normalize

    low, high = span or (float(np.nanmin(values)), float(np.nanmax(values)))
    drawn = _draw_circles(ax, xy, array=values, cmap=cmap, norm=Normalize(low, high))
    ax.set_title(title)
    ax.figure.colorbar(drawn, ax=ax, shrink=0.7, pad=0.02)


def _draw_circles(ax: Axes, xy: np.ndarray, **style: Any) -> EllipseCollection:
    radius = _draw.spot_radius(xy)
    # circles of a small tissue are wider than the usual margin
    _draw.as_image(ax, xy, margin=max(0.02, 1.1 * radius / max(float(np.ptp(xy, axis=0).max()), 1e-9)))
    return _draw.circles(ax, xy, radius, **style)


def _draw_labels(ax: Axes, found: _Found) -> None:
    from s3rl.pl._palette import UNLABELLED

    names = [str(name) for name in found.record["groups"]["group"]]
    shown = [found.colors[found.labels.categories[code]] if code >= 0 else UNLABELLED for code in found.labels.codes]
    _draw_circles(ax, found.xy, facecolors=shown)
    ax.set_title(str(found.record["params"]["groupby"]))
    missing = bool((found.labels.codes < 0).any())
    _draw.legend_beside(ax, {name: found.colors[name] for name in names}, unlabelled=missing)


def _draw_embedding(ax: Axes, found: _Found, cmap: str, basis: str) -> None:
    if found.embedding is None:
        return
    size = float(np.clip(20_000 / len(found.time), 2, 30))
    x, y = found.embedding[:, 0], found.embedding[:, 1]
    drawn = ax.scatter(x, y, c=found.time, s=size, cmap=cmap, linewidths=0, rasterized=True)
    ax.set(xticks=[], yticks=[], title=f"{basis.removeprefix('X_')}: pseudotime")
    ax.set_frame_on(False)
    ax.figure.colorbar(drawn, ax=ax, shrink=0.7, pad=0.02)
