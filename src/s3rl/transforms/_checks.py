"""What tiles and arguments must be, with errors that say how to get there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from s3rl.errors import DataTypeError, InputError, ParameterError

NUMBERS = (int, float, np.integer, np.floating)
_BOUND = 1e-3


def check_array(value: Any, key: str) -> None:
    """Refuse what is no numpy array with pixels in it."""
    name = f"sample[{key!r}]"
    if not isinstance(value, np.ndarray):
        raise DataTypeError(
            "is no numpy array",
            key=name,
            found=f"{type(value).__module__}.{type(value).__name__}",
            fix="convert it, for example with numpy.asarray(tile)",
        )
    if value.ndim != 3:
        raise InputError(
            "must have three axes, channels first",
            key=name,
            found=f"shape {value.shape}",
            fix="pass (C, P, P); for a grey tile tile[None], for channels last tile.transpose(2, 0, 1)",
        )
    if value.size == 0:
        raise InputError("has no pixels", key=name, found=f"shape {value.shape}", fix="leave empty tiles out")


def check_tile(value: Any, key: str, *, channels: Sequence[int] = (), unit: bool = False) -> None:
    """Refuse what is no uint8 or float32 tile (C, P, P).

    Parameters
    ----------
    value, key
        The tile and its key in the sample.
    channels
        Accepted numbers of channels; all where empty.
    unit
        Whether float values must lie between 0 and 1.
    """
    check_array(value, key)
    name = f"sample[{key!r}]"
    if value.dtype != np.uint8 and value.dtype != np.float32:
        raise DataTypeError(
            "must be uint8, or float32 between 0 and 1",
            key=name,
            found=f"{value.dtype}",
            fix="scale first: put s3.transforms.Rescale(high=<brightest value>) before the other transforms",
        )
    if channels and len(value) not in channels:
        raise wrong_channels(
            value, key, channels, "use s3.transforms.IntensityJitter, which takes any number of channels"
        )
    if unit and value.dtype == np.float32:
        low, high = float(value.min()), float(value.max())
        if not (low >= -_BOUND and high <= 1 + _BOUND):
            raise InputError(
                "must lie between 0 and 1",
                key=name,
                found=f"values from {low:g} to {high:g}",
                fix="scale first with s3.transforms.Rescale(high=<brightest value>), and normalise last",
            )


def wrong_channels(value: np.ndarray, key: str, wanted: Sequence[int], fix: str) -> InputError:
    """Error of a tile with other channels than wanted, with another fix where they come last."""
    last = value.shape[-1] in wanted
    return InputError(
        f"must have {' or '.join(map(str, wanted))} channels, on the first axis",
        key=f"sample[{key!r}]",
        found=f"shape {value.shape}",
        fix="pass tile.transpose(2, 0, 1)" if last else fix,
    )


def as_range(value: Any, name: str, low: float, high: float = float("inf")) -> tuple[float, float]:
    """Two ordered numbers between ``low`` and ``high``, or a kind error."""
    try:
        first, last = (float(bound) for bound in value)
    except (TypeError, ValueError):
        first, last = 1.0, 0.0
    if not low <= first <= last <= high or last == float("inf"):
        raise ParameterError(
            f"must be two ordered numbers from {low:g} to {high:g}",
            key=name,
            found=repr(value),
            fix=f"pass {name}=(smallest, largest)",
        )
    return first, last


def as_number(value: Any, name: str, low: float, high: float = float("inf")) -> float:
    """A number from ``low`` to ``high``, or a kind error."""
    if isinstance(value, bool) or not isinstance(value, NUMBERS) or not low <= value <= high:
        raise ParameterError(
            f"must be a number from {low:g} to {high:g}", key=name, found=repr(value), fix=f"pass {name}={low:g}"
        )
    return float(value)


def as_count(value: Any, name: str = "size", unit: str = "pixels") -> int:
    """A whole number, one or more, or a kind error."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ParameterError(
            "must be a whole number, one or more", key=name, found=repr(value), fix=f"pass a count of {unit} as {name}"
        )
    return int(value)
