"""Draws ``docs/_static/tiles.png``: ``python docs/_ext/tile_figure.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Polygon, Rectangle
from spatialdata.models import Image2DModel
from spatialdata.transformations import get_transformation

import s3rl as s3

TILE, SPOT = "#0b5fa5", "#d1495b"


def scene() -> Any:
    """A turned image with a pyramid, and tiles of 50 micrometres from two of its levels."""
    params = {"image_rotation": 25.0, "pixel_size": 1.5}
    sdata = s3.datasets.simulated_cortex(120, 60, n_layers=4, params=params)
    sdata.images["tower"] = Image2DModel.parse(sdata.images["he"], scale_factors=[2])
    for pixels, key in ((None, "fine"), (16, "coarse")):
        s3.pp.make_tiles(sdata, "tower", size=50, unit="um", pixels=pixels, key_added=key)
    return sdata


def matrix_of(sdata: Any) -> np.ndarray:
    return np.asarray(get_transformation(sdata["tower"]).to_affine_matrix(("x", "y"), ("x", "y")))


def place(matrix: np.ndarray, xy: np.ndarray) -> np.ndarray:
    return np.asarray(xy @ matrix[:2, :2].T + matrix[:2, 2])


def draw_system(ax: Axes, sdata: Any) -> None:
    """Spots and image where they are registered, in micrometres."""
    matrix, pixels = matrix_of(sdata), sdata["he"].data.compute().transpose(1, 2, 0)
    height, width = pixels.shape[:2]
    shown = ax.imshow(pixels, extent=(0, width, height, 0))
    shown.set_transform(mpl.transforms.Affine2D(matrix) + ax.transData)
    corners = place(matrix, np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=float))
    ax.add_patch(Polygon(corners, fill=False, ec="0.5", lw=0.8))
    for box in sdata["fine"].geometry:
        ax.add_patch(Polygon(place(matrix, np.array(box.exterior.coords[:4])), fill=False, ec=TILE, lw=0.8))
    for x, y in sdata["spots"].geometry.get_coordinates().to_numpy():
        ax.add_patch(Circle((x, y), 27.5, fill=False, ec=SPOT, lw=0.6))
    ax.set(xlim=(corners[:, 0].min(), corners[:, 0].max()), ylim=(corners[:, 1].max(), corners[:, 1].min()))
    ax.set(xlabel="x in micrometres", ylabel="y in micrometres", title="coordinate system “global”")
    ax.set_aspect("equal")


def draw_pixels(ax: Axes, sdata: Any) -> None:
    """The same boxes in pixels of the full resolution, as they are stored."""
    ax.imshow(sdata["he"].data.compute().transpose(1, 2, 0), extent=(0, *sdata["he"].shape[:0:-1], 0))
    for x0, y0, x1, y1 in sdata["fine"].bounds.to_numpy():
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=TILE, lw=0.8))
    ax.set(xlabel="x in pixels", ylabel="y in pixels", title="shapes[“he_tiles”], pixels of the image")


def draw_tile(ax: Axes, sdata: Any, key: str, row: int) -> None:
    """One tile and its spot, with the pixels of its level."""
    tiles = next(s3.pp.iter_tiles(sdata, key, order=[row]))[1][0]
    boxes = sdata[key]
    x0, y0, x1, y1 = boxes.bounds.to_numpy()[row]
    ax.imshow(tiles.transpose(1, 2, 0), extent=(x0, x1, y1, y0), interpolation="nearest")
    center = place(np.linalg.inv(matrix_of(sdata)), sdata["spots"].geometry.get_coordinates().to_numpy()[[row]])[0]
    ax.add_patch(Circle(center, 27.5 / 1.5, fill=False, ec=SPOT, lw=1.5))
    ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=TILE, lw=2))
    ax.set(xlim=(x0 - 3, x1 + 3), ylim=(y1 + 3, y0 - 3))
    first = boxes.iloc[row]
    ax.set(title=f"{first['level']}: {first['size']} px, {first['microns']:g} µm", xlabel="x in pixels of scale0")


def main() -> None:
    plt.rcParams.update({"font.size": 8, "axes.titlesize": 9})
    sdata = scene()
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="compressed", width_ratios=(1.25, 1.25, 1, 1))
    draw_system(axes[0], sdata)
    draw_pixels(axes[1], sdata)
    draw_tile(axes[2], sdata, "fine", 60)
    draw_tile(axes[3], sdata, "coarse", 60)
    figure.savefig(Path(__file__).parents[1] / "_static" / "tiles.png", dpi=110)


if __name__ == "__main__":
    main()
