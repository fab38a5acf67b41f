"""A picture of the tissue that looks like haematoxylin and eosin, rendered block by block on demand.

Pixels follow the absorption law: RGB = white * 10**-(haematoxylin + eosin), each stain with its own colour. Rendering
a block needs nothing from its neighbours, so the picture is the same for every chunk size of the reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from s3rl._random import stream
from s3rl.datasets import _tissue

if TYPE_CHECKING:
    import dask.array as da

    from s3rl.datasets._tissue import Placement, Tissue

CHUNK = 256
PIXEL_SIZE = {"visium": 3.0, "cells": 0.5}

_WHITE = np.array([244.0, 242.0, 244.0])
_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
_EOSIN = np.array([0.10, 0.55, 0.28])
_NUCLEUS = 0.62
_NOISE = 256


@dataclass(frozen=True)
class Scene:
    """Everything that the pixels of one slice depend on.

    Parameters
    ----------
    tissue, placement, limit
        Anatomy, how the slice lies, and the level up to which there is tissue.
    stain
        Float (k, 4), see :func:`s3rl.datasets._tissue.stain_of_layers`.
    blur
        Width of the borders as a share of the depth.
    origin, pixel_size, rotation
        Microns of the corner of the first pixel, microns in a pixel, and degrees by which the pixels are turned.
    shape
        Height and width in pixels.
    nuclei
        Float (m, 6): pixel x, pixel y, the two half axes in pixels, angle, darkness; ordered by y.
    noise
        Float (256, 256), periodic, standard normal.
    seed, path
        Name of the random stream of the blocks.
    """

    tissue: Tissue
    placement: Placement
    limit: float
    stain: np.ndarray
    blur: float
    origin: np.ndarray
    pixel_size: float
    rotation: float
    shape: tuple[int, int]
    nuclei: np.ndarray
    noise: np.ndarray
    seed: int
    path: tuple[int, ...]


def frame_of(xy: np.ndarray, margin: float, pixel_size: float, rotation: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Corner (2,) in microns and shape (height, width) of the smallest picture that shows all ``xy`` and a margin."""
    turn = _tissue.turn(rotation)
    turned = xy @ turn
    low, high = turned.min(axis=0) - margin, turned.max(axis=0) + margin
    width, height = np.ceil((high - low) / pixel_size).astype(int)
    return turn @ low, (int(height), int(width))


def matrix_of(origin: np.ndarray, pixel_size: float, rotation: float) -> np.ndarray:
    """Float (3, 3): homogeneous pixel (x, y) to microns (x, y)."""
    matrix = np.eye(3)
    matrix[:2, :2] = _tissue.turn(rotation) * pixel_size
    matrix[:2, 2] = origin
    return matrix


