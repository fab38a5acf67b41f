"""An image of bricks: every brick is unlike all others and has no symmetry, so a tile tells where it was cut."""

from __future__ import annotations

from typing import Any

import numpy as np

SIDE = 16
SHAPE = (196, 152)  # halves twice, and ends within a brick


def wall(shape: tuple[int, int] = SHAPE, channels: int = 3, dtype: str = "uint8") -> np.ndarray:
    """Pixels (C, H, W); whole numbers below 256, over 255 for floats."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    row, column = y // SIDE, x // SIDE
    inside = (y % SIDE) // 4 * 3 + (x % SIDE) // 4
    planes = [(37 * row + 11 * column + (number + 1) * inside) % 251 + 4 for number in range(channels)]
    pixels = np.stack(planes)
    return (pixels / 255).astype(dtype) if np.dtype(dtype).kind == "f" else pixels.astype(dtype)


def halved(pixels: np.ndarray, times: int) -> np.ndarray:
    """Means of 2 x 2 pixels, repeated, cut off as integers are, of sizes that can be halved."""
    for _ in range(times):
        channels, height, width = pixels.shape
        pairs = pixels.reshape(channels, height // 2, 2, width // 2, 2).astype(np.float64)
        pixels = pairs.mean(axis=(2, 4)).astype(pixels.dtype)
    return pixels


def bricks(shape: tuple[int, int], margin: int = 1) -> np.ndarray:
    """Row and column (n, 2) of the whole bricks, ``margin`` bricks away from the border."""
    rows, columns = (size // SIDE - margin for size in shape)
    return np.array([(row, column) for row in range(margin, rows) for column in range(margin, columns)])


def middles(places: np.ndarray) -> np.ndarray:
    """Middles x, y (n, 2) of bricks in pixels."""
    return (places[:, ::-1] + 0.5) * SIDE


def cut(pixels: np.ndarray, places: np.ndarray, times: int = 0) -> np.ndarray:
    """The bricks (n, C, P, P) of a picture that was halved so often, by plain slices."""
    side = SIDE // 2**times
    small = halved(pixels, times)
    return np.stack([small[:, r * side : (r + 1) * side, c * side : (c + 1) * side] for r, c in places])


def transformations() -> dict[str, tuple[Any, Any]]:
    """Transformations of image and spots to the common coordinate system, by name."""
    from spatialdata.transformations import Affine, Identity, MapAxis, Scale, Sequence, Translation

    def turn(degrees: float) -> Affine:
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        return Affine([[cos, -sin, 40.0], [sin, cos, -7.0], [0, 0, 1]], input_axes=("x", "y"), output_axes=("x", "y"))

    scale = Scale([0.37, 0.37], axes=("x", "y"))
    flip = Sequence([Scale([-1.0, 1.0], axes=("x", "y")), Translation([300.0, 0.0], axes=("x", "y"))])
    shear = Affine([[1.2, 0.3, 5.0], [-0.1, 0.8, 2.0], [0, 0, 1]], input_axes=("x", "y"), output_axes=("x", "y"))
    return {
        "identity": (Identity(), Identity()),
        "scale": (scale, Identity()),
        "unequal scales": (Scale([0.5, 0.25], axes=("x", "y")), Identity()),
        "scales of both": (scale, Scale([3.0, 3.0], axes=("x", "y"))),
        "rotation": (turn(30), Identity()),
        "rotation of the spots": (Identity(), turn(-75)),
        "flipped axis": (flip, Identity()),
        "swapped axes": (MapAxis({"x": "y", "y": "x"}), Identity()),
        "affine": (Sequence([scale, shear]), turn(140)),
    }


def mapped(transformation: Any, xy: np.ndarray, *, back: bool = False) -> np.ndarray:
    """Points under a transformation, or under its inverse."""
    matrix = transformation.to_affine_matrix(("x", "y"), ("x", "y"))
    matrix = np.linalg.inv(matrix) if back else matrix
    return (np.column_stack([xy, np.ones(len(xy))]) @ matrix.T)[:, :2]


def scene(
    pixels: np.ndarray,
    places: np.ndarray,
    *,
    name: str = "identity",
    scale_factors: list[int] | None = None,
    c_coords: list[str] | None = None,
    chunks: int = 50,
    order: np.ndarray | None = None,
    table: bool = True,
) -> Any:
    """SpatialData with image "he", circles "spots" on the bricks, indexed from 100 on, and a table in its own order."""
    import anndata as ad
    import pandas as pd
    import spatialdata as sd
    from spatialdata.models import Image2DModel, ShapesModel, TableModel

    of_image, of_spots = transformations()[name]
    image = Image2DModel.parse(
        pixels,
        dims=("c", "y", "x"),
        scale_factors=scale_factors,
        c_coords=c_coords,
        chunks=(len(pixels), chunks, chunks),
        transformations={"global": of_image},
    )
    xy = mapped(of_spots, mapped(of_image, middles(places)), back=True)
    ids = 100 + np.arange(len(places))
    shuffled = np.arange(len(places)) if order is None else order
    spots = ShapesModel.parse(
        xy[shuffled], geometry=0, radius=1.0, index=ids[shuffled], transformations={"global": of_spots}
    )
    elements = {"he": image, "spots": spots}
    if table:
        obs = pd.DataFrame({"region": pd.Categorical(["spots"] * len(ids)), "id": ids}, index=[f"s{i}" for i in ids])
        adata = ad.AnnData(np.ones((len(ids), 1), np.float32), obs=obs)
        elements["table"] = TableModel.parse(adata, region="spots", region_key="region", instance_key="id")
    return sd.SpatialData.init_from_elements(elements)
