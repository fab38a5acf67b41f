"""Small tissue with a known truth: waves in eight features, on a jittered lattice."""

from __future__ import annotations

import numpy as np

from s3rl.transport.task import Slice


def tissue(side: int = 12, seed: int = 0, noise: float = 0.05) -> Slice:
    """Spots about 1 apart; eight smooth features that no rotation or reflection leaves as they are."""
    rng = np.random.default_rng(seed)
    x, y = (part.ravel().astype(float) for part in np.meshgrid(np.arange(1.3 * side), np.arange(side)))
    xy = np.column_stack([x, y]) + rng.uniform(-0.15, 0.15, size=(len(x), 2))
    u, v = xy.T / side
    waves = np.random.default_rng(99).uniform(3, 9, size=(8, 2))
    phases = np.random.default_rng(98).uniform(0, 6, size=8)
    features = np.sin(np.column_stack([u, v]) @ waves.T + phases)
    features += rng.normal(scale=noise, size=features.shape)
    return Slice(xy, features - features.mean(axis=0))


def part_of(whole: Slice, rows: np.ndarray) -> Slice:
    return Slice(whole.xy[rows], whole.features[rows] - whole.features[rows].mean(axis=0))


def turned(whole: Slice, degrees: float, shift: tuple[float, float]) -> Slice:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return whole._replace(xy=whole.xy @ rotation.T + np.asarray(shift))
