"""Batches of two views of each tile, the same whatever the number of workers or processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from s3rl._random import stream, torch_stream
from s3rl.fit.intensity import Intensity
from s3rl.fit.simclr_params import SimCLRParams
from s3rl.transforms import ColorJitter, Compose, Flip, IntensityJitter, RandomResizedCrop, ToGray
from s3rl.transforms._base import Step

ORDER, VIEWS = 11, 12


class Tiles(Protocol):
    """Tiles by position, in memory or on disk."""

    def __len__(self) -> int:
        """Return the number of tiles n."""

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Tiles (b, C, P, P) at these positions."""


def recipe_of(params: SimCLRParams, channels: int) -> Compose:
    """Crop, flip, colour distortion and loss of colour at the strengths of the parameters (section 4.2)."""
    colour: list[Step] = []
    strength = 0.4 * params.jitter
    if params.jitter > 0 and channels in (1, 3):
        colour.append(ColorJitter(brightness=strength, contrast=strength, saturation=strength, hue=strength / 4, p=0.8))
    elif params.jitter > 0:
        colour.append(IntensityJitter(gain=strength, offset=strength / 4, p=0.8))
    if params.gray > 0 and channels == 3:
        colour.append(ToGray(p=params.gray))
    return Compose([RandomResizedCrop(scale=(params.crop, 1.0)), Flip(), *colour])


def batches_of_epoch(n: int, batch_size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """Positions 0 to n - 1 in random order, in batches of nearly equal size, at most half as large again as wanted."""
    order = stream(seed, ORDER, epoch).permutation(n)
    return np.array_split(order, max(1, round(n / batch_size)))


class Views(Dataset[tuple[Tensor, Tensor]]):
    """Two views for each tile of a batch; an index is ``(epoch, positions)``.

    Parameters
    ----------
    tiles
        All tiles.
    intensity
        Their scale.
    transform
        Gives ``view_1`` and ``view_2``, called as ``s3.transforms.TwoViews``.
    seed
        Of the views; those of a tile depend on the seed, the epoch and its position only.
    """

    def __init__(self, tiles: Tiles, intensity: Intensity, transform: Callable[..., Any], seed: int) -> None:
        self.tiles, self.intensity, self.transform, self.seed = tiles, intensity, transform, seed

    def __getitem__(self, index: tuple[int, np.ndarray]) -> tuple[Tensor, Tensor]:
        epoch, positions = index
        scaled = self.intensity.scaled(self.tiles.take(positions))
        views = [
            self.transform({"tile": tile}, stream(self.seed, VIEWS, epoch, int(position)))
            for tile, position in zip(scaled, positions, strict=True)
        ]
        first, second = (np.stack([view[name] for view in views]) for name in ("view_1", "view_2"))
        return torch.from_numpy(first), torch.from_numpy(second)


def load_views(
    views: Views, batches: list[tuple[int, np.ndarray]], *, n_workers: int, pin: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the views of every ``(epoch, positions)`` in turn, drawn in this process or in workers."""
    loader = DataLoader(
        views,
        batch_size=None,
        sampler=batches,
        num_workers=n_workers,
        pin_memory=pin,
        # a loader without one draws from the global state
        generator=torch_stream(views.seed, ORDER),
    )
    yield from loader
