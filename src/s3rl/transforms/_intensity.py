"""Jitter of intensities, for tiles of any number of channels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from s3rl.errors import InputError
from s3rl.transforms._base import Transform
from s3rl.transforms._checks import as_number, check_tile


class IntensityJitter(Transform):
    """Give every channel its own random gain and offset: colour distortion for fluorescence.

    Stains of a fluorescence image are measured one by one, so there is no hue to shift, and the brightness of one
    channel says nothing about the next.

    Parameters
    ----------
    gain
        Factor of each channel, drawn between 1 - x and 1 + x.
    offset
        Added to each channel, drawn between -x and x of the full range (255, or 1 for float32).
    keys
        Tiles (C, P, P), uint8, or float32 between 0 and 1. Results are clipped to the range.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import IntensityJitter
    >>> tile = np.full((5, 2, 2), 0.5, np.float32)
    >>> out = IntensityJitter(gain=0.2, offset=0.0)({"tile": tile}, np.random.default_rng(0))["tile"]
    >>> out.shape, np.unique(out).size
    ((5, 2, 2), 5)
    """

    def __init__(
        self, *, gain: float = 0.4, offset: float = 0.1, keys: str | Iterable[str] = ("tile",), p: float = 1.0
    ) -> None:
        super().__init__(keys, p)
        self.gain = as_number(gain, "gain", 0, 1)
        self.offset = as_number(offset, "offset", 0, 1)

    def check(self, value: Any, key: str, first: Any) -> None:
        """Refuse what is no tile, or has other channels than the first key."""
        check_tile(value, key, unit=True)
        if len(value) != len(first):
            raise InputError(
                "must have as many channels as the first key",
                key=f"sample[{key!r}]",
                found=f"{len(value)} beside {len(first)}",
                fix="use one IntensityJitter for each",
            )

    def sample_parameters(self, value: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """Draw gain and offset of each channel, float64 (C,)."""
        n = len(value)
        return {"gain": 1 + self.gain * rng.uniform(-1, 1, n), "offset": self.offset * rng.uniform(-1, 1, n)}

    def apply(self, value: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
        """Scale and shift each channel of a tile (C, P, P)."""
        whole = value.dtype == np.uint8
        top = 255 if whole else 1
        gain, offset = (parameters[name].astype(np.float32)[:, None, None] for name in ("gain", "offset"))
        changed = np.clip(value * gain + top * offset, 0, top)
        return np.rint(changed, out=changed).astype(np.uint8) if whole else changed
