"""Tiles in rows on one Axes: pixels of any kind as colours, labels, and a bar of known length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Frame of what reaches beyond the image.
PADDED = "#D55E00"
GAP = 0.08
_STEP = 1 + GAP
_STRIPE = 0.16
_PERCENTILES = (0.5, 99.5)
_WHITE = 99.8
_NICE = (1, 2, 5)


class Scale(NamedTuple):
    """Values of pixels that become 0 and 1, float64 (k,) each for the k channels that are drawn."""

    low: np.ndarray
    high: np.ndarray


class Cell(NamedTuple):
    """One picture (h, w, 3) in [0, 1]; ``padded`` where a part of it lies outside of the image."""

    picture: np.ndarray
    padded: bool = False


class Row(NamedTuple):
    """Cells beside each other, their name and the colour that stands for it."""

    name: str
    cells: Sequence[Cell]
    color: str | None = None


def scale_of(tiles: np.ndarray) -> Scale:
    """Scale for pictures like these tiles (n, C, P, P).

    Three channels are colours, which share one scale from zero so that hues stay; other channels are brought to their
    own percentiles, since intensities of fluorescence have no common white.
    """
    drawn = tiles[:, : 3 if tiles.shape[1] > 2 else 2]
    values = np.moveaxis(drawn, 1, 0).reshape(drawn.shape[1], -1).astype(np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    if np.isnan(values).all():
        return Scale(np.zeros(len(values)), np.ones(len(values)))
    if tiles.shape[1] == 3:
        low = np.full(3, min(0.0, float(np.nanmin(values))))
        high = np.full(3, float(np.nanpercentile(values, _WHITE)))
    else:
        low, high = np.nan_to_num(np.nanpercentile(values, _PERCENTILES, axis=1))
    return Scale(low, np.where(high > low, high, low + 1))


def as_picture(tile: np.ndarray, scale: Scale) -> np.ndarray:
    """Float (H, W, 3) in [0, 1] of a tile (C, H, W): grey, magenta and green, or the first three channels as RGB."""
    drawn = tile[: len(scale.low)].astype(np.float64)
    drawn = (drawn - scale.low[:, None, None]) / (scale.high - scale.low)[:, None, None]
    drawn = np.clip(np.nan_to_num(drawn), 0, 1)
    order = {1: [0, 0, 0], 2: [0, 1, 0]}.get(len(drawn), [0, 1, 2])
    return np.moveaxis(drawn[order], 0, -1)


def channels_shown(channels: Sequence[str]) -> str:
    """Say which channel has which colour; nothing for grey and RGB."""
    if len(channels) in (1, 3):
        return ""
    colors = ("magenta", "green") if len(channels) == 2 else ("red", "green", "blue")
    return ", ".join(f"{color}: {name}" for color, name in zip(colors, channels, strict=False))


def size_said(size: int, microns: float) -> str:
    """Side of a tile in words."""
    return f"{size} px" + (f", {microns:.3g} µm" if np.isfinite(microns) else "")


def montage_size(n_rows: int, n_columns: int, longest_name: int) -> tuple[float, float]:
    """Width and height in inches of a montage."""
    cell = float(np.clip(11 / max(n_rows, 1), 0.55, 0.95))
    return cell * n_columns + 0.085 * longest_name + 0.7, cell * n_rows + 0.9


def draw_montage(ax: Axes, rows: Sequence[Row], n_columns: int) -> None:
    """Draw each cell as one picture of side 1 at (column, row) times 1 + GAP; y points down."""
    from matplotlib.patches import Rectangle

    named = any(row.color is not None for row in rows)
    left = -(_STRIPE + GAP) if named else 0.0
    for number, row in enumerate(rows):
        y = number * _STEP
        if row.color is not None:
            ax.add_patch(Rectangle((left, y), _STRIPE, 1, facecolor=row.color, linewidth=0))
        for column, cell in enumerate(row.cells):
            x = column * _STEP
            ax.imshow(cell.picture, extent=(x, x + 1, y + 1, y), origin="upper", vmin=0, vmax=1)
            if cell.padded:
                ax.add_patch(Rectangle((x, y), 1, 1, facecolor="none", edgecolor=PADDED, linewidth=1.6, linestyle="--"))
    ax.set_xlim(left, n_columns * _STEP - GAP)
    ax.set_ylim(len(rows) * _STEP - GAP, 0)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([number * _STEP + 0.5 for number in range(len(rows))], [row.name for row in rows])
    ax.tick_params(axis="y", length=0)
    ax.set_frame_on(False)


def draw_bar(ax: Axes, microns: float, where: str = "") -> None:
    """Draw a bar of a round length below the last row, where the side of a tile in micrometres is known."""
    if not np.isfinite(microns):
        return
    length = nice_length(0.7 * microns)
    right, bottom = ax.get_xlim()[1], ax.get_ylim()[0]
    y = bottom + 0.18
    ax.plot([right - length / microns, right], [y, y], color="black", linewidth=2.5, solid_capstyle="butt")
    ax.annotate(
        f"{length:g} µm{where}",
        (right - length / microns, y),
        (-5, 0),
        textcoords="offset points",
        ha="right",
        va="center",
    )
    ax.set_ylim(y + 0.12, ax.get_ylim()[1])


def nice_length(most: float) -> float:
    """Largest of 1, 2 and 5 times a power of ten that is not above ``most``."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(factor * power for factor in _NICE if factor * power <= most * (1 + 1e-9)))
