"""Tiles, and every transform that a tile of so many channels can go through."""

from __future__ import annotations

import numpy as np

from s3rl import transforms as T

DTYPES = (np.uint8, np.float32)


def tile(channels=3, side=16, dtype=np.uint8, seed=0):
    """Random tile (channels, side, side); floats between 0 and 1."""
    whole = np.random.default_rng(seed).integers(0, 256, (channels, side, side), dtype=np.uint8)
    return whole if dtype == np.uint8 else (whole / 255).astype(dtype)


def halve(value):
    """Plain function of a user that works in place, as it should not."""
    value //= 2
    return value


def transforms_of(channels):
    """All transforms of tiles with this many channels, by name."""
    every = [
        T.RandomResizedCrop(), T.Flip(), T.Flip(turns=False), T.Resize(7), T.Resize(20), T.Blur(),
        T.IntensityJitter(), T.Normalize(mean=0.5, std=0.2), T.Rescale(high=200), T.Apply(np.negative),
    ]  # fmt: skip
    if channels in (1, 3):
        every += [T.ColorJitter(), T.ToGray()]
    if channels == 3:
        every.append(T.StainJitter())
    every.append(T.Compose([T.RandomResizedCrop(9), T.Flip(), T.Blur(p=0.5), T.IntensityJitter(p=0.5)]))
    every.append(T.TwoViews(12, channels=channels))
    return every


def random_transforms_of(channels):
    """Those of them whose result depends on the generator."""
    fixed = (T.Resize, T.Normalize, T.Rescale, T.Apply, T.ToGray)
    return [transform for transform in transforms_of(channels) if not isinstance(transform, fixed)]


def run(transform, value, seed=0, **others):
    """Everything new that the transform makes of one tile, stacked by key."""
    out = transform({"tile": value, **others}, np.random.default_rng(seed))
    return {key: out[key] for key in transform.writes}
