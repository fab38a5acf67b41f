"""Bring tiles of any dtype onto the scale from 0 to 1 that augmentation and encoders expect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LOW, _HIGH = 0.5, 99.5


@dataclass(frozen=True)
class Intensity:
    """Range of each channel that becomes 0 to 1.

    Parameters
    ----------
    low, high
        One value for each channel; None for uint8, which stays as it is.
    """

    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None

    @classmethod
    def of(cls, tiles: np.ndarray) -> Intensity:
        """Ranges for tiles (m, C, P, P) like these: uint8 as it is, otherwise between two percentiles of each channel.

        Fluorescence has no common white: a few saturated pixels would leave everything else black.
        """
        if tiles.dtype == np.uint8:
            return cls()
        values = np.moveaxis(tiles, 1, 0).reshape(tiles.shape[1], -1).astype(np.float64)
        values = np.where(np.isfinite(values), values, np.nan)
        low, high = np.nan_to_num(np.nanpercentile(values, [_LOW, _HIGH], axis=1))
        return cls(tuple(low.tolist()), tuple(np.where(high > low, high, low + 1).tolist()))

    @property
    def is_bytes(self) -> bool:
        """Whether the tiles are uint8, which stay as they are."""
        return self.low is None

    def scaled(self, tiles: np.ndarray) -> np.ndarray:
        """Return tiles (m, C, P, P) as uint8 where they are, else as float32 within [0, 1]."""
        if self.low is None or self.high is None:
            return tiles
        low = np.asarray(self.low, np.float32).reshape(1, -1, 1, 1)
        high = np.asarray(self.high, np.float32).reshape(1, -1, 1, 1)
        scaled = (tiles.astype(np.float32) - low) / (high - low)
        return np.nan_to_num(np.clip(scaled, 0, 1), copy=False)

    def as_dict(self) -> dict[str, list[float] | None]:
        """Plain values that JSON keeps."""
        return {name: None if end is None else list(end) for name, end in (("low", self.low), ("high", self.high))}
