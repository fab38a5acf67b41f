"""A small table and a small SpatialData with every kind of element, and digests of what is on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp


def make_table(n=60, g=12):
    rng = np.random.default_rng(0)
    table = ad.AnnData(
        sp.csr_matrix(rng.poisson(0.8, (n, g)).astype(np.float32)),
        obs=pd.DataFrame(
            {
                "text": [f"layer {i % 3}" for i in range(n)],
                "region": pd.Categorical(["spots"] * n),
                "instance": np.arange(n),
                "score": rng.normal(size=n),
            },
            index=[f"spot {i}" for i in range(n)],
        ),
        var=pd.DataFrame(index=[f"gene {i}" for i in range(g)]),
    )
    table.obsm["spatial"] = rng.normal(size=(n, 2))
    table.obsm["X_s3rl"] = rng.normal(size=(n, 4)).astype(np.float32)
    table.layers["s3rl"] = rng.normal(size=(n, g)).astype(np.float32)
    table.obsp["s3rl_repulsions"] = sp.random(n, n, 0.1, format="csr", random_state=1, dtype=np.float32)
    table.uns["s3rl"] = {"params": {"rate": 1e-3, "layers": [64, 32]}, "history": {"loss": np.arange(3.0)}, "seed": 0}
    table.raw = table.copy()
    return table


def make_spatialdata(seed=0):
    import spatialdata
    from spatialdata.models import Image2DModel, Labels2DModel, PointsModel, ShapesModel, TableModel
    from spatialdata.transformations import Scale

    rng = np.random.default_rng(seed)
    table = make_table()
    del table.raw
    pixels = rng.integers(1, 255, (3, 90, 120), dtype=np.uint8)
    points = pd.DataFrame({"x": rng.normal(size=20), "y": rng.normal(size=20)})
    scale = {"global": Scale([2.0, 2.0], axes=("x", "y"))}
    return spatialdata.SpatialData(
        images={
            "he": Image2DModel.parse(pixels, dims=("c", "y", "x"), chunks=(3, 64, 64), transformations=scale),
            "pyramid": Image2DModel.parse(pixels, dims=("c", "y", "x"), scale_factors=[2]),
        },
        labels={"nuclei": Labels2DModel.parse(rng.integers(0, 5, (40, 50)), dims=("y", "x"))},
        shapes={"spots": ShapesModel.parse(rng.normal(size=(60, 2)), geometry=0, radius=1.0, index=np.arange(60))},
        points={"transcripts": PointsModel.parse(points)},
        tables={"table": TableModel.parse(table, region="spots", region_key="region", instance_key="instance")},
    )


def digest_of(place: Path) -> str:
    """SHA-256 over the names and the bytes of a file or of everything in a folder."""
    digest = hashlib.sha256()
    for entry in sorted([place, *place.rglob("*")]):
        digest.update(str(entry.relative_to(place)).encode() + b"\0")
        digest.update(entry.read_bytes() if entry.is_file() else b"folder")
    return digest.hexdigest()
