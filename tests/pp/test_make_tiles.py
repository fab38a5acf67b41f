"""Boxes on an image of bricks: where they lie under every transformation, and what they say about themselves."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import spatialdata as sd
from oracles import bricks
from spatialdata.models import Image2DModel, Labels2DModel, PointsModel, ShapesModel
from spatialdata.transformations import Identity, Scale, get_transformation, set_transformation

import s3rl as s3
from s3rl._slots.tiles import tiles_of

SHAPE = bricks.SHAPE
PLACES = bricks.bricks(SHAPE)
TIMES = {"": 0, "scale0": 0, "scale1": 1, "scale2": 2}


def read(sdata, key="he_tiles"):
    """Tiles by plain slices of the whole level, padded far enough that every slice lies inside."""
    tiles = tiles_of(sdata, key)
    far = 4 * tiles.size
    pixels = np.pad(tiles.image.compute(), ((0, 0), (far, far), (far, far)), mode="symmetric")
    starts = tiles.starts + far
    return np.stack([pixels[:, y : y + tiles.size, x : x + tiles.size] for y, x in starts])


@pytest.mark.parametrize("name", bricks.transformations())
@pytest.mark.parametrize(
    ("wanted", "level"), [(None, "scale0"), (8, "scale1"), (5, "scale1"), (4, "scale2"), (1, "scale2")]
)
def test_every_tile_is_its_brick(name, wanted, level):
    pixels = bricks.wall(SHAPE)
    sdata = bricks.scene(pixels, PLACES, name=name, scale_factors=[2, 2])
    s3.pp.make_tiles(sdata, "he", size=bricks.SIDE, pixels=wanted)
    boxes = sdata.shapes["he_tiles"]
    assert set(boxes["level"]) == {level}
    assert set(boxes["size"]) == {bricks.SIDE // 2 ** TIMES[level]}
    np.testing.assert_array_equal(read(sdata), bricks.cut(pixels, PLACES, TIMES[level]))


@pytest.mark.parametrize("shape", [(193, 145), (199, 151), (194, 162), (203, 161)])
@pytest.mark.parametrize("wanted", [16, 8, 4])
def test_uneven_sizes_are_met_at_every_level(shape, wanted):
    pixels, places = bricks.wall(shape, dtype="float32"), bricks.bricks(shape)
    sdata = bricks.scene(pixels, places, name="rotation", scale_factors=[2, 2])
    s3.pp.make_tiles(sdata, "he", size=bricks.SIDE, pixels=wanted)
    factor = bricks.SIDE // wanted
    for tile, box, middle in zip(read(sdata), sdata.shapes["he_tiles"].geometry, bricks.middles(places), strict=True):
        x0, y0, x1, y1 = map(int, box.bounds)
        assert (x1 - x0, y1 - y0) == (bricks.SIDE, bricks.SIDE)
        assert max(abs(x0 + 8 - middle[0]), abs(y0 + 8 - middle[1])) <= factor / 2
        covered = pixels[:, y0:y1, x0:x1].reshape(3, wanted, factor, wanted, factor)
        np.testing.assert_allclose(tile, covered.mean(axis=(2, 4)), atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("channels", "names"),
    [(1, None), (2, ["grey", "Alpha"]), (3, ["r", "g", "b"]), (4, ["r", "g", "b", "a"]), (5, None)],
)
def test_channels_and_types(channels, names, dtype):
    pixels = bricks.wall(SHAPE, channels, dtype)
    sdata = bricks.scene(pixels, PLACES, c_coords=names)
    s3.pp.make_tiles(sdata, "he", size=bricks.SIDE)
    tiles = tiles_of(sdata, "he_tiles")
    kept = channels - 1 if channels in {2, 4} else channels
    assert tiles.image.dtype == dtype
    assert tiles.channels == (names or [str(number) for number in range(channels)])[:kept]
    np.testing.assert_array_equal(read(sdata), bricks.cut(pixels[:kept], PLACES))


def test_four_channels_without_the_name_of_alpha_are_all_kept():
    sdata = bricks.scene(bricks.wall(SHAPE, 4), PLACES)
    s3.pp.make_tiles(sdata, "he", size=bricks.SIDE)
    assert len(tiles_of(sdata, "he_tiles").channels) == 4


def test_boxes_lie_in_the_frame_of_the_image_and_carry_the_ids_of_the_spots():
    order = np.random.default_rng(0).permutation(len(PLACES))
    sdata = bricks.scene(bricks.wall(SHAPE), PLACES, name="affine", order=order)
    s3.pp.make_tiles(sdata, "he", size=bricks.SIDE)
    boxes = sdata.shapes["he_tiles"]
    np.testing.assert_array_equal(boxes.index, sdata.shapes["spots"].index)
    low = PLACES[order][:, ::-1] * bricks.SIDE
    np.testing.assert_array_equal(boxes.bounds.to_numpy(), np.hstack([low, low + bricks.SIDE]))
    of_boxes, of_image = (get_transformation(sdata[name], get_all=True) for name in ("he_tiles", "he"))
    assert of_boxes == of_image
    assert boxes["padded"].dtype == np.float32
    assert list(boxes.columns) == ["geometry", "size", "level", "padded", "image", "region", "microns"]
    assert boxes.iloc[0][["size", "level", "padded", "image", "region"]].tolist() == [16, "", 0.0, "he", "spots"]
    assert np.isnan(boxes["microns"]).all()


@pytest.mark.parametrize("size", [15, 16, 7])
@pytest.mark.parametrize("wanted", [None, 4])
def test_box_centre_box(size, wanted):
    places = PLACES + np.random.default_rng(1).uniform(-0.4, 0.4, PLACES.shape)
    sdata = bricks.scene(bricks.wall(SHAPE), places, name="affine", scale_factors=[2, 2])
    s3.pp.make_tiles(sdata, "he", size=size, pixels=wanted)
    s3.pp.make_tiles(sdata, "he", size=size, pixels=wanted, region_key="he_tiles", key_added="again")
    first, second = (sdata.shapes[name] for name in ("he_tiles", "again"))
    np.testing.assert_array_equal(first.bounds, second.bounds)
    factor = size / first["size"].iloc[0] if wanted else 1
    middle = np.column_stack([first.centroid.x, first.centroid.y])
    assert np.abs(middle - bricks.middles(places)).max() <= max(factor, 4 if wanted else 1) / 2 + 1e-9


def test_spatialdata_cuts_the_same_pixels():
    sdata = bricks.scene(bricks.wall(SHAPE), PLACES)
    s3.pp.make_tiles(sdata, "he", size=10)
    tiles = read(sdata)
    for row, (x0, y0, x1, y1) in enumerate(sdata.shapes["he_tiles"].bounds.to_numpy()[::17]):
        piece = sd.bounding_box_query(
            sdata["he"],
            axes=("x", "y"),
            min_coordinate=[x0, y0],
            max_coordinate=[x1, y1],
            target_coordinate_system="global",
        )
        np.testing.assert_array_equal(tiles[17 * row], piece.data.compute())


@pytest.mark.parametrize("scale_factors", [None, [2, 2]])
def test_boxes_survive_the_store(tmp_path, scale_factors):
    pixels = bricks.wall(SHAPE)
    made = bricks.scene(pixels, PLACES, name="affine", scale_factors=scale_factors)
    s3.pp.make_tiles(made, "he", size=bricks.SIDE, pixels=4)
    made.write(tmp_path / "made.zarr")
    back = sd.read_zarr(tmp_path / "made.zarr")
    assert back.shapes["he_tiles"].equals(made.shapes["he_tiles"])
    np.testing.assert_array_equal(read(back), read(made))
    assert tiles_of(back, "he_tiles").record.keys() == tiles_of(made, "he_tiles").record.keys()


def test_boxes_are_added_to_data_on_disk(tmp_path):
    pixels = bricks.wall(SHAPE)
    bricks.scene(pixels, PLACES, name="rotation", scale_factors=[2]).write(tmp_path / "a.zarr")
    opened = sd.read_zarr(tmp_path / "a.zarr")
    s3.pp.make_tiles(opened, "he", size=bricks.SIDE, pixels=8)
    opened.write_element("he_tiles")
    back = sd.read_zarr(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read(back), bricks.cut(pixels, PLACES, 1))


def circles(xy):
    return ShapesModel.parse(xy, geometry=0, radius=2.0, transformations={"global": Identity()})


def polygons(xy):
    import geopandas as gpd
    import shapely

    frame = gpd.GeoDataFrame(geometry=shapely.buffer(shapely.points(xy), 3))
    return ShapesModel.parse(frame, transformations={"global": Identity()})


def points(xy):
    return PointsModel.parse(xy, transformations={"global": Identity()})


def labels(xy):
    plane = np.zeros(SHAPE, np.int32)
    for number, (x, y) in enumerate(np.round(xy).astype(int), start=1):
        plane[y - 2 : y + 2, x - 2 : x + 2] = number
    return Labels2DModel.parse(plane, dims=("y", "x"), transformations={"global": Identity()})


@pytest.mark.parametrize("kind", [circles, polygons, points, labels])
def test_regions_of_every_kind(kind):
    pixels = bricks.wall(SHAPE)
    image = Image2DModel.parse(pixels, dims=("c", "y", "x"), transformations={"global": Identity()})
    sdata = sd.SpatialData.init_from_elements({"he": image, "cells": kind(bricks.middles(PLACES))})
    s3.pp.make_tiles(sdata, "he", size=bricks.SIDE)
    np.testing.assert_array_equal(read(sdata), bricks.cut(pixels, PLACES))
    first = 1 if kind is labels else 0
    np.testing.assert_array_equal(sdata.shapes["he_tiles"].index, first + np.arange(len(PLACES)))
    assert set(sdata.shapes["he_tiles"]["region"]) == {"cells"}


def test_what_reaches_beyond_the_image_is_counted(caplog):
    places = bricks.bricks(SHAPE, margin=0)
    sdata = bricks.scene(bricks.wall(SHAPE), places)
    with caplog.at_level(logging.INFO, logger="s3rl"):
        s3.pp.make_tiles(sdata, "he", size=2 * bricks.SIDE)
    padded = sdata.shapes["he_tiles"]["padded"].to_numpy()
    # a quarter beyond each border; what remains of the last row and column of bricks covers a part of it
    over = [np.maximum(0, (place + 1.5) * 16 - size) / 32 for place, size in zip(places.T, SHAPE, strict=True)]
    inside = [1 - np.where(place == 0, 0.25, 0) - beyond for place, beyond in zip(places.T, over, strict=True)]
    np.testing.assert_allclose(padded, 1 - inside[0] * inside[1], atol=1e-6)
    assert padded[0] == pytest.approx(1 - 0.75**2)
    reach = np.count_nonzero(inside[0] * inside[1] < 1)
    assert (
        f"{len(places)} boxes around 'spots' on 'he', 32 px on the side, full resolution, {reach} reach" in caplog.text
    )


def test_a_region_is_found_through_the_table_and_the_coordinate_system():
    sdata = s3.datasets.simulated_cortex(60, 50, n_slices=2, n_layers=3)
    s3.pp.make_tiles(sdata, "slice2_he", size=10)
    assert set(sdata.shapes["slice2_he_tiles"]["region"]) == {"slice2_spots"}
    with pytest.raises(s3.errors.InputError, match=r"no coordinate system in common.*set_transformation"):
        s3.pp.make_tiles(sdata, "slice2_he", size=10, region_key="slice1_spots")


def test_tiles_are_replaced_and_never_taken_for_spots():
    sdata = bricks.scene(bricks.wall(SHAPE), PLACES, table=False)
    s3.pp.make_tiles(sdata, "he", size=16)
    s3.pp.make_tiles(sdata, "he", size=8)
    assert set(sdata.shapes["he_tiles"]["size"]) == {8}
    assert set(sdata.shapes["he_tiles"]["region"]) == {"spots"}


def test_copy_writes_nothing_and_returns_the_same():
    sdata = bricks.scene(bricks.wall(SHAPE), PLACES)
    tiles, key = s3.pp.make_tiles(sdata, "he", size=16, key_added="mine", copy=True)
    assert key == "mine"
    assert list(sdata.shapes) == ["spots"]
    assert s3.pp.make_tiles(sdata, "he", size=16, key_added="mine") is None
    assert tiles.equals(sdata.shapes["mine"])


# ---------------------------------------------------------------------------------------------------------- units


def test_micrometres_through_the_unit_of_the_coordinate_system():
    sdata = bricks.scene(bricks.wall(SHAPE), PLACES, name="scale", scale_factors=[2, 2])
    # a pixel is 0.37 units, a unit 2 micrometres
    s3.pp.make_tiles(sdata, "he", size=16 * 0.74, unit="um", microns_per_unit=2.0, pixels=4)
    boxes = sdata.shapes["he_tiles"]
    assert set(boxes["size"]) == {4}
    assert set(boxes["microns"]) == {round(16 * 0.74, 9)}


@pytest.mark.parametrize("name", ["identity", "rotation", "flipped axis", "swapped axes"])
def test_sides_do_not_depend_on_turns_and_mirrors(name):
    sdata = bricks.scene(bricks.wall(SHAPE), PLACES, name=name)
    s3.pp.make_tiles(sdata, "he", size=24, unit="um", microns_per_unit=1.5)
    assert set(sdata.shapes["he_tiles"]["size"]) == {16}
    np.testing.assert_allclose(sdata.shapes["he_tiles"]["microns"], 24)


def test_unequal_scales_keep_the_area():
    sdata = bricks.scene(bricks.wall(SHAPE), PLACES, name="unequal scales")
    s3.pp.make_tiles(sdata, "he", size=5.0, unit="um", microns_per_unit=1.0)
    assert set(sdata.shapes["he_tiles"]["size"]) == {round(5 / np.sqrt(0.5 * 0.25))}


@pytest.mark.parametrize("ratio", [0.55, 0.65, 0.70])
def test_the_distance_of_visium_spots_is_the_measure(ratio):
    sdata = visium(ratio, unit=3.0)
    s3.pp.make_tiles(sdata, "he", size="visium")
    # 100 micrometres are 30 pixels
    assert set(sdata.shapes["he_tiles"]["size"]) == {15}
    np.testing.assert_allclose(sdata.shapes["he_tiles"]["microns"], 50, rtol=1e-6)


@pytest.mark.parametrize("case", ["another diameter", "unequal circles", "square array", "six spots"])
def test_what_is_not_visium_beyond_doubt_must_say_its_unit(case):
    sdata = visium(0.5 if case == "another diameter" else 0.55, square=case == "square array")
    spots = sdata.shapes["spots"]
    if case == "unequal circles":
        spots.loc[3, "radius"] *= 1.5
    if case == "six spots":
        sdata.shapes["few"] = spots.iloc[:6]
    region = "few" if case == "six spots" else "spots"
    with pytest.raises(s3.errors.ParameterError, match=r"microns_per_unit: cannot be derived.*microns_per_unit="):
        s3.pp.make_tiles(sdata, "he", size=50, unit="um", region_key=region)
    s3.pp.make_tiles(sdata, "he", size=50, unit="um", region_key=region, microns_per_unit=1.0)


def visium(ratio: float, *, unit: float = 1.0, square: bool = False):
    """Spots at a distance of ``10 * unit`` in their own units, 30 pixels on the image for ``unit=3``."""
    pitch = 10 * unit
    rows, columns = np.mgrid[:8, :8]
    x = columns + 0 * rows if square else columns + 0.5 * (rows % 2)
    xy = np.column_stack([x.ravel(), (rows * (1 if square else np.sqrt(3) / 2)).ravel()]) * pitch + pitch
    spots = ShapesModel.parse(xy, geometry=0, radius=ratio * pitch / 2, transformations={"global": Identity()})
    image = Image2DModel.parse(np.zeros((3, 300, 300), np.uint8), dims=("c", "y", "x"))
    set_transformation(image, Scale([unit / 3, unit / 3], axes=("x", "y")), "global")
    return sd.SpatialData.init_from_elements({"he": image, "spots": spots})


def test_presets_have_their_length_and_their_level():
    sdata = visium(0.55, unit=3.0)
    pixels = np.zeros((3, 1200, 1200), np.uint8)
    sdata.images["fine"] = Image2DModel.parse(pixels, dims=("c", "y", "x"), scale_factors=[2, 2])
    set_transformation(sdata.images["fine"], Scale([0.25, 0.25], axes=("x", "y")), "global")
    # 50 micrometres are 60 pixels, 30 and 15: 16 are wanted, and 15 are fewer
    s3.pp.make_tiles(sdata, "fine", size="visium")
    assert set(sdata.shapes["fine_tiles"]["level"]) == {"scale1"}
    s3.pp.make_tiles(sdata, "fine", size="visium", pixels=15)
    assert set(sdata.shapes["fine_tiles"]["level"]) == {"scale2"}
    s3.pp.make_tiles(sdata, "fine", size=s3.pp.TilePreset(15, 50 / 15))
    assert set(sdata.shapes["fine_tiles"]["level"]) == {"scale2"}


def test_the_table_of_presets_is_the_papers():
    table = {name: (preset.pixels, preset.microns) for name, preset in s3.pp.TILE_PRESETS.items()}
    assert table == {
        "visium": (16, 50.0),
        "cosmx": (60, pytest.approx(10.8)),
        "merscope": (40, pytest.approx(4.32)),
    }
    with pytest.raises(TypeError):
        s3.pp.TILE_PRESETS["mine"] = s3.pp.TilePreset(1, 1.0)
