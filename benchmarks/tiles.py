"""Tiles per second and peak memory: this reader beside the ways that tiles are read today.

``python benchmarks/tiles.py`` prints a table and writes ``tiles.csv`` and ``tiles.png`` to the folder of ``--output``.
The images are written first, to a temporary folder that goes at the end. Every measurement runs in a fresh process, one
after the other; run it on an idle machine.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

P = 32
N_CHANNELS = 3
CHUNK = 512
BACKGROUND = 240
# Height, width and spots of the two images; how many tiles the slow ways are measured on.
FULL = {
    "images": {"small": (20_000, 20_000), "large": (100_000, 60_000)},
    "spots": 50_000,
    "some": {"isel": 2000, "isel_256": 5000, "zarr": 5000, "dataset": 2000, "squidpy": 2000},
}
QUICK = {
    "images": {"small": (2000, 2000), "large": (10_000, 6000)},
    "spots": 2000,
    "some": {"isel": 100, "isel_256": 500, "zarr": 500, "dataset": 100, "squidpy": 100},
}
OURS, SHUFFLED = "s3rl: pp.iter_tiles", "s3rl: pp.iter_tiles, shuffled"
WAYS = {
    "s3rl": OURS,
    "s3rl_shuffled": SHUFFLED,
    "zarr": "zarr: a slice for each tile",
    "isel_256": "xarray: isel for each tile, 256 in one compute",
    "isel": "xarray: isel and compute for each tile",
    "squidpy": "squidpy: generate_spot_crops",
    "dataset": "spatialdata: ImageTilesDataset",
}
Tiles = Iterator[tuple[int, np.ndarray]]


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="Small images, to see that it runs.")
@click.option("--output", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
@click.option("--scratch", type=click.Path(path_type=Path, exists=True), help="Folder for the images, 3 GB.")
@click.option("--only", multiple=True, type=click.Choice([*WAYS]), help="Some ways.")
@click.option("--measure", hidden=True, help="What a fresh process measures, as JSON.")
def main(quick: bool, output: Path, scratch: Path | None, only: tuple[str, ...], measure: str | None) -> None:
    if measure is not None:
        logging.getLogger("s3rl").setLevel(logging.WARNING)
        asked = json.loads(measure)
        click.echo(json.dumps(MEASURES[asked.pop("name")](**asked)))
        return
    with tempfile.TemporaryDirectory(prefix="s3rl-tiles-", dir=scratch) as folder:
        table = pd.DataFrame(rows_of(QUICK if quick else FULL, Path(folder), only or tuple(WAYS)))
    table = judged(table) if not quick else table
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "tiles.csv", index=False)
    click.echo(table.to_string(index=False, na_rep="", float_format=lambda v: f"{v:.4g}"))
    draw(table, output / "tiles.png")
    click.echo(f"wrote {output / 'tiles.csv'} and {output / 'tiles.png'}")


def rows_of(sizes: dict[str, Any], folder: Path, ways: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    n_spots = sizes["spots"]
    for image, (height, width) in sizes["images"].items():
        path, sparse = str(folder / f"{image}.zarr"), image == "large"
        written = fresh("write", path=path, height=height, width=width, sparse=sparse)
        click.echo(f"{height} x {width}: {written['chunks']} of {written['of']} chunks written", err=True)
        for way in ways:
            if sparse and way not in {"s3rl", "s3rl_shuffled", "isel"}:
                continue
            n = min(n_spots, sizes["some"].get(way, n_spots))
            got = fresh("read", path=path, way=way, n_spots=n_spots, n=n, sparse=sparse)
            row = {"way": WAYS[way], "height": height, "width": width, "n_spots": n_spots, "n_measured": n}
            row |= {"tiles_per_s": n / got["seconds"], "seconds": got["seconds"]}
            row |= {"seconds_of_all": got["seconds"] * n_spots / n, "seconds_before": got["before_s"]}
            row |= {"peak_mb": got["peak"] / 1e6, "peak_before_mb": got["before"] / 1e6}
            click.echo(f"{WAYS[way]}: {row['tiles_per_s']:.0f} tiles/s, {row['peak_mb']:.0f} MB", err=True)
            yield row


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with what it must show beside what it shows."""
    table = table.assign(goal="", reached="")
    small = table["width"] == FULL["images"]["small"][1]
    speed = table[small].set_index("way")["tiles_per_s"]
    for at in table.index[table["way"] == OURS]:
        goals = {"peak < 600 MB": table.at[at, "peak_mb"] < 600}
        if small[at] and WAYS["isel"] in speed:
            goals[">= 10 x isel and compute"] = speed[OURS] >= 10 * speed[WAYS["isel"]]
        if small[at]:
            goals["fastest"] = speed[OURS] >= speed.max()
            goals[">= 10,000 tiles/s"] = speed[OURS] >= 10_000
        table.loc[at, ["goal", "reached"]] = "; ".join(goals), str(all(goals.values()))
    return table


