"""What the contrastive training sees of a tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._random import seed_of, stream
from s3rl._slots.images import spatialdata_of
from s3rl._slots.table import table_of
from s3rl._slots.tile_stack import TileStack
from s3rl.errors import ParameterError
from s3rl.pl import _draw, _montage
from s3rl.pl._tiles import checked_count, label_sheet, padded_rows, read_rows

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes
    from spatialdata import SpatialData

    from s3rl._typing import RNG

_CHOICE, _VIEWS = 0, 1
_NAMES = ("view_1", "view_2")


def views(
    sdata: SpatialData,
    tiles_key: str | Sequence[str] | None = None,
    *,
    transform: Callable[..., Any] | None = None,
    n_tiles: int = 6,
    rng: RNG = None,
    table_key: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw tiles and two views of each as :func:`s3rl.tl.simclr` makes them, to judge whether they still say the same.

    Views that lose what tells tissues apart (a crop smaller than a nucleus, colours beyond recognition) teach the
    encoder to ignore it. Tiles other than uint8 are brought to [0, 1] first, here by the percentiles of those drawn.

    Parameters
    ----------
    sdata
        SpatialData with tiles (:func:`s3rl.pp.make_tiles`) and the table that annotates their spots.
    tiles_key
        Names in ``shapes``; None takes all that belong to the table.
    transform
        What makes views: :class:`s3rl.transforms.TwoViews`, or any other transform or composition, which is applied
        twice. None is what :func:`s3rl.tl.simclr` does by default.
    n_tiles
        Tiles, one column each.
    rng
        Seed or generator of choice and views; None is seed 0.
    table_key
        Table of ``sdata``.
    ax
        Axes to draw on.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and neither ``ax`` nor ``save`` is given.
    save
        Path of the picture.

    Returns
    -------
    ax
        Axes with the rows ``tile``, ``view 1`` and ``view 2``, one picture each.

    Raises
    ------
    DataTypeError
        If ``sdata`` is no SpatialData.
    MissingKeyError
        If the table or the tiles are not there.
    InputError
        If a row of the table has no tile.
    ParameterError
        If ``n_tiles`` is no positive whole number, the transform gives no tiles, or ``ax`` is no Axes.
    CoordinatesError
        If a tile lies wholly outside of the image.
    StoreError
        If the image cannot be read, or the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=60, n_genes=30, n_layers=3)
    >>> s3.pp.make_tiles(sdata, "he", size=32)
    >>> ax = s3.pl.views(sdata, n_tiles=3, show=False)
    >>> [label.get_text() for label in ax.get_yticklabels()], len(ax.images)
    (['tile', 'view 1', 'view 2'], 9)
    """
    table = table_of(spatialdata_of(sdata), table_key)
    count = checked_count(n_tiles, "n_tiles", 6)
    seed = seed_of(rng)
    stack = TileStack.of(sdata, table, tiles_key)
    picked = np.sort(stream(seed, _CHOICE).choice(stack.n, min(count, stack.n), replace=False))
    read = read_rows(stack, picked)
    made = _views_of(np.stack([read[row] for row in picked.tolist()]), transform, picked, seed)
    padded = padded_rows(stack)
    scale = _montage.scale_of(made["tile"])
    rows = []
    for name, tiles in made.items():
        pictures = [_montage.as_picture(tile, _fitting(scale, tile, made["tile"].shape[1])) for tile in tiles]
        frames = padded[picked] & (name == "tile")
        rows.append(_montage.Row(name, [*map(_montage.Cell, pictures, frames.tolist())]))
    ax, new = _draw.axes_or_new(ax, _montage.montage_size(len(rows), len(picked), len("view 1")))
    _montage.draw_montage(ax, rows, len(picked))
    label_sheet(ax, stack, " in the tiles")
    _draw.finish(ax.figure, new=new, show=show, save=save)
    return ax


def _views_of(tiles: np.ndarray, transform: Any, picked: np.ndarray, seed: int) -> dict[str, Any]:
    """Tiles (n, C, P, P) as the training scales them, and a list of n views by the name of each row."""
    from s3rl.fit.intensity import Intensity

    scaled = Intensity.of(tiles).scaled(tiles)
    apply = _usual(tiles.shape[1]) if transform is None else transform
    pairs = [
        _pair(apply, tile, [stream(seed, _VIEWS, row, draw) for draw in (0, 1)])
        for tile, row in zip(scaled, picked.tolist(), strict=True)
    ]
    first, second = ([_from_0_to_1(pair[which]) for pair in pairs] for which in (0, 1))
    return {"tile": _from_0_to_1(scaled), "view 1": first, "view 2": second}


def _usual(n_channels: int) -> Callable[..., Any]:
    from s3rl.fit.simclr_params import SimCLRParams
    from s3rl.fit.tile_views import recipe_of
    from s3rl.transforms import TwoViews

    return TwoViews(recipe=recipe_of(SimCLRParams(), n_channels))


def _pair(transform: Any, tile: np.ndarray, rngs: list[np.random.Generator]) -> tuple[np.ndarray, np.ndarray]:
    if not callable(transform):
        raise _no_transform(transform)
    made = transform({"tile": tile}, rngs[0])
    if not hasattr(made, "keys"):
        raise _no_transform(transform)
    if set(_NAMES) <= made.keys():
        pair = made["view_1"], made["view_2"]
    else:
        pair = made.get("tile"), transform({"tile": tile}, rngs[1]).get("tile")
    if any(np.ndim(view) != 3 for view in pair):
        raise _no_transform(transform)
    return np.asarray(pair[0]), np.asarray(pair[1])


def _no_transform(transform: object) -> ParameterError:
    return ParameterError(
        "makes no views: neither 'view_1' and 'view_2' nor 'tile' of (C, P, P)",
        key="transform",
        found=repr(transform),
        fix="pass s3.transforms.TwoViews(), or a Compose([...]) of s3.transforms",
    )


def _from_0_to_1(tile: np.ndarray) -> np.ndarray:
    return tile / 255.0 if tile.dtype == np.uint8 else tile.astype(np.float64)


def _fitting(scale: _montage.Scale, view: np.ndarray, n_channels: int) -> _montage.Scale:
    """The scale of the tiles; that of the view itself where a transform has left it, as a normalisation does."""
    stays = len(view) == n_channels and view.min() >= 0 and view.max() <= 1
    return scale if stays else _montage.scale_of(view[None])
