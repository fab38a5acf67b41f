"""Small tiles and everything else that contrastive training needs."""

from __future__ import annotations

import numpy as np
import torch

from s3rl.fit.distributed import Team
from s3rl.fit.intensity import Intensity
from s3rl.fit.simclr import train_encoder
from s3rl.fit.simclr_params import SimCLRParams
from s3rl.fit.tile_views import Views, recipe_of
from s3rl.nn import TileEncoder
from s3rl.transforms import TwoViews

SMALL = {"epochs": 3, "min_steps": 1, "batch_size": 8, "n_features": 12, "n_projection": 6}


class Stack:
    """Tiles in memory."""

    def __init__(self, tiles):
        self.tiles = tiles

    def __len__(self):
        return len(self.tiles)

    def take(self, positions):
        return self.tiles[positions]


def stripes(n=24, size=16, channels=3, dtype=np.uint8):
    """Tiles of two kinds: dark coarse stripes, light fine ones; the kind of each."""
    rng = np.random.default_rng(0)
    kind = np.arange(n) % 2
    x = np.arange(size)
    waves = np.stack([np.sin(2 * np.pi * x / (8 if k else 3) + rng.uniform(0, 6)) for k in kind])
    tiles = 120 + 60 * kind[:, None] + 40 * waves
    tiles = np.broadcast_to(tiles[:, None, None, :], (n, channels, size, size)) + rng.normal(0, 5, (n, channels, 1, 1))
    return tiles.clip(0, 255).astype(dtype), kind


def train(tiles, *, seed=0, team=None, **settings):
    """Encoder and history after training on tiles."""
    checkpoint, fingerprint = settings.pop("checkpoint", None), settings.pop("fingerprint", "x")
    backbone = settings.pop("backbone", "test_resnet")
    params = SimCLRParams(**(SMALL | settings))
    views = Views(Stack(tiles), Intensity.of(tiles), TwoViews(recipe=recipe_of(params, tiles.shape[1])), seed)
    encoder = TileEncoder(
        backbone, in_channels=tiles.shape[1], tile_size=tiles.shape[2],
        n_features=params.n_features, n_projection=params.n_projection, seed=seed,
    )  # fmt: skip
    team = team or Team(0, 1, torch.device("cpu"))
    history = train_encoder(
        encoder, views, params, team, checkpoint=checkpoint, fingerprint=fingerprint, progress=False
    )
    return encoder, history


def content(encoder):
    """Bytes of all parameters and statistics."""
    return {name: value.numpy().tobytes() for name, value in encoder.state_dict().items()}