def scatter_nuclei(
    tissue: Tissue,
    placement: Placement,
    limit: float,
    stain: np.ndarray,
    box: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Float (m, 2) microns: nuclei in ``box`` (low, high corner), as dense as the stain of their layer says."""
    low, high = box
    most = stain[:, 0].max()
    # a jittered grid keeps nuclei apart, which uniform points do not
    pitch = 1000.0 / np.sqrt(most)
    axes = [np.arange(a, b, pitch) for a, b in zip(low, high, strict=True)]
    xy = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    xy = xy + rng.uniform(0.0, pitch, xy.shape)
    inside = to_inside(tissue, placement, limit, xy)
    depths = _tissue.depth(tissue, _tissue.to_tissue(placement, xy))
    density = stain[np.searchsorted(tissue.borders, depths, side="right"), 0]
    return xy[inside & (rng.random(len(xy)) * most < density)]


def to_inside(tissue: Tissue, placement: Placement, limit: float, xy: np.ndarray) -> np.ndarray:
    """Bool (n,): points of the slice frame that lie on tissue that was kept."""
    at = _tissue.to_tissue(placement, xy)
    low, high = placement.kept
    return (_tissue.level(tissue, at) <= limit) & (at[:, 0] >= low) & (at[:, 0] <= high)


def shape_nuclei(xy: np.ndarray, radii: np.ndarray, matrix: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Float (m, 6) as :class:`Scene` wants them, for nuclei at ``xy`` of mean radius ``radii``, both in microns."""
    size = np.sqrt(np.linalg.det(matrix[:2, :2]))
    pixels = (xy - matrix[:2, 2]) @ np.linalg.inv(matrix[:2, :2]).T
    radius = radii / size * rng.lognormal(0.0, 0.12, len(xy))
    stretch = rng.uniform(1.0, 1.5, len(xy))
    angle = rng.uniform(0.0, np.pi, len(xy))
    dark = rng.uniform(0.65, 1.0, len(xy))
    nuclei = np.column_stack([pixels, radius * np.sqrt(stretch), radius / np.sqrt(stretch), angle, dark])
    return nuclei[np.argsort(nuclei[:, 1], kind="stable")]


def make_noise(rng: np.random.Generator) -> np.ndarray:
    """Float (256, 256): smooth, periodic, mean 0 and standard deviation 1."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.normal(size=(_NOISE, _NOISE)), 1.2, mode="wrap")
    return (noise - noise.mean()) / noise.std()


def picture(scene: Scene) -> da.Array:
    """Uint8 (3, height, width) in chunks of 256 pixels; nothing is drawn before a chunk is asked for."""
    import dask.array as da

    sides = [tuple([CHUNK] * (n // CHUNK) + ([n % CHUNK] if n % CHUNK else [])) for n in scene.shape]
    return da.map_blocks(_block, scene, chunks=((3,), *sides), dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8))


def _block(scene: Scene, block_id: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    top, left = block_id[1] * CHUNK, block_id[2] * CHUNK
    height, width = min(CHUNK, scene.shape[0] - top), min(CHUNK, scene.shape[1] - left)
    return draw(scene, top, left, height, width, stream(scene.seed, *scene.path, *block_id[1:]))


def draw(scene: Scene, top: int, left: int, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Uint8 (3, height, width): the pixels from row ``top`` and column ``left``."""
    matrix = matrix_of(scene.origin, scene.pixel_size, scene.rotation)
    columns, rows = np.meshgrid(np.arange(left, left + width) + 0.5, np.arange(top, top + height) + 0.5)
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
    at = _tissue.to_tissue(scene.placement, pixels @ matrix[:2, :2].T + matrix[:2, 2])
    cover = _cover(scene, at)
    depths = _tissue.depth(scene.tissue, at)
    weights = _tissue.memberships(depths, scene.tissue.borders, scene.blur)
    _, eosin, diffuse, _ = (weights @ scene.stain).T
    eosin = eosin * np.exp(_texture(scene, at, depths, weights[:, -1]))
    nucleus = _stamp(scene.nuclei, top, left, height, width).ravel()
    chromatin = nucleus * (1.0 + 0.12 * _sample(scene.noise, at / (1.2 * scene.pixel_size)))
    purple = diffuse * (1.0 + 0.25 * rng.normal(size=diffuse.size)) + _NUCLEUS * chromatin
    # chromatin displaces the eosin
    absorbed = np.outer(_HAEMATOXYLIN, purple * cover) + np.outer(_EOSIN, eosin * (1.0 - 0.6 * nucleus) * cover)
    rgb = _WHITE[:, None] * 10.0**-absorbed + rng.normal(0.0, 1.5, absorbed.shape)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8).reshape(3, height, width)


def _cover(scene: Scene, at: np.ndarray) -> np.ndarray:
    """Float (n,) from 0 on glass to 1 on tissue, with a frayed edge of a few microns."""
    low, high = scene.placement.kept
    frayed = 0.006 * _sample(scene.noise, at / (0.013 * scene.tissue.scale))
    room = (scene.limit + frayed - _tissue.level(scene.tissue, at)) * scene.tissue.scale
    room = np.minimum(room, np.minimum(at[:, 0] - low, high - at[:, 0]))
    return np.clip(room / (2.0 * scene.pixel_size) + 0.5, 0.0, 1.0)


def _texture(scene: Scene, at: np.ndarray, depths: np.ndarray, white_matter: np.ndarray) -> np.ndarray:
    """Log factor on the eosin: clouds everywhere, fibres along the layers in the white matter."""
    unit = max(scene.pixel_size, 0.5) * 3.0
    clouds = 0.10 * _sample(scene.noise, at / (25.0 * unit)) + 0.12 * _sample(scene.noise, at / unit)
    fibres = np.stack([at[:, 0] / (3.5 * unit), depths * 2.0 * scene.tissue.scale / (0.7 * unit)], axis=1)
    return clouds + 0.13 * white_matter * _sample(scene.noise, fibres)


def _sample(noise: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Bilinear look-up in periodic noise."""
    from scipy.ndimage import map_coordinates

    return map_coordinates(noise, at.T % _NOISE, order=1, mode="grid-wrap")


def _stamp(nuclei: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Float (height, width) from 0 to 1: soft-edged ellipses."""
    image = np.zeros((height, width))
    if not len(nuclei):
        return image
    reach = int(np.ceil(nuclei[:, 2].max() + 1.5))
    first, last = np.searchsorted(nuclei[:, 1], [top - reach, top + height + reach])
    near = nuclei[first:last]
    near = near[(near[:, 0] >= left - reach) & (near[:, 0] <= left + width + reach)]
    x, y, major, minor, angle, dark = near.T
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    cos, sin = np.cos(angle), np.sin(angle)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            i, j = row + down - top, column + right - left
            valid = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            dx, dy = column + right + 0.5 - x, row + down + 0.5 - y
            radius = np.hypot((dx * cos + dy * sin) / major, (dy * cos - dx * sin) / minor)
            value = dark * np.clip((1.0 - radius) * minor + 0.5, 0.0, 1.0)
            np.maximum.at(image, (i[valid], j[valid]), value[valid])
    return image
