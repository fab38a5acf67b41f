"""The embedding and the prototypes on their common sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl import _keys
from s3rl._random import stream
from s3rl._slots.embedding import embedding_of
from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import table_of
from s3rl.errors import InputError
from s3rl.pl import _draw, _model
from s3rl.pl._palette import UNLABELLED

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData
    from matplotlib.axes import Axes

    from s3rl._typing import Data

_EQUAL = 0.1
_TINY = 1e-12


def prototypes(
    data: Data,
    *,
    key: str = "s3rl",
    table_key: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw spots and prototypes on the unit sphere, seen from outside onto the plane of the prototypes.

    Spots lie at ``z / |z|``, prototypes (stars with the name of their domain) at ``R p``, where the model compares
    them (Fu et al., Adv. Sci. 2025, section 4.4). The plane is that of the first two principal directions of the
    prototypes; where no two are first, as for a regular simplex, that in which they are the corners of a regular
    polygon. The circle is the outline of the sphere: what lies inside of it points towards or away from the viewer.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        The ``key_added`` of :func:`s3rl.tl.s3rl`; ``obsm["X_<key>"]``, ``obs["<key>_domain"]`` and ``uns[key]`` with
        ``prototypes`` (c, d) and ``rotation`` (d, d) are read.
    table_key
        Table of a SpatialData.
    ax
        Axes to draw on.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and neither ``ax`` nor ``save`` is given.
    save
        Path of the picture.

    Returns
    -------
    ax
        Axes with one collection for the spots and one for the prototypes.

    Raises
    ------
    MissingKeyError
        If a slot of the model is not there.
    InputError
        If shapes do not fit or values are not finite.
    LabelsError
        If the domains are no names.
    ParameterError
        If ``ax`` is no Axes.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import numpy as np
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3).tables["table"]
    >>> adata.obs["s3rl_domain"] = adata.obs["domain"].cat.rename_categories(["0", "1", "2"])
    >>> adata.obsm["X_s3rl"] = np.eye(3)[adata.obs["s3rl_domain"].cat.codes] + 0.1
    >>> adata.uns["s3rl"] = {"prototypes": np.eye(3), "rotation": np.eye(3)}
    >>> ax = s3.pl.prototypes(adata, show=False)
    >>> sorted(text.get_text() for text in ax.texts)
    ['0', '1', '2']
    """
    table = table_of(data, table_key)
    keys = _keys.ModelKeys(key)
    points, stars = _on_sphere(table, key)
    labels = categories_of(table, keys.domain, fix=_model.training_call(key))
    colors = colors_of(table, keys.domain, list(labels.categories))
    plane = viewing_plane(stars, points)
    ax, new = _draw.axes_or_new(ax, (6.4, 5.4))
    # the domains are mixed so that none covers the others
    order = stream(0).permutation(len(points))
    shades = np.array([*colors.values(), UNLABELLED])
    x, y = (points[order] @ plane).T
    ax.scatter(
        x,
        y,
        c=shades[labels.codes[order]],
        s=float(np.clip(20_000 / len(points), 2, 25)),
        alpha=0.7,
        linewidths=0,
        rasterized=len(points) > 20_000,
    )
    names = [str(number) for number in range(len(stars))]
    _draw_stars(ax, stars @ plane, names, [colors.get(name, UNLABELLED) for name in names])
    _draw_outline(ax)
    ax.set_title(f"{key}: {len(stars)} prototypes on the sphere in {stars.shape[1]} dimensions")
    _draw.legend_beside(ax, colors, unlabelled=bool((labels.codes < 0).any()), title="domain")
    _draw.finish(ax.figure, new=new, show=show, save=save)
    return ax


def _on_sphere(table: AnnData, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of the spots (n, d) and of the prototypes (c, d), turned as the model compares them."""
    record = _model.record_of(table, key)
    stored = [np.asarray(_model.part_of(record, key, part), dtype=np.float64) for part in ("prototypes", "rotation")]
    embedding = embedding_of(table, _keys.ModelKeys(key).embedding, fix=_model.training_call(key))
    size = embedding.shape[1]
    if stored[0].ndim != 2 or stored[0].shape[1] != size or stored[1].shape != (size, size):
        raise InputError(
            "has prototypes or a rotation that do not fit the embedding",
            key=f"uns[{key!r}]",
            found=f"prototypes {stored[0].shape}, rotation {stored[1].shape}, embedding {embedding.shape}",
            fix=_model.training_call(key),
        )
    return _unit(embedding), _unit(stored[0] @ stored[1].T)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _TINY)


def viewing_plane(stars: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Orthonormal (d, 2) plane in which prototypes (c, d) are far apart; spots (n, d) fill what prototypes leave open.

    Of a sphere in one dimension the second direction is zero.
    """
    _, lengths, directions = np.linalg.svd(stars, full_matrices=False)
    if len(lengths) > 2 and lengths[2] > (1 - _EQUAL) * lengths[0]:
        angles = 2 * np.pi * np.arange(len(stars)) / len(stars)
        chosen = np.stack([np.cos(angles), np.sin(angles)]) @ stars
    else:
        chosen = directions[:2][lengths[:2] > _EQUAL**6 * lengths[0]]
    plane = np.linalg.qr(chosen.T)[0]
    if plane.shape[1] < 2:
        beside = points - points @ plane @ plane.T
        more = np.linalg.svd(beside, full_matrices=False)[2][0] if stars.shape[1] > 1 else np.zeros(1)
        plane = np.column_stack([plane, more])
    # the sign of a direction is arbitrary, so one is chosen
    largest = plane[np.abs(plane).argmax(axis=0), [0, 1]]
    return plane * np.where(largest < 0, -1.0, 1.0)


def _draw_stars(ax: Axes, at: np.ndarray, names: list[str], colors: list[str]) -> None:
    from matplotlib.patheffects import withStroke

    ax.scatter(
        at[:, 0],
        at[:, 1],
        marker="*",
        s=float(np.clip(2500 / len(names), 90, 260)),
        c=colors,
        edgecolors="black",
        linewidths=1.0,
        zorder=3,
    )
    for name, place in zip(names, at, strict=True):
        ax.annotate(
            name,
            place,
            xytext=(8, 8),
            textcoords="offset points",
            fontweight="bold",
            zorder=4,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _draw_outline(ax: Axes) -> None:
    from matplotlib.patches import Circle

    ax.add_patch(Circle((0, 0), 1.0, facecolor="none", edgecolor="0.5", linewidth=1.2, zorder=0))
    ax.set(xlim=(-1.12, 1.12), ylim=(-1.12, 1.12), xticks=[], yticks=[], aspect="equal")
    ax.set_frame_on(False)