def fresh(name: str, **asked: Any) -> dict[str, float]:
    """Measure in a process of its own, so that neither memory nor caches of another measurement count."""
    command = [sys.executable, str(Path(__file__)), "--measure", json.dumps({"name": name, **asked})]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def inside_tissue(y: np.ndarray, x: np.ndarray, shape: tuple[int, int], sparse: bool) -> np.ndarray:
    """Whether points are on tissue: everywhere, or in an ellipse of an eighth of the image."""
    if not sparse:
        return np.ones(np.broadcast_shapes(y.shape, x.shape), dtype=bool)
    return ((y / shape[0] - 0.5) / 0.2) ** 2 + ((x / shape[1] - 0.5) / 0.2) ** 2 <= 1


def measure_write(path: str, height: int, width: int, sparse: bool) -> dict[str, float]:
    """A smooth pattern with noise, as compressible as a scan; chunks without tissue are left out."""
    import zarr

    shape, chunks = (N_CHANNELS, height, width), (N_CHANNELS, CHUNK, CHUNK)
    array = zarr.create_array(path, shape=shape, chunks=chunks, dtype="uint8", fill_value=BACKGROUND)
    noise = np.random.default_rng(0).integers(0, 40, chunks, dtype=np.uint8)
    written, corners = 0, [(y, x) for y in range(0, height, CHUNK) for x in range(0, width, CHUNK)]
    for y, x in corners:
        ys, xs = np.arange(y, min(y + CHUNK, height)), np.arange(x, min(x + CHUNK, width))
        if inside_tissue(ys[[0, -1, 0, -1]], xs[[0, 0, -1, -1]], (height, width), sparse).any():
            smooth = 90 + 40 * np.sin(ys / 50)[:, None] * np.cos(xs / 70)
            array[:, y : y + CHUNK, x : x + CHUNK] = noise[:, : len(ys), : len(xs)] + smooth.astype(np.uint8)
            written += 1
    return {"chunks": written, "of": len(corners)}


def measure_read(path: str, way: str, n_spots: int, n: int, sparse: bool) -> dict[str, float]:
    """Seconds of a pass over ``n`` tiles, the median of three where all are read, and peak memory."""
    import zarr

    array = zarr.open_array(path, mode="r")
    spots = spots_of(array.shape[1:], n_spots, sparse)[:n]
    start = time.perf_counter()
    tiles_of = READERS[way](path, spots)
    before_s, before, times = time.perf_counter() - start, peak_memory(), []
    for _ in range(3 if n == n_spots else 1):
        start, count, samples = time.perf_counter(), 0, {}
        for position, tile in tiles_of():
            count += 1
            if position < 20:
                samples[position] = np.array(tile)
        times.append(time.perf_counter() - start)
        assert count == n, f"{count} tiles instead of {n}"
    peak = peak_memory()
    for position, tile in samples.items():
        y, x = spots[position] - P // 2
        assert (tile == array[:, y : y + P, x : x + P]).all(), f"tile {position} has other pixels"
    return {"seconds": statistics.median(times), "before_s": before_s, "before": before, "peak": peak}


def spots_of(shape: tuple[int, int], n: int, sparse: bool) -> np.ndarray:
    """Middles of spots on tissue, y and x in whole pixels, in random order; all tiles lie in the image."""
    rng = np.random.default_rng(1)
    spots = np.stack([rng.integers(P, side - P, n * (20 if sparse else 1)) for side in shape], axis=1)
    return spots[inside_tissue(spots[:, 0], spots[:, 1], shape, sparse)][:n]


def spatial_data(path: str, spots: np.ndarray) -> Any:
    import dask.array as da
    import spatialdata as sd
    from anndata import AnnData
    from spatialdata.models import Image2DModel, ShapesModel, TableModel

    names = [str(i) for i in range(len(spots))]
    obs = pd.DataFrame({"region": pd.Categorical(["spots"] * len(spots)), "spot": range(len(spots))}, index=names)
    table = AnnData(np.zeros((len(spots), 1), dtype=np.float32), obs=obs)
    return sd.SpatialData(
        images={"he": Image2DModel.parse(da.from_zarr(path), dims=("c", "y", "x"))},
        shapes={"spots": ShapesModel.parse(spots[:, ::-1].astype(float), geometry=0, radius=P / 2)},
        tables={"table": TableModel.parse(table, region="spots", region_key="region", instance_key="spot")},
    )


