"""What the image adds on real slices: ``python benchmarks/histology.py FILE...``.

FILE is an ``.h5ad`` with an image in ``uns["spatial"]``; it goes through ``s3.pp.to_spatialdata``. Tiles are as wide as
the distance between neighbouring spots. For each slice:

- for each of ``--encoders`` seeds of ``s3.tl.simclr``: k-means of the tile features against the labels (ARI) and
  against the density of haematoxylin in each tile (share of its variance that the clusters explain), beside k-means of
  the features of tiles at random places and of an untrained encoder; and the share of the five most similar tiles that
  have the same label;
- for each of ``--seeds`` seeds of ``s3.tl.s3rl``: domains by the defaults with and without the image (the features of
  the last encoder), their ARI with the labels where there are any, and with each other.

Labels are used for the score alone.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import anndata as ad
import click
import numpy as np
import pandas as pd
import squidpy as sq
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

import s3rl as s3

N_RUNS_OF_KMEANS = 5


@click.command(help=__doc__)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--label", default="ground_truth", show_default=True)
@click.option("--seeds", default=10, show_default=True)
@click.option("--encoders", default=2, show_default=True)
@click.option("--clusters", default=5, show_default=True, help="Where there are no labels.")
@click.option("--backbone", default="resnet10t", show_default=True)
@click.option("--output", default=Path("benchmarks/results/histology.csv"), type=click.Path(path_type=Path))
def main(
    files: tuple[Path, ...], label: str, seeds: int, encoders: int, clusters: int, backbone: str, output: Path
) -> None:
    rows: list[dict[str, Any]] = []
    for file in files:
        slide = Slide(file, label, clusters)
        click.echo(f"{file.stem}: {slide.table.n_obs} spots, tiles of {slide.side} px, {slide.k} clusters")
        for seed in range(seeds):
            encoded = slide.encode(seed, backbone) if seed < encoders else {}
            rows.append({"slice": file.stem, "seed": seed} | encoded | slide.domains(seed))
            click.echo({name: round(v, 3) if isinstance(v, float) else v for name, v in rows[-1].items()})
            output.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).to_csv(output, index=False)
    table = pd.DataFrame(rows).drop(columns="seed")
    click.echo(table.groupby("slice").agg(["mean", "std"]).T.round(3).to_string())


class Slide:
    """A slice with its tiles, tiles at random places beside them, and the density of its stain."""

    def __init__(self, file: Path, label: str, clusters: int) -> None:
        adata = ad.read_h5ad(file)
        if "selected" in adata.obs:
            adata = adata[adata.obs["selected"].astype(str).isin(["True", "1"]).to_numpy()].copy()
        s3.pp.normalize(adata)
        sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
        self.sdata = s3.pp.to_spatialdata(adata)
        self.table = next(iter(self.sdata.tables.values()))
        image = next(iter(self.sdata.images))
        xy = self.table.obsm["spatial"]
        self.side = int(np.ceil(np.median(NearestNeighbors(n_neighbors=2).fit(xy).kneighbors(xy)[0][:, 1])))
        s3.pp.make_tiles(self.sdata, image, size=self.side * self._pixels_per_unit(image))
        self.tiles_key = f"{image}_tiles"
        self.label = label if label in self.table.obs and self.table.obs[label].notna().any() else None
        self.k = self.table.obs[self.label].nunique() if self.label else clusters
        self.stain = self._haematoxylin()
        self.elsewhere = self._moved(image)

    def _moved(self, image: str) -> Any:
        """The same tissue with tiles at random places of the image, one for each spot."""
        import spatialdata as sd
        from shapely.affinity import translate

        boxes = self.sdata.shapes[self.tiles_key].copy()
        rng = np.random.default_rng(0)
        low = boxes.geometry.bounds[["minx", "miny"]].to_numpy()
        height, width = self.sdata[image].shape[1:]
        size = int(boxes["size"].iloc[0])
        new = rng.integers(0, [width - size, height - size], size=low.shape)
        boxes.geometry = [translate(box, *step) for box, step in zip(boxes.geometry, new - low, strict=True)]
        elements = {name: element for kind, name, element in self.sdata.gen_elements() if kind != "tables"}
        return sd.SpatialData.init_from_elements(elements | {self.tiles_key: boxes, "table": self.table.copy()})

    def _pixels_per_unit(self, image: str) -> float:
        from spatialdata.transformations import get_transformation

        matrix = get_transformation(self.sdata[image], "global").to_affine_matrix(("x", "y"), ("x", "y"))
        return 1 / float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))

    def _haematoxylin(self) -> np.ndarray:
        from skimage.color import rgb2hed

        boxes = self.sdata.shapes[self.tiles_key]
        density = np.empty(len(boxes))
        for positions, tiles in s3.pp.iter_tiles(self.sdata, self.tiles_key):
            density[positions] = rgb2hed(np.moveaxis(tiles[:, :3], 1, -1))[..., 0].mean(axis=(1, 2))
        return density[boxes.index.get_indexer(self.table.obs[self.table.uns["spatialdata_attrs"]["instance_key"]])]

    def encode(self, seed: int, backbone: str) -> dict[str, Any]:
        """Train an encoder, keep its features, and cluster them."""
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            encoder = Path(folder) / "encoder.safetensors"
            s3.tl.simclr(
                self.sdata, tiles_key=self.tiles_key, backbone=backbone, rng=seed, progress=False, encoder_path=encoder
            )
            seconds = time.perf_counter() - start
            elsewhere = s3.tl.embed_tiles(
                self.elsewhere, encoder, tiles_key=self.tiles_key, progress=False, copy=True
            ).features
        untrained = s3.tl.simclr(
            self.sdata, tiles_key=self.tiles_key, backbone=backbone, rng=seed, progress=False, copy=True,
            params={"epochs": 1, "min_steps": 1, "learning_rate": 1e-8},
        ).features  # fmt: skip
        row: dict[str, Any] = {"simclr_s": seconds}
        for name, features in (
            ("simclr", self.table.obsm["X_simclr"]),
            ("untrained", untrained),
            ("random", elsewhere),
        ):
            row |= {f"{name}_{what}": value for what, value in self._clusters(features, seed).items()}
        return row

    def _clusters(self, features: np.ndarray, seed: int) -> dict[str, float]:
        ari, stain = [], []
        for run in range(N_RUNS_OF_KMEANS):
            found = KMeans(self.k, n_init=3, random_state=N_RUNS_OF_KMEANS * seed + run).fit_predict(features)
            means = np.array([self.stain[found == j].mean() for j in range(self.k)])
            stain.append(1 - ((self.stain - means[found]) ** 2).sum() / ((self.stain - self.stain.mean()) ** 2).sum())
            ari.append(self._score(found))
        return {"ari": float(np.mean(ari)), "stain": float(np.mean(stain)), "neighbours": self._neighbours(features)}

    def _neighbours(self, features: np.ndarray) -> float:
        """Share of the five most similar labelled tiles that have the label of the tile itself."""
        if self.label is None:
            return float("nan")
        known = self.table.obs[self.label].notna().to_numpy()
        labels = self.table.obs[self.label][known].astype(str).to_numpy()
        near = NearestNeighbors(n_neighbors=5).fit(features[known]).kneighbors(return_distance=False)
        return float((labels[near] == labels[:, None]).mean())

    def _score(self, found: np.ndarray) -> float:
        if self.label is None:
            return float("nan")
        known = self.table.obs[self.label].notna().to_numpy()
        return float(adjusted_rand_score(self.table.obs[self.label][known], found[known]))

    def domains(self, seed: int) -> dict[str, float]:
        found = {}
        for name, image in (("without_image", None), ("with_image", "X_simclr")):
            s3.pp.signed_neighbors(self.table, image_rep=image)
            found[name] = s3.tl.s3rl(self.table, self.k, rng=seed, progress=False, copy=True).domain.to_numpy()
        both = float(adjusted_rand_score(found["without_image"], found["with_image"]))
        return {f"ari_{name}": self._score(labels) for name, labels in found.items()} | {"ari_of_both": both}


if __name__ == "__main__":
    main()
