"""Tiles of each domain as a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s3rl._keys import ModelKeys
from s3rl._random import seed_of, stream
from s3rl._slots.images import spatialdata_of
from s3rl._slots.labels import categories_of, colors_of
from s3rl._slots.table import table_of
from s3rl._slots.tile_stack import TileStack
from s3rl.errors import ParameterError
from s3rl.pl import _draw, _montage
from s3rl.pl._palette import UNLABELLED

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData
    from matplotlib.axes import Axes
    from spatialdata import SpatialData

    from s3rl._typing import RNG


class _Group(NamedTuple):
    name: str
    rows: np.ndarray
    color: str | None


def tiles(
    sdata: SpatialData,
    tiles_key: str | Sequence[str] | None = None,
    *,
    groupby: str | None = None,
    n_per_group: int = 8,
    rng: RNG = None,
    table_key: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw some tiles of each domain, one row a domain, to see what the image knows of them.

    Tiles are picked at random, and only their chunks of the image are read. One channel is drawn grey, three as
    colours, two as magenta and green, of more the first three as red, green and blue; the scale runs over percentiles
    of the tiles that are drawn. Tiles that reach beyond the image, whose missing part mirrors the rest, have a dashed
    frame.

    Parameters
    ----------
    sdata
        SpatialData with tiles (:func:`s3rl.pp.make_tiles`) and the table that annotates their spots.
    tiles_key
        Names in ``shapes``; None takes all that belong to the table.
    groupby
        Column of ``obs``; None is ``"s3rl_domain"`` where it is there, else all tiles are one group. Rows without a
        name come last.
    n_per_group
        Tiles in each row; all of a group that has fewer.
    rng
        Seed or generator of the choice; None is seed 0.
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
        Axes with one picture for each tile, its name and number of tiles beside each row, and a bar in micrometres
        where the size of the tiles is known. The colours are those of ``uns["<groupby>_colors"]``.

    Raises
    ------
    DataTypeError
        If ``sdata`` is no SpatialData.
    MissingKeyError
        If the table, the column or the tiles are not there.
    InputError
        If a row of the table has no tile.
    LabelsError
        If the column holds no names.
    ParameterError
        If ``n_per_group`` is no positive whole number, tiles differ in kind, or ``ax`` is no Axes.
    CoordinatesError
        If a tile lies wholly outside of the image.
    StoreError
        If the image cannot be read, or the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=60, n_genes=30, n_layers=3)
    >>> s3.pp.make_tiles(sdata, "he", size=32)
    >>> ax = s3.pl.tiles(sdata, groupby="domain", n_per_group=4, show=False)
    >>> len(ax.images), [label.get_text() for label in ax.get_yticklabels()][0]
    (12, 'L1 (16)')
    """
    table = table_of(spatialdata_of(sdata), table_key)
    count = checked_count(n_per_group, "n_per_group", 8)
    seed = seed_of(rng)
    groups = _groups(table, groupby)
    chosen = [_chosen(group.rows, count, seed, number) for number, group in enumerate(groups)]
    stack = TileStack.of(sdata, table, tiles_key)
    read = read_rows(stack, np.concatenate(chosen))
    padded = padded_rows(stack)
    scale = _montage.scale_of(np.stack(list(read.values())))
    rows = [
        _montage.Row(
            f"{group.name} ({len(group.rows):,})",
            [_montage.Cell(_montage.as_picture(read[row], scale), bool(padded[row])) for row in picked.tolist()],
            group.color,
        )
        for group, picked in zip(groups, chosen, strict=True)
    ]
    width = max(len(row.cells) for row in rows)
    ax, new = _draw.axes_or_new(ax, _montage.montage_size(len(rows), width, max(len(row.name) for row in rows)))
    _montage.draw_montage(ax, rows, width)
    label_sheet(ax, stack)
    _draw.finish(ax.figure, new=new, show=show, save=save)
    return ax


def checked_count(value: object, key: str, usual: int) -> int:
    """``value`` if it is a positive whole number."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ParameterError("must be a positive whole number", key=key, found=repr(value), fix=f"pass {key}={usual}")
    return int(value)


def read_rows(stack: TileStack, rows: np.ndarray) -> dict[int, np.ndarray]:
    """Tiles (C, P, P) of some rows of the table, whose chunks alone are read."""
    wanted = np.zeros(stack.n, bool)
    wanted[rows] = True
    return {int(row): tile for found, tiles in stack.stream(wanted) for row, tile in zip(found, tiles, strict=True)}


def padded_rows(stack: TileStack) -> np.ndarray:
    """Whether the tile of each row of the table reaches beyond the image, boolean (n,)."""
    padded = np.zeros(stack.n, bool)
    for part in stack.parts:
        padded[part.rows] = part.tiles.padded[part.positions] > 0
    return padded


def label_sheet(ax: Axes, stack: TileStack, where: str = "") -> None:
    """Say above the sheet what a tile is, and below it how long a micrometre is."""
    sides = {float(part.tiles.record["microns"]) for part in stack.parts}
    microns = sides.pop() if len(sides) == 1 else float("nan")
    keys = ", ".join(part.tiles.record["tiles_key"] for part in stack.parts)
    title = f"{keys} ({_montage.size_said(stack.parts[0].tiles.size, microns)})"
    shown = _montage.channels_shown(stack.parts[0].tiles.channels)
    ax.set_title(f"{title}\n{shown}" if shown else title)
    _montage.draw_bar(ax, microns, where)


def _groups(table: AnnData, groupby: str | None) -> list[_Group]:
    usual = ModelKeys().domain
    if groupby is None and usual not in table.obs:
        return [_Group("all", np.arange(table.n_obs), None)]
    key = usual if groupby is None else groupby
    labels = categories_of(table, key, fix="s3.tl.s3rl(sdata, n_domains), or pass another column")
    colors = colors_of(table, key, list(labels.categories))
    found = [
        _Group(name, np.flatnonzero(labels.codes == code), colors[name]) for code, name in enumerate(labels.categories)
    ]
    found.append(_Group("unlabelled", np.flatnonzero(labels.codes < 0), UNLABELLED))
    return [group for group in found if len(group.rows)]


def _chosen(rows: np.ndarray, count: int, seed: int, number: int) -> np.ndarray:
    """Rows picked without looking at the other groups, in the order of the table."""
    return np.sort(stream(seed, number).choice(rows, min(count, len(rows)), replace=False))
