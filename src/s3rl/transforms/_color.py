"""Transforms of colour, for tiles of one or three channels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from s3rl.transforms._checks import as_number
from s3rl.transforms._pixels import PixelTransform, make_worker


class ColorJitter(PixelTransform):
    """Change brightness, contrast, saturation and hue at random, in random order.

    The defaults are those of SimCLR for small pictures. A grey tile of one channel changes in brightness and contrast
    only.

    Parameters
    ----------
    brightness, contrast, saturation
        Factors are drawn between 1 - x and 1 + x, never below 0.
    hue
        Shift of the hue, drawn between -x and x of a full turn; at most 0.5.
    keys
        Tiles (1 or 3, P, P), uint8, or float32 between 0 and 1.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import ColorJitter
    >>> jitter = ColorJitter(contrast=0.0, saturation=0.0, hue=0.0)
    >>> out = jitter({"tile": np.full((3, 2, 2), 100, np.uint8)}, np.random.default_rng(0))
    >>> out["tile"].dtype, np.unique(out["tile"]).size
    (dtype('uint8'), 1)
    """

    channels = (1, 3)

    def __init__(
        self,
        *,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
        keys: str | Iterable[str] = ("tile",),
        p: float = 1.0,
    ) -> None:
        super().__init__(keys, p)
        self.brightness = as_number(brightness, "brightness", 0, 10)
        self.contrast = as_number(contrast, "contrast", 0, 10)
        self.saturation = as_number(saturation, "saturation", 0, 10)
        self.hue = as_number(hue, "hue", 0, 0.5)

    def worker(self, shape: tuple[int, ...]) -> Any:
        """Albumentations transform for all shapes."""
        return make_worker(
            "ColorJitter",
            brightness=self.brightness,
            contrast=self.contrast,
            saturation=self.saturation,
            hue=self.hue,
        )


class ToGray(PixelTransform):
    """Give all three channels the luminance of the tile; a tile of one channel stays as it is.

    Parameters
    ----------
    keys
        Tiles (1 or 3, P, P), uint8, or float32 between 0 and 1.
    p
        Probability of being applied.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import ToGray
    >>> tile = np.array([255, 0, 0], np.uint8).reshape(3, 1, 1)
    >>> ToGray()({"tile": tile}, np.random.default_rng(0))["tile"].ravel().tolist()
    [76, 76, 76]
    """

    channels = (1, 3)

    def __init__(self, *, keys: str | Iterable[str] = ("tile",), p: float = 1.0) -> None:
        super().__init__(keys, p)

    def worker(self, shape: tuple[int, ...]) -> Any:
        """Albumentations transform for all shapes."""
        return make_worker("ToGray", num_output_channels=1)

    def apply(self, value: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
        """Transform a tile of three channels."""
        if len(value) == 1:
            return value
        gray = self.worker(value.shape).apply(np.ascontiguousarray(value.transpose(1, 2, 0)))
        return np.repeat(gray.reshape(1, *value.shape[1:]), 3, axis=0)
