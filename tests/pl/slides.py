"""A slide whose every tile is known: blocks of one value each, with a spot in the middle of each block."""

from __future__ import annotations

from typing import Any

import anndata as ad
import dask.array as da
import numpy as np
import pandas as pd
import spatialdata as sd
from spatialdata.models import Image2DModel, ShapesModel, TableModel
from spatialdata.transformations import Identity

ROWS, COLUMNS, SIDE = 4, 6, 20
N = ROWS * COLUMNS


def blocks(n_channels: int = 3, dtype: str = "uint8", n: int = N) -> np.ndarray:
    """Value (n, C) of each block, all different."""
    values = 10.0 * np.arange(1, n + 1)[:, None] - 3.0 * np.arange(n_channels)[None]
    values = values / 10 if dtype.startswith("float") else values * (200 if dtype == "uint16" else 1)
    return values.astype(dtype)


def pixels_of(values: np.ndarray) -> np.ndarray:
    """Image (C, H, W) of the blocks, row by row."""
    image = values.T.reshape(-1, ROWS, COLUMNS)
    return image.repeat(SIDE, axis=1).repeat(SIDE, axis=2)


def counted(image: np.ndarray, chunk: int = SIDE) -> tuple[da.Array, list[tuple[int, ...]]]:
    """Return the image as a dask array, and the list of the chunks that were decoded so far."""
    decoded: list[tuple[int, ...]] = []

    def decode(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        decoded.append(tuple(block_info[0]["chunk-location"]))
        return block

    lazy = da.from_array(image, chunks=(image.shape[0], chunk, chunk))
    return lazy.map_blocks(decode, dtype=image.dtype, meta=np.empty((0, 0, 0), image.dtype)), decoded


def slide(
    n_channels: int = 3,
    dtype: str = "uint8",
    *,
    image: Any = None,
    name: str = "he",
    spots: str = "spots",
    transformations: dict[str, Any] | None = None,
    scale_factors: list[int] | None = None,
) -> sd.SpatialData:
    """Spots in the middle of the blocks in pixels; domains are the rows of blocks, and the last spot has none."""
    picture = pixels_of(blocks(n_channels, dtype)) if image is None else image
    y, x = np.divmod(np.arange(N), COLUMNS)
    xy = np.column_stack([x + 0.5, y + 0.5]) * SIDE
    transformations = transformations or {"global": Identity()}
    shapes = ShapesModel.parse(
        xy, geometry=0, radius=np.full(N, SIDE / 4), index=np.arange(100, 100 + N), transformations=transformations
    )
    labels = np.array(["a", "b", "c", "d"], dtype=object)[y]
    labels[-1] = None
    table = ad.AnnData(np.ones((N, 2), np.float32), obsm={"spatial": xy})
    table.obs_names = [f"{spots}{number}" for number in range(N)]
    table.obs["s3rl_domain"] = pd.Categorical(labels)
    table.uns["s3rl_domain_colors"] = ["#ff0000", "#00ff00", "#0000ff", "#ffff00"]
    table.obs["region"], table.obs["instance"] = pd.Categorical([spots] * N), np.arange(100, 100 + N)
    table = TableModel.parse(table, region=spots, region_key="region", instance_key="instance")
    element = Image2DModel.parse(
        picture, dims=("c", "y", "x"), transformations=transformations, scale_factors=scale_factors
    )
    return sd.SpatialData.init_from_elements({name: element, spots: shapes, "table": table})


def two_slides() -> sd.SpatialData:
    """Two slides in coordinate systems of their own and one table of both, the second one with doubled values."""
    parts = [
        slide(name="he1", spots="one", transformations={"one": Identity()}),
        slide(
            name="he2",
            spots="two",
            transformations={"two": Identity()},
            image=pixels_of((blocks() // 2).astype("uint8")),
        ),
    ]
    table = ad.concat([part.tables["table"] for part in parts])
    table.uns["s3rl_domain_colors"] = parts[0].tables["table"].uns["s3rl_domain_colors"]
    table = TableModel.parse(table, region=["one", "two"], region_key="region", instance_key="instance")
    elements = {name: element for part in parts for kind, name, element in part.gen_elements() if kind != "tables"}
    return sd.SpatialData.init_from_elements({**elements, "table": table})
