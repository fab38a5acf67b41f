"""Inputs that no tiles can be made of: a typed error with the fix, and nothing has changed."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import spatialdata as sd
from oracles import bricks
from spatialdata.models import Image2DModel, Image3DModel, Labels2DModel, PointsModel, ShapesModel
from spatialdata.transformations import (
    Identity,
    Scale,
    Sequence,
    Translation,
    remove_transformation,
    set_transformation,
)

import s3rl as s3
from s3rl import errors

SHAPE = bricks.SHAPE
PLACES = bricks.bricks(SHAPE)


@pytest.fixture
def sdata():
    return bricks.scene(bricks.wall(SHAPE), PLACES)


def refuse(kind, match, sdata, image_key="he", **arguments):
    before = {name: element.copy() for name, element in getattr(sdata, "shapes", {}).items()}
    with pytest.raises(kind, match=match) as caught:
        s3.pp.make_tiles(sdata, image_key, **{"size": 16, **arguments})
    assert caught.value.fix
    after = dict(getattr(sdata, "shapes", {}))
    assert set(before) == set(after)
    assert all(after[name].equals(before[name]) for name in before)


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf, True, None, [16]])
def test_sizes_that_are_no_length(sdata, size):
    refuse(errors.ParameterError, "size: must be a positive number", sdata, size=size)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"size": "hd"}, "size: names no preset.*visium, cosmx, merscope"),
        ({"size": 0.3}, "size: is less than one pixel"),
        ({"size": 500}, "size: is larger than the image.*152 wide and 196 high"),
        ({"unit": "mm"}, "unit: is unknown.*Available: px, um"),
        ({"pixels": 0}, "pixels: must be a positive number"),
        ({"microns_per_unit": -1.0}, "microns_per_unit: must be a positive number"),
        ({"size": 50, "unit": "um"}, "microns_per_unit: cannot be derived"),
        ({"key_added": "spots"}, "key_added: names an element that is no tiles"),
        ({"key_added": "he"}, "key_added: names an element that is no tiles"),
        ({"key_added": "a/b"}, "key_added: is no name that SpatialData takes"),
        ({"coordinate_system": "mars"}, "coordinate_system: is not shared.*Available: global"),
    ],
)
def test_arguments_outside_of_their_range(sdata, arguments, match):
    refuse(errors.ParameterError, match, sdata, **arguments)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"image_key": "dapi"}, r"images\['dapi'\]: is not there.*Available: he.*image_key='he'"),
        ({"region_key": "cells"}, "region_key: names no shapes, labels or points.*Available: spots"),
        ({"table_key": "cells"}, "table_key: names no table"),
    ],
)
def test_names_that_are_not_there(sdata, arguments, match):
    refuse(errors.MissingKeyError, match, sdata, **arguments)


def test_an_image_without_spots():
    image = Image2DModel.parse(bricks.wall(SHAPE), dims=("c", "y", "x"))
    alone = sd.SpatialData.init_from_elements({"he": image})
    refuse(errors.MissingKeyError, "region_key: are not there", alone)


def test_other_objects():
    adata = ad.AnnData(np.ones((3, 2), np.float32))
    refuse(errors.DataTypeError, "sdata: is an AnnData.*s3.pp.to_spatialdata", adata)
    refuse(errors.DataTypeError, "sdata: is no SpatialData.*spatialdata.read_zarr", np.ones(3))


def test_an_image_with_depth(sdata):
    sdata.images["stack"] = Image3DModel.parse(np.zeros((1, 2, 50, 50), np.uint8), dims=("c", "z", "y", "x"))
    refuse(errors.DataTypeError, r"images\['stack'\]: is not a two-dimensional image", sdata, "stack")


def test_several_regions_must_be_named(sdata):
    sdata.shapes["cells"] = sdata.shapes["spots"].copy()
    del sdata.tables["table"]
    refuse(errors.ParameterError, "region_key: must say which.*Available: spots, cells.*region_key='spots'", sdata)


def test_no_coordinate_system_in_common(sdata):
    set_transformation(sdata["he"], Identity(), "microscope")
    remove_transformation(sdata["he"], "global")
    for region_key in (None, "spots"):
        refuse(errors.InputError, "no coordinate system in common.*set_transformation", sdata, region_key=region_key)


def test_coordinate_systems_that_disagree(sdata):
    for name, factor in (("he", 2.0), ("spots", 1.0)):
        set_transformation(sdata[name], Scale([factor, factor], axes=("x", "y")), "other")
    refuse(errors.ParameterError, "coordinate_system: must be named.*Available: global, other", sdata)
    s3.pp.make_tiles(sdata, "he", size=16, coordinate_system="global")


def test_micrometres_of_which_unit(sdata):
    for name in ("he", "spots"):
        set_transformation(sdata[name], Identity(), "full")
        set_transformation(sdata[name], Scale([0.5, 0.5], axes=("x", "y")), "half")
        remove_transformation(sdata[name], "global")
    refuse(errors.ParameterError, "coordinate_system: must be named: microns_per_unit", sdata, microns_per_unit=1.0)
    s3.pp.make_tiles(sdata, "he", size=16)
    s3.pp.make_tiles(sdata, "he", size=16, unit="um", microns_per_unit=1.0, coordinate_system="half", key_added="half")
    assert set(sdata.shapes["half"]["size"]) == {32}


def test_a_transformation_that_cannot_be_inverted(sdata):
    set_transformation(sdata["he"], Scale([1.0, 0.0], axes=("x", "y")), "global")
    refuse(errors.CoordinatesError, "cannot be inverted", sdata)


@pytest.mark.parametrize("factor", [1e-3, 0.02, 30.0, 1e3])
def test_coordinates_in_another_unit_than_the_pixels(sdata, factor):
    set_transformation(sdata["spots"], Scale([factor, factor], axes=("x", "y")), "global")
    refuse(errors.CoordinatesError, "'spots': does not fit.*micrometres.*Scale.*side of a pixel", sdata)


def test_coordinates_in_another_unit_of_which_some_meet_the_image(sdata):
    move = Sequence([Scale([30.0, 30.0], axes=("x", "y")), Translation([-700.0, -700.0], axes=("x", "y"))])
    set_transformation(sdata["spots"], move, "global")
    refuse(errors.CoordinatesError, "'spots': does not fit.*spots over .* % of the image", sdata)


def test_few_spots_on_a_large_image_are_no_mistake():
    places = PLACES[:2]
    sdata = bricks.scene(np.zeros((3, 800, 800), np.uint8), places)
    s3.pp.make_tiles(sdata, "he", size=16)
    assert len(sdata.shapes["he_tiles"]) == 2


def test_boxes_that_all_lie_outside(sdata):
    moved = bricks.scene(bricks.wall(SHAPE), PLACES + 40)
    refuse(errors.CoordinatesError, "'spots': does not fit.*all 70 tiles outside", moved)


def test_boxes_of_which_some_lie_wholly_outside():
    places = PLACES.copy()
    places[[3, 5]] += 40
    sdata = bricks.scene(bricks.wall(SHAPE), places)
    refuse(errors.CoordinatesError, "wholly outside.*2 of 70, first 103.*bounding_box_query", sdata)


def test_doubled_instance_ids(sdata):
    doubled = sdata.shapes["spots"]
    doubled.index = doubled.index.to_numpy() // 2
    refuse(errors.InputError, "doubled instance ids.*first 50", sdata, region_key="spots")


def test_no_instances(sdata):
    sdata.labels["none"] = Labels2DModel.parse(np.zeros(SHAPE, np.int32), dims=("y", "x"))
    sdata.points["nothing"] = PointsModel.parse(np.zeros((0, 2)))
    for name in ("none", "nothing"):
        refuse(errors.InputError, f"'{name}': is empty", sdata, region_key=name)


def test_coordinates_that_are_not_finite(sdata):
    xy = bricks.middles(PLACES)
    xy[4, 0] = np.nan
    import geopandas as gpd
    import shapely

    frame = gpd.GeoDataFrame({"radius": 1.0, "geometry": shapely.points(xy)})
    sdata.shapes["odd"] = ShapesModel.parse(frame, transformations={"global": Identity()})
    refuse(errors.CoordinatesError, "'odd'.*first 4", sdata, region_key="odd")


def test_shapes_without_a_body(sdata):
    import geopandas as gpd
    import shapely

    frame = gpd.GeoDataFrame(geometry=[*shapely.buffer(shapely.points(bricks.middles(PLACES)), 2), shapely.Polygon()])
    sdata.shapes["odd"] = ShapesModel.parse(frame, transformations={"global": Identity()})
    refuse(errors.CoordinatesError, "'odd': has empty shapes.*1 of 71, first 70", sdata, region_key="odd")


def test_presets_of_nonsense():
    for arguments in ((0, 1.0), (1.5, 1.0), (True, 1.0), (8, 0.0), (8, float("nan")), (8, "a")):
        with pytest.raises(errors.ParameterError):
            s3.pp.TilePreset(*arguments)
