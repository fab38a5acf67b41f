"""The bridge to albumentations: its pixels and its sampling, driven by our generator and free of its state."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from s3rl.errors import DataTypeError, InputError
from s3rl.transforms._base import Transform
from s3rl.transforms._checks import check_tile

_QUIET = "NO_ALBUMENTATIONS_UPDATE"
_MASKS = ("bool", "uint8", "uint16", "int16", "int32", "float32")
# OpenCV computes on one thread below this many pixels
_SERIAL = 1 << 16

_gate = threading.Lock()
_inside: list[int] = []


class PixelTransform(Transform):
    """Transform whose parameters and pixels are those of an albumentations transform."""

    channels: tuple[int, ...] = ()
    unit = True
    masks = False

    @abstractmethod
    def worker(self, shape: tuple[int, ...]) -> Any:
        """Albumentations transform for tiles of this shape; shared, so never changed."""

    def check(self, value: Any, key: str, first: Any) -> None:
        """Refuse what is no tile, and where masks are taken, what is neither."""
        if not (self.masks and isinstance(value, np.ndarray) and value.ndim == 2):
            check_tile(value, key, channels=self.channels, unit=self.unit)
        elif value.dtype.name not in _MASKS:
            raise DataTypeError(
                "is a mask of a type that cannot be resampled",
                key=f"sample[{key!r}]",
                found=f"{value.dtype}",
                available=_MASKS,
                fix="cast it, for example mask.astype('int32')",
            )
        if self.masks and value.shape[-2:] != first.shape[-2:]:
            raise InputError(
                "must cover the same pixels as the first key",
                key=f"sample[{key!r}]",
                found=f"{value.shape[-2:]} beside {first.shape[-2:]}",
                fix="give both the same height and width, or transform them one by one",
            )

    def sample_parameters(self, value: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """Draw what albumentations draws, from our generator."""
        # a copy carries the generator, so that threads that share this transform cannot mix their streams
        worker = copy(self.worker(value.shape))
        worker.set_random_state(rng, _Draws(rng))
        parameters = worker.get_params()
        shape = {"shape": (*value.shape[-2:], len(value) if value.ndim == 3 else 1)}
        parameters |= worker.get_params_dependent_on_data(shape, {"image": value})
        parameters.pop("shape", None)
        return parameters

    def apply(self, value: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
        """Transform a tile (C, P, P), or where masks are taken a mask (P, P) by nearest neighbours."""
        worker = self.worker(value.shape)
        with one_thread(value.shape):
            if value.ndim == 2:
                whole = np.ascontiguousarray(value.view(np.uint8) if value.dtype == bool else value)
                return worker.apply_to_mask(whole, **parameters).view(value.dtype)
            # between transforms a tile stays channels last in memory, where this copies nothing
            pixels = worker.apply(np.ascontiguousarray(value.transpose(1, 2, 0)), **parameters)
        # albumentations and OpenCV drop axes of length one
        sides = pixels.shape[:2] if self.masks else value.shape[1:]
        return pixels.reshape(*sides, len(value)).transpose(2, 0, 1)


@lru_cache(maxsize=256)
def make_worker(name: str, **arguments: Any) -> Any:
    """Albumentations transform of this name, made once for each set of arguments."""
    return getattr(albumentations(), name)(**arguments)


@lru_cache(maxsize=1)
def albumentations() -> ModuleType:
    """Import albumentations without its request for the newest version."""
    before = os.environ.get(_QUIET)
    os.environ[_QUIET] = "1"
    try:
        import albumentations as module
    finally:
        if before is None:
            del os.environ[_QUIET]
        else:
            os.environ[_QUIET] = before
    return module


@contextmanager
def one_thread(shape: tuple[int, ...]) -> Iterator[None]:
    """Keep OpenCV from starting threads of its own, which dead-lock in forked workers and crowd out ours.

    The setting is global, so the first to enter stores it and the last to leave restores it.
    """
    if shape[-1] * shape[-2] < _SERIAL:
        yield
        return
    import cv2

    with _gate:
        _inside.append(_inside[-1] if _inside else cv2.getNumThreads())
        cv2.setNumThreads(0)
    try:
        yield
    finally:
        with _gate:
            before = _inside.pop()
            if not _inside:
                cv2.setNumThreads(before)


class _Draws:
    """The part of ``random.Random`` that albumentations calls, on a numpy generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.random = rng.random

    def uniform(self, low: float, high: float) -> float:
        """Draw a number between two numbers."""
        return low + (high - low) * self.random()

    def randint(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        return int(self.rng.integers(low, high, endpoint=True))