def read_s3rl(path: str, spots: np.ndarray, *, shuffled: bool = False) -> Callable[[], Tiles]:
    import s3rl as s3

    sdata = spatial_data(path, spots)
    s3.pp.make_tiles(sdata, "he", size=P)
    order = np.random.default_rng(0).permutation(len(spots)) if shuffled else None

    def tiles() -> Tiles:
        for positions, batch in s3.pp.iter_tiles(sdata, "he_tiles", order=order):
            yield from zip(positions.tolist(), batch, strict=True)

    return tiles


def read_s3rl_shuffled(path: str, spots: np.ndarray) -> Callable[[], Tiles]:
    return read_s3rl(path, spots, shuffled=True)


def read_isel(path: str, spots: np.ndarray) -> Callable[[], Tiles]:
    image = spatial_data(path, spots).images["he"]
    return lambda: ((i, window(image, spot).values) for i, spot in enumerate(spots))


def read_isel_256(path: str, spots: np.ndarray) -> Callable[[], Tiles]:
    import dask

    image = spatial_data(path, spots).images["he"]

    def tiles() -> Tiles:
        for first in range(0, len(spots), 256):
            batch = dask.compute(*(window(image, spot).data for spot in spots[first : first + 256]))
            yield from enumerate(batch, first)

    return tiles


def window(image: Any, spot: np.ndarray) -> Any:
    y, x = (spot - P // 2).tolist()
    return image.isel(y=slice(y, y + P), x=slice(x, x + P))


def read_zarr(path: str, spots: np.ndarray) -> Callable[[], Tiles]:
    import zarr

    array = zarr.open_array(path, mode="r")
    starts = (spots - P // 2).tolist()
    return lambda: ((i, array[:, y : y + P, x : x + P]) for i, (y, x) in enumerate(starts))


def read_dataset(path: str, spots: np.ndarray) -> Callable[[], Tiles]:
    from spatialdata.dataloader import ImageTilesDataset

    data = ImageTilesDataset(
        spatial_data(path, spots),
        regions_to_images={"spots": "he"},
        regions_to_coordinate_systems={"spots": "global"},
        tile_dim_in_units=P,
        table_name="table",
        return_annotations="spot",
    )
    return lambda: ((i, np.asarray(data[i][0])) for i in range(len(spots)))


def read_squidpy(path: str, spots: np.ndarray) -> Callable[[], Tiles]:
    import dask.array as da
    import squidpy as sq
    import xarray as xr
    from anndata import AnnData

    pixels = da.from_zarr(path).transpose(1, 2, 0)[:, :, None]
    image = sq.im.ImageContainer(xr.DataArray(pixels, dims=("y", "x", "z", "channels")), layer="he", lazy=True)
    adata = AnnData(np.zeros((len(spots), 1), dtype=np.float32), obsm={"spatial": spots[:, ::-1].astype(float)})
    adata.uns["spatial"] = {"he": {"scalefactors": {"spot_diameter_fullres": float(P)}}}
    # squidpy's crops have an odd side: one pixel more than asked for
    crops = lambda: image.generate_spot_crops(adata, library_id="he", as_array="he")  # noqa: E731
    return lambda: ((i, crop[:P, :P].transpose(2, 0, 1)) for i, crop in enumerate(crops()))


READERS: dict[str, Callable[[str, np.ndarray], Callable[[], Tiles]]] = {
    "s3rl": read_s3rl,
    "s3rl_shuffled": read_s3rl_shuffled,
    "isel": read_isel,
    "isel_256": read_isel_256,
    "zarr": read_zarr,
    "dataset": read_dataset,
    "squidpy": read_squidpy,
}
MEASURES: dict[str, Callable[..., dict[str, float]]] = {"write": measure_write, "read": measure_read}


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # there ru_maxrss would count the parent too
        line = next(text for text in status.read_text().splitlines() if text.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def draw(table: pd.DataFrame, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = table.iloc[::-1]
    labels = [f"{row.way}\n{row.height:,} x {row.width:,}" for row in rows.itertuples()]
    colors = ["#c44e52" if way.startswith("s3rl") else "#8c8c8c" for way in rows["way"]]
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.5 * len(rows) + 1), layout="constrained", sharey=True)
    for ax, column, label in zip(axes, ("tiles_per_s", "peak_mb"), ("tiles / s", "peak memory (MB)"), strict=True):
        bars = ax.barh(labels, rows[column], color=colors)
        ax.bar_label(bars, labels=[f"{value:,.0f}" for value in rows[column]], padding=3, fontsize=8)
        ax.set(xlabel=label)
        ax.margins(x=0.15)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_xscale("log")
    axes[0].tick_params(axis="y", labelsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module=r"(dask|docrep|zarr|spatialdata|squidpy|ome_zarr|xarray|anndata)")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
