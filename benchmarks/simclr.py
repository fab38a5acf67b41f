"""Speed of the contrastive training: this loader and step beside a plain torchvision and PIL loader.

``python benchmarks/simclr.py`` prints a table and writes ``simclr.csv`` to the folder of ``--output``. Both train the
same encoder with the same loss on the same tiles of a simulated slide; what differs is where the views come from. Both
are measured in turn, in rounds, and the median counts. With a CUDA device the step is measured there too.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from torch import Tensor

Batches = Iterator[tuple[Tensor, Tensor]]


@click.command(help=__doc__)
@click.option("--output", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
@click.option("--backbone", multiple=True, default=("resnet10t", "resnet50"), show_default=True)
@click.option("--spots", default=2000, show_default=True)
@click.option("--size", default=32, show_default=True, help="Side of the tiles in pixels.")
@click.option("--batch", default=256, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--threads", default=1, show_default=True, help="Of torch.")
@click.option("--workers", default=0, show_default=True, help="Processes that draw views, for both.")
def main(
    output: Path, backbone: tuple[str, ...], spots: int, size: int, batch: int, rounds: int, threads: int, workers: int
) -> None:
    torch.set_num_threads(threads)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        sources = _sources(Path(folder), spots, size, batch, workers)
        rows += _measured("views only", "cpu", sources, rounds, spots, lambda pair: None)
        devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        for device in devices:
            for name in backbone:
                step = _step_of(name, size, device)
                rows += _measured(f"training step, {name}", device, sources, rounds, spots, step)
    table = pd.DataFrame(rows)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "simclr.csv", index=False)
    click.echo(table.to_string(index=False, float_format=lambda v: f"{v:.4g}"))


def _sources(folder: Path, spots: int, size: int, batch: int, workers: int) -> dict[str, Callable[[int], Batches]]:
    """Both ways to two views of every tile, from the same slide: calls that take the number of the pass."""
    import s3rl as s3
    from s3rl._slots.tile_stack import TileStack
    from s3rl.fit.intensity import Intensity
    from s3rl.fit.simclr_params import SimCLRParams
    from s3rl.fit.tile_views import Views, batches_of_epoch, load_views, recipe_of
    from s3rl.transforms import TwoViews

    sdata = s3.datasets.simulated_cortex(spots, 60)
    s3.pp.make_tiles(sdata, "he", size=size)
    stack = TileStack.of(sdata, sdata.tables["table"], None)
    file = stack.to_file(folder / "tiles")
    params = SimCLRParams()
    views = Views(file, Intensity(), TwoViews(recipe=recipe_of(params, 3)), 0)

    def ours(epoch: int) -> Batches:
        batches = [(epoch, b) for b in batches_of_epoch(spots, batch, seed=0, epoch=epoch)]
        return load_views(views, batches, n_workers=workers, pin=False)

    plain = PlainTiles(file.take(np.arange(spots)), folder / "png", size, params)

    def theirs(epoch: int) -> Batches:
        generator = torch.Generator().manual_seed(epoch)
        return iter(
            torch.utils.data.DataLoader(plain, batch_size=batch, shuffle=True, num_workers=workers, generator=generator)
        )

    return {"s3rl": ours, "torchvision and PIL": theirs}


class PlainTiles(torch.utils.data.Dataset):
    """A folder of PNG tiles, opened with PIL and augmented one by one with torchvision, as tutorials do it."""

    def __init__(self, tiles: np.ndarray, folder: Path, size: int, params: Any) -> None:
        from PIL import Image
        from torchvision import transforms

        folder.mkdir()
        self.paths = [folder / f"{number}.png" for number in range(len(tiles))]
        for path, tile in zip(self.paths, tiles, strict=True):
            Image.fromarray(tile.transpose(1, 2, 0)).save(path)
        strength = 0.4 * params.jitter
        jitter = transforms.ColorJitter(strength, strength, strength, strength / 4)
        self.view = transforms.Compose(
            [
                transforms.RandomResizedCrop(size, scale=(params.crop, 1.0)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.RandomApply([jitter], p=0.8),
                transforms.RandomGrayscale(p=params.gray),
                transforms.ToTensor(),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        from PIL import Image

        with Image.open(self.paths[index]) as file:
            tile = file.convert("RGB")
        return self.view(tile), self.view(tile)


def _step_of(backbone: str, size: int, device: str) -> Callable[[tuple[Tensor, Tensor]], None]:
    from s3rl.losses import nt_xent
    from s3rl.nn import TileEncoder

    encoder = TileEncoder(backbone, tile_size=size).to(device).train()
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)

    def step(pair: tuple[Tensor, Tensor]) -> None:
        views = torch.cat([view.to(device, non_blocking=True) for view in pair])
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            z_1, z_2 = encoder(views).float().chunk(2)
        optimizer.zero_grad(set_to_none=True)
        nt_xent(z_1, z_2).backward()
        optimizer.step()

    return step


def _measured(
    what: str,
    device: str,
    sources: dict[str, Callable[[int], Batches]],
    rounds: int,
    spots: int,
    use: Callable[[tuple[Tensor, Tensor]], None],
) -> list[dict[str, Any]]:
    seconds: dict[str, list[float]] = {name: [] for name in sources}
    for epoch in range(rounds):
        for name, source in sources.items():
            start = time.perf_counter()
            for pair in source(epoch):
                use(pair)
            if device == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
            click.echo(f"{what}, {device}, {name}: {2 * spots / seconds[name][-1]:.0f} images/s", err=True)
    rates = {name: 2 * spots / statistics.median(values) for name, values in seconds.items()}
    first = rates["s3rl"]
    return [
        {"what": what, "device": device, "loader": name, "images_per_s": rate, "s3rl_is_faster_by": first / rate}
        for name, rate in rates.items()
    ]


if __name__ == "__main__":
    main()
