"""Transforms between ranges of values: into 0 to 1, and to what an encoder expects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from s3rl.errors import DataTypeError, InputError, ParameterError
from s3rl.transforms._base import Transform
from s3rl.transforms._checks import check_array, check_tile


class Rescale(Transform):
    """Bring tiles of any numeric type into float32 between 0 and 1, which the other transforms take.

    Parameters
    ----------
    low, high
        Values that become 0 and 1, one number or one for each channel; what lies outside is clipped. Without ``high``
        the largest value of the integer type is taken, which leaves a 12-bit camera in 16-bit pixels dark.
    keys
        Tiles (C, P, P) of integers or floats.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If ``high`` is not above ``low``, or there is another number of them than channels.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import Rescale
    >>> tile = np.array([0, 2048, 4095], np.uint16).reshape(1, 1, 3)
    >>> Rescale(high=4095)({"tile": tile}, np.random.default_rng(0))["tile"].ravel().round(3).tolist()
    [0.0, 0.5, 1.0]
    """

    def __init__(
        self,
        *,
        low: float | Sequence[float] = 0.0,
        high: float | Sequence[float] | None = None,
        keys: str | Iterable[str] = ("tile",),
        p: float = 1.0,
    ) -> None:
        super().__init__(keys, p)
        self.low = _values(low, "low")
        self.high = None if high is None else _values(high, "high")
        if self.high is not None and not np.all(np.subtract(self.high, self.low) > 0):
            raise ParameterError(
                "must be above low", key="high", found=f"{high!r} with low={low!r}", fix="pass the brightest value"
            )

    def check(self, value: Any, key: str, first: Any) -> None:
        """Refuse what has no numbers, or floats where nothing says how bright they get."""
        check_array(value, key)
        if value.dtype.kind not in ("uif" if self.high is not None else "ui"):
            raise DataTypeError(
                "has no range of its own" if value.dtype.kind == "f" else "has no numbers",
                key=f"sample[{key!r}]",
                found=f"{value.dtype}",
                fix="pass Rescale(high=<brightest value>)",
            )
        for name in ("low", "high"):
            _check_channels(getattr(self, name), name, value)

    def apply(self, value: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
        """Scale a tile (C, P, P)."""
        high = np.iinfo(value.dtype).max if self.high is None else self.high
        low = _column(self.low, np.float64)
        scaled = (value - low) / (_column(high, np.float64) - low)
        return np.clip(scaled, 0, 1).astype(np.float32)


class Normalize(Transform):
    """Subtract a mean and divide by a standard deviation, to float32; the last step before an encoder.

    Parameters
    ----------
    mean, std
        Of each channel, on the scale from 0 to 1, also for uint8; one number or one for each channel. The defaults are
        those of ImageNet, which most pretrained encoders expect.
    keys
        Tiles (C, P, P), uint8 or float32.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If a standard deviation is not above 0, or there is another number of them than channels.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import Normalize
    >>> tile = np.array([0, 255], np.uint8).reshape(1, 1, 2)
    >>> Normalize(mean=0.5, std=0.25)({"tile": tile}, np.random.default_rng(0))["tile"]
    array([[[-2.,  2.]]], dtype=float32)
    """

    def __init__(
        self,
        *,
        mean: float | Sequence[float] = (0.485, 0.456, 0.406),
        std: float | Sequence[float] = (0.229, 0.224, 0.225),
        keys: str | Iterable[str] = ("tile",),
        p: float = 1.0,
    ) -> None:
        super().__init__(keys, p)
        self.mean, self.std = _values(mean, "mean"), _values(std, "std")
        if not np.all(np.asarray(self.std) > 0):
            raise ParameterError("must be above 0", key="std", found=repr(std), fix="pass std of the training tiles")

    def check(self, value: Any, key: str, first: Any) -> None:
        """Refuse what is no tile, or has other channels than there are means."""
        check_tile(value, key)
        for name in ("mean", "std"):
            _check_channels(getattr(self, name), name, value)

    def apply(self, value: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
        """Normalise a tile (C, P, P)."""
        top = 255 if value.dtype == np.uint8 else 1
        mean, std = (_column(values, np.float32) for values in (self.mean, self.std))
        return (value - mean * np.float32(top)) / (std * np.float32(top))


def _values(value: Any, name: str) -> float | tuple[float, ...]:
    """One finite number, or a tuple of them."""
    try:
        values = tuple(float(v) for v in value) if np.iterable(value) else float(value)
    except (TypeError, ValueError):
        values = ()
    if values == () or not np.all(np.isfinite(values)):
        raise ParameterError(
            "must be one number, or one for each channel", key=name, found=repr(value), fix=f"pass {name}=(...)"
        )
    return values


def _column(values: float | tuple[float, ...], dtype: Any) -> np.ndarray:
    return np.asarray(values, dtype).reshape(-1, 1, 1)


def _check_channels(values: float | tuple[float, ...] | None, name: str, tile: np.ndarray) -> None:
    if isinstance(values, tuple) and len(values) != len(tile):
        raise InputError(
            f"has {len(values)} values for a tile of {len(tile)} channels",
            key=name,
            found=repr(values),
            fix=f"pass {name}= one number, or one for each channel",
        )
