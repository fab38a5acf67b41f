"""Transforms that move pixels: crop, flip, resize."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from s3rl.transforms._checks import as_count, as_range
from s3rl.transforms._pixels import PixelTransform, make_worker

_FLIPS = ("e", "h", "v", "r180")
_TURNS = (*_FLIPS, "r90", "r270", "t", "hvt")


class RandomResizedCrop(PixelTransform):
    """Crop a random part and resize it.

    Pixels are averaged where the crop is larger than the result and interpolated linearly where it is smaller.

    Parameters
    ----------
    size
        Side of the result in pixels; None keeps the size of the tile.
    scale
        Smallest and largest share of the area that is cropped.
    ratio
        Smallest and largest width of the crop over its height.
    keys
        Tiles (C, P, P), uint8 or float32, and masks (P, P), which are resampled by nearest neighbours; all of them
        lose the same margins.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import RandomResizedCrop
    >>> crop = RandomResizedCrop(32, keys=("tile", "mask"))
    >>> sample = {"tile": np.zeros((5, 60, 60), np.uint8), "mask": np.zeros((60, 60), bool)}
    >>> out = crop(sample, np.random.default_rng(0))
    >>> out["tile"].shape, out["mask"].shape
    ((5, 32, 32), (32, 32))
    """

    unit = False
    masks = True

    def __init__(
        self,
        size: int | None = None,
        *,
        scale: tuple[float, float] = (0.2, 1.0),
        ratio: tuple[float, float] = (0.75, 4 / 3),
        keys: str | Iterable[str] = ("tile",),
        p: float = 1.0,
    ) -> None:
        super().__init__(keys, p)
        self.size = None if size is None else as_count(size)
        self.scale = as_range(scale, "scale", 1e-6, 1.0)
        self.ratio = as_range(ratio, "ratio", 1e-3, 1e3)

    def worker(self, shape: tuple[int, ...]) -> Any:
        """Albumentations transform for tiles of this shape."""
        size = shape[-2:] if self.size is None else (self.size, self.size)
        return make_worker("RandomResizedCrop", size=size, scale=self.scale, ratio=self.ratio, **_interpolation())


class Flip(PixelTransform):
    """Flip and turn at random: tissue on a slide has no up, and no left.

    Each of the eight symmetries of the square is as likely as the others, the tile as it is being one of them.

    Parameters
    ----------
    turns
        Whether quarter turns take part; without them only the flips along either axis and both do.
    keys
        Tiles (C, P, P), uint8 or float32, and masks (P, P); all are flipped alike.
    p
        Probability of being applied.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import Flip
    >>> tile = np.arange(4, dtype=np.uint8).reshape(1, 2, 2)
    >>> Flip(turns=False)({"tile": tile}, np.random.default_rng(1))["tile"][0].tolist()
    [[1, 0], [3, 2]]
    """

    unit = False
    masks = True

    def __init__(self, *, turns: bool = True, keys: str | Iterable[str] = ("tile",), p: float = 1.0) -> None:
        super().__init__(keys, p)
        self.turns = bool(turns)

    def worker(self, shape: tuple[int, ...]) -> Any:
        """Albumentations transform for all shapes."""
        return make_worker("D4")

    def sample_parameters(self, value: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """Draw one symmetry of the square."""
        elements = _TURNS if self.turns else _FLIPS
        return {"group_element": elements[rng.integers(len(elements))]}


class Resize(PixelTransform):
    """Resize to a fixed side.

    Pixels are averaged where the tile shrinks and interpolated linearly where it grows.

    Parameters
    ----------
    size
        Side of the result in pixels.
    keys
        Tiles (C, P, P), uint8 or float32, and masks (P, P), which are resampled by nearest neighbours.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If the size is no whole number of pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import Resize
    >>> Resize(16)({"tile": np.zeros((3, 40, 40), np.float32)}, np.random.default_rng(0))["tile"].shape
    (3, 16, 16)
    """

    unit = False
    masks = True

    def __init__(self, size: int, *, keys: str | Iterable[str] = ("tile",), p: float = 1.0) -> None:
        super().__init__(keys, p)
        self.size = as_count(size)

    def worker(self, shape: tuple[int, ...]) -> Any:
        """Albumentations transform for all shapes."""
        return make_worker("Resize", height=self.size, width=self.size, **_interpolation())


def _interpolation() -> dict[str, Any]:
    """Areas where a tile shrinks; for masks the neighbour whose centre is nearest, as OpenCV's default is not."""
    import cv2

    return {"area_for_downscale": "image", "mask_interpolation": cv2.INTER_NEAREST_EXACT}
