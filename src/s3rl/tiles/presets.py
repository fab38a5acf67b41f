"""Tile sizes of the paper, with the physical size beside the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

from s3rl.errors import ParameterError

__all__ = ["TILE_PRESETS", "TilePreset"]


@dataclass(frozen=True)
class TilePreset:
    """Size of the tiles of a technology, in pixels and in micrometres.

    :func:`s3rl.pp.make_tiles` cuts boxes of ``microns`` on the side and reads them from the level of the image where
    they have ``pixels``, or more where no level fits. The paper's sizes (Fu et al., Adv. Sci. 2025, section 4.1) are
    in ``s3.pp.TILE_PRESETS`` as ``"visium"``, ``"cosmx"`` and ``"merscope"``.

    Parameters
    ----------
    pixels
        Side of the tile in pixels.
    microns_per_pixel
        Side of a pixel of the image that these pixels were meant for.

    Raises
    ------
    ParameterError
        If ``pixels`` is no positive integer or ``microns_per_pixel`` no positive number.

    Examples
    --------
    >>> import s3rl as s3
    >>> s3.pp.TILE_PRESETS["visium"]
    TilePreset(pixels=16, microns_per_pixel=3.125)
    >>> s3.pp.TILE_PRESETS["visium"].microns
    50.0
    """

    pixels: int
    microns_per_pixel: float

    def __post_init__(self) -> None:
        if not isinstance(self.pixels, int) or isinstance(self.pixels, bool) or self.pixels < 1:
            raise ParameterError(
                "must be a positive integer", key="pixels", found=repr(self.pixels), fix="TilePreset(32, 0.5)"
            )
        size = self.microns_per_pixel
        if not isinstance(size, int | float) or isinstance(size, bool) or not 0 < size < inf:
            raise ParameterError(
                "must be a positive number", key="microns_per_pixel", found=repr(size), fix="TilePreset(32, 0.5)"
            )

    @property
    def microns(self) -> float:
        """Side of the tile in micrometres."""
        return self.pixels * self.microns_per_pixel


# Visium: the paper's two numbers, 16 pixels (4.1) and patches of 50 micrometres (figure 1A). CosMx: 0.18 micrometres
# is what the images of its lung sections have, newer instruments 0.12. MERSCOPE: 0.108 micrometres.
TILE_PRESETS: Mapping[str, TilePreset] = MappingProxyType(
    {
        "visium": TilePreset(16, 3.125),
        "cosmx": TilePreset(60, 0.18),
        "merscope": TilePreset(40, 0.108),
    }
)
