"""Shapes and image of a section as SpatialData elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._random import stream
from s3rl.datasets import _histology, _tissue
from s3rl.datasets._sections import BLOCKS, IMAGE

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from s3rl.datasets._params import CortexParams
    from s3rl.datasets._sections import Section


def make_spots(section: Section, technology: str) -> gpd.GeoDataFrame:
    """Circles in microns, indexed by ``instance_id``."""
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Identity

    return ShapesModel.parse(
        section.xy,
        geometry=0,
        radius=_tissue.RADIUS[technology],
        index=np.arange(len(section.xy)),
        transformations={section.frame: Identity()},
    )


def make_image(section: Section, technology: str, n_layers: int, params: CortexParams, seed: int) -> xr.DataArray:
    """RGB image in its own pixel frame, with the transformation to the frame of the section."""
    from spatialdata.models import Image2DModel

    scene = make_scene(section, technology, n_layers, params, seed)
    return Image2DModel.parse(
        _histology.picture(scene),
        dims=("c", "y", "x"),
        c_coords=["r", "g", "b"],
        transformations={section.frame: _transformation(scene)},
    )


def make_scene(section: Section, technology: str, n_layers: int, params: CortexParams, seed: int) -> _histology.Scene:
    """Everything that the pixels of the section depend on."""
    rng = stream(seed, IMAGE, section.number)
    stain = _tissue.stain_of_layers(n_layers)
    size = params.pixel_size or _histology.PIXEL_SIZE[technology]
    margin = 1.5 * _tissue.PITCH[technology]
    origin, shape = _histology.frame_of(section.xy, margin, size, params.image_rotation)
    matrix = _histology.matrix_of(origin, size, params.image_rotation)
    # the tissue goes on for half a step beyond the outermost spots
    limit = section.limit + 0.5 * _tissue.PITCH[technology] / section.tissue.scale
    if technology == "cells":
        nuclei = section.xy
    else:
        box = section.xy.min(axis=0) - margin, section.xy.max(axis=0) + margin
        nuclei = _histology.scatter_nuclei(section.tissue, section.placement, limit, stain, box, rng)
    depth = _tissue.depth(section.tissue, _tissue.to_tissue(section.placement, nuclei))
    radii = stain[np.searchsorted(section.tissue.borders, depth, side="right"), 3]
    if technology == "cells":
        # all cells of the table are drawn, closer than nuclei in a section lie, and smaller so that they stay apart
        radii = 0.72 * radii
    return _histology.Scene(
        tissue=section.tissue,
        placement=section.placement,
        limit=limit,
        stain=stain,
        blur=params.blur,
        origin=origin,
        pixel_size=size,
        rotation=params.image_rotation,
        shape=shape,
        nuclei=_histology.shape_nuclei(nuclei, radii, matrix, rng),
        noise=_histology.make_noise(rng),
        seed=seed,
        path=(BLOCKS, section.number),
    )


def _transformation(scene: _histology.Scene) -> object:
    from spatialdata.transformations import Affine, Scale, Sequence, Translation

    scale = Scale([scene.pixel_size, scene.pixel_size], axes=("x", "y"))
    move = Translation(scene.origin, axes=("x", "y"))
    if scene.rotation == 0:
        return Sequence([scale, move])
    turn = np.eye(3)
    turn[:2, :2] = _tissue.turn(scene.rotation)
    return Sequence([scale, Affine(turn, input_axes=("x", "y"), output_axes=("x", "y")), move])
