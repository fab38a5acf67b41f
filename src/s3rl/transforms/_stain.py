"""Jitter of the stains of haematoxylin and eosin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from s3rl.transforms._base import Transform
from s3rl.transforms._checks import as_number, check_tile

# absorption of red, green and blue by haematoxylin and by eosin (Ruifrok and Johnston 2001)
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
_BASIS = np.vstack([_STAINS, np.cross(*_STAINS)])
_INVERSE = np.linalg.inv(_BASIS)


class StainJitter(Transform):
    """Vary how strongly each stain of an H&E tile took, as it varies between slides and laboratories.

    Pixels become optical densities, densities the amounts of haematoxylin, of eosin and of what neither explains
    (Ruifrok and Johnston 2001); the two stains are multiplied by random factors, and the way back is taken. What
    neither stain explains is kept, so factors of 1 give the tile itself, and glass stays glass.

    Parameters
    ----------
    haematoxylin, eosin
        The factor of the stain is drawn between 1 - x and 1 + x.
    keys
        Tiles (3, P, P) in red, green, blue, uint8, or float32 between 0 and 1.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import StainJitter
    >>> tile = np.array([[120, 255], [60, 255], [150, 255]], np.uint8)[:, None]
    >>> out = StainJitter()({"tile": tile}, np.random.default_rng(0))["tile"]
    >>> bool((out != tile)[..., 0].any()), out[:, 0, 1].tolist()
    (True, [255, 255, 255])
    """

    def __init__(
        self,
        *,
        haematoxylin: float = 0.3,
        eosin: float = 0.3,
        keys: str | Iterable[str] = ("tile",),
        p: float = 1.0,
    ) -> None:
        super().__init__(keys, p)
        self.haematoxylin = as_number(haematoxylin, "haematoxylin", 0, 1)
        self.eosin = as_number(eosin, "eosin", 0, 1)

    def check(self, value: Any, key: str, first: Any) -> None:
        """Refuse what is no tile of three channels."""
        check_tile(value, key, channels=(3,), unit=True)

    def sample_parameters(self, value: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """Draw the factor of each stain."""
        return {
            "haematoxylin": 1 + self.haematoxylin * rng.uniform(-1, 1),
            "eosin": 1 + self.eosin * rng.uniform(-1, 1),
        }

    def apply(self, value: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
        """Multiply the amounts of the two stains in a tile (3, P, P)."""
        whole = value.dtype == np.uint8
        top, step = (255, 1) if whole else (1, 1 / 255)
        factors = np.array([parameters["haematoxylin"], parameters["eosin"], 1.0])
        mixed = (_INVERSE @ (factors[:, None] * _BASIS)).T.astype(np.float32)
        # one step brighter, so that black has a logarithm and comes back as black
        logs = np.log((value.reshape(3, -1) + np.float32(step)) / np.float32(top + step))
        pixels = np.exp(mixed @ logs) * np.float32(top + step) - np.float32(step)
        pixels = np.clip(pixels, 0, top).reshape(value.shape)
        return np.rint(pixels).astype(np.uint8) if whole else pixels
