"""Which image of an input its spots are seen best on, and at which level of its pyramid."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from s3rl.errors import DataTypeError, InputError, MissingKeyError, ParameterError

if TYPE_CHECKING:
    from spatialdata import SpatialData

    from s3rl.cli._pipeline import Settings

WANTED_PIXELS = 32
FEWEST_PIXELS = 8
_SLACK = 1.1


class Choice(NamedTuple):
    """A level of an image: pixels of the full resolution for each of its, and its pixels from spot to spot."""

    image: str
    level: str
    factor: float
    pitch: float

    @property
    def distance(self) -> float:
        """How far from what is wanted, by ratio."""
        return abs(math.log(self.pitch / WANTED_PIXELS))

    @property
    def side(self) -> int:
        """Side of a tile that reaches half way to the neighbours of its spot, even and not too small."""
        return max(FEWEST_PIXELS, 2 * math.ceil(self.pitch / 2 - 1e-6))


def level_for(sdata: SpatialData, region: str, settings: Settings) -> Choice:
    """Find the level of an image that fits the spots of a region best."""
    images = [name for name in sdata.images if settings.image_key is None or _is_meant(name, settings.image_key)]
    if not images:
        raise MissingKeyError(
            "names no image",
            key="image_key",
            found=repr(settings.image_key),
            available=sdata.images,
            fix="pass one of these names, or a word of it such as hires",
        )
    found: list[Choice] = []
    for name in images:
        try:
            found += _levels(sdata, name, region)
        except DataTypeError:
            # a stack of planes beside a picture
            if len(images) == 1:
                raise
    if not found:
        raise InputError(
            "share no coordinate system",
            key=f"images and {region!r}",
            found=", ".join(images),
            fix="spatialdata.transformations.set_transformation(sdata[image], ..., coordinate_system)",
        )
    best = min(found, key=lambda choice: choice.distance)
    if best.pitch < FEWEST_PIXELS and settings.tile_size is None:
        raise ParameterError(
            f"is too coarse: its spots are less than {FEWEST_PIXELS} pixels apart",
            key=f"images[{best.image!r}]",
            found=f"{best.pitch:.1f} pixels",
            fix="pass an input with a finer image, or --tile-size to use this one all the same",
        )
    return best


def _is_meant(name: str, wanted: str) -> bool:
    return name == wanted or wanted in name.split("_")


def _levels(sdata: SpatialData, image_key: str, region_key: str) -> list[Choice]:
    """Levels of an image that shares a coordinate system with the region; none where it does not."""
    import numpy as np

    from s3rl._slots.images import image_of, levels_of, matrix_of, systems_of
    from s3rl._slots.regions import region_of
    from s3rl.graph.across import pitch_of
    from s3rl.tiles.geometry import mapped

    if region_key not in sdata or not set(systems_of(sdata.images[image_key])) & set(systems_of(sdata[region_key])):
        return []
    levels = levels_of(image_of(sdata, image_key), image_key)
    region = region_of(sdata, image_key, region_key=region_key, table_key=None, system=None)
    onto = np.linalg.inv(matrix_of(sdata.images[image_key], region.system, f"images[{image_key!r}]"))
    pitch = max(pitch_of(mapped(onto, region.xy)), 1e-9)
    factors = {name: float(np.sqrt(level.factor.prod())) for name, level in levels.items()}
    return [Choice(image_key, name, factor, pitch / factor) for name, factor in factors.items()]


def common_side(choices: list[Choice]) -> int:
    """Side in pixels of the tiles of all slices; refused where their resolutions differ too much for one."""
    pitches = [choice.pitch for choice in choices]
    if max(pitches) > _SLACK * min(pitches):
        raise ParameterError(
            "of the slices differ in resolution, so that tiles of one size show different things",
            key="images",
            found=", ".join(f"{choice.image}: {choice.pitch:.1f} pixels from spot to spot" for choice in choices),
            fix="bring them to one resolution, or run each slice by itself",
        )
    return max(choice.side for choice in choices)
