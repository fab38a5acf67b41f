"""Gaussian blur."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from s3rl.transforms._checks import as_range
from s3rl.transforms._pixels import PixelTransform, make_worker


class Blur(PixelTransform):
    """Blur with a Gaussian of random width.

    Parameters
    ----------
    sigma
        Smallest and largest standard deviation in pixels.
    keys
        Tiles (C, P, P), uint8, or float32 between 0 and 1.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If sigma is no range above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import Blur
    >>> point = np.zeros((1, 9, 9), np.float32)
    >>> point[0, 4, 4] = 1
    >>> out = Blur(sigma=(1.0, 1.0))({"tile": point}, np.random.default_rng(0))["tile"]
    >>> round(float(out.max()), 2), round(float(out.sum()), 2)
    (0.16, 1.0)
    """

    def __init__(
        self, *, sigma: tuple[float, float] = (0.1, 2.0), keys: str | Iterable[str] = ("tile",), p: float = 1.0
    ) -> None:
        super().__init__(keys, p)
        self.sigma = as_range(sigma, "sigma", 1e-3, 1e3)

    def worker(self, shape: tuple[int, ...]) -> Any:
        """Albumentations transform for all shapes."""
        return make_worker("GaussianBlur", sigma_limit=self.sigma)
