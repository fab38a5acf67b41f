"""From stored boxes back to pixels, for every row of a table, also after others have worked on the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
from oracles import bricks
from spatialdata.models import Image2DModel
from spatialdata.transformations import Sequence, Translation, get_transformation, set_transformation

import s3rl as s3
from s3rl import errors
from s3rl._slots.tiles import tiles_of, tiles_of_table

PLACES = bricks.bricks(bricks.SHAPE)


def made(size=bricks.SIDE, pixels=None, **arguments):
    sdata = bricks.scene(bricks.wall(), PLACES, **arguments)
    s3.pp.make_tiles(sdata, "he", size=size, pixels=pixels)
    return sdata


def cut(tiles):
    image, size = tiles.image.compute(), tiles.size
    return np.stack([image[:, y : y + size, x : x + size] for y, x in tiles.starts])


def test_what_is_read_back_is_what_was_made():
    tiles = tiles_of(made(scale_factors=[2, 2], pixels=8), "he_tiles")
    assert tiles.starts.dtype == np.int64
    np.testing.assert_array_equal(tiles.starts, PLACES * 8)
    assert tiles.size == 8
    np.testing.assert_array_equal(tiles.instances, 100 + np.arange(len(PLACES)))
    assert tiles.padded.dtype == np.float32
    assert not tiles.padded.any()
    assert {key: type(value) for key, value in tiles.record.items()} == {
        "image_key": str,
        "level": str,
        "region": str,
        "size": int,
        "microns": float,
        "tiles_key": str,
    }
    assert tiles.record["level"] == "scale1"


def test_no_pixel_is_read():
    import dask.array as da

    def fail(*_):
        raise AssertionError("a pixel was read")

    sdata = made()
    pixels = da.map_blocks(fail, sdata["he"].data, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8))
    sdata.images["he"] = sdata["he"].copy(data=pixels)
    s3.pp.make_tiles(sdata, "he", size=10)
    assert tiles_of(sdata, "he_tiles").size == 10


@pytest.mark.parametrize("scale_factors", [None, [2]])
@pytest.mark.parametrize("name", ["identity", "scale", "flipped axis"])
def test_a_crop_moves_tiles_and_pixels_alike(name, scale_factors):
    sdata = made(name=name, scale_factors=scale_factors)
    corners = bricks.mapped(bricks.transformations()[name][0], np.array([[32.0, 48.0], [112.0, 160.0]]))
    part = sdata.query.bounding_box(
        axes=("x", "y"),
        min_coordinate=corners.min(axis=0),
        max_coordinate=corners.max(axis=0),
        target_coordinate_system="global",
    )
    tiles = tiles_of(part, "he_tiles")
    inside = tiles.padded == 0
    assert inside.sum() >= 5 * 7
    found = cut(tiles._replace(starts=tiles.starts[inside]))
    np.testing.assert_array_equal(found, bricks.cut(bricks.wall(), PLACES[tiles.instances[inside] - 100]))


def test_a_new_transformation_of_the_image_needs_new_tiles():
    sdata = made()
    set_transformation(sdata["he"], Translation([3.5, 0.0], axes=("x", "y")), "global")
    with pytest.raises(errors.InputError, match=r"does not lie on the pixels of its image.*make_tiles"):
        tiles_of(sdata, "he_tiles")


def test_a_pyramid_more_or_less_changes_nothing_at_full_resolution():
    plain, tower = made(), made(scale_factors=[2])
    tower.images["he"], plain.images["he"] = plain.images["he"], tower.images["he"]
    for sdata in (plain, tower):
        np.testing.assert_array_equal(cut(tiles_of(sdata, "he_tiles")), bricks.cut(bricks.wall(), PLACES))


def test_a_level_that_is_gone():
    sdata = made(scale_factors=[2, 2], pixels=4)
    pixels = bricks.wall()
    sdata.images["he"] = Image2DModel.parse(pixels, dims=("c", "y", "x"), scale_factors=[2])
    match = r"images\['he'\]: has lost the level 'scale2'.*Available: scale0, scale1.*make_tiles"
    with pytest.raises(errors.MissingKeyError, match=match):
        tiles_of(sdata, "he_tiles")
    sdata.images["he"] = Image2DModel.parse(pixels, dims=("c", "y", "x"))
    with pytest.raises(errors.MissingKeyError, match=r"has lost the level 'scale2'.*the full resolution only"):
        tiles_of(sdata, "he_tiles")


def test_a_level_with_a_transformation_of_its_own():
    sdata = made(scale_factors=[2])
    level = next(iter(sdata["he"]["scale1"].ds.data_vars.values()))
    matrix = get_transformation(level, get_all=True)
    matrix["global"] = Sequence([bricks.transformations()["rotation"][0], matrix["global"]])
    with pytest.raises(errors.CoordinatesError, match=r"images\['he'\]\['scale1'\]: is turned"):
        tiles_of(sdata, "he_tiles")


@pytest.mark.parametrize(
    ("spoil", "kind", "match"),
    [
        (lambda sdata: sdata.shapes.pop("he_tiles"), errors.MissingKeyError, r"shapes\['he_tiles'\]: is not there"),
        (lambda sdata: sdata.images.pop("he"), errors.MissingKeyError, r"images\['he'\]: is not there"),
        (lambda sdata: sdata["he_tiles"].pop("level"), errors.InputError, "was not made by s3.pp.make_tiles"),
        (
            lambda sdata: sdata["he_tiles"].drop(sdata["he_tiles"].index, inplace=True),
            errors.InputError,
            r"shapes\['he_tiles'\]: is empty",
        ),
        (
            lambda sdata: setattr(sdata["he_tiles"], "index", sdata["he_tiles"].index // 2),
            errors.InputError,
            "has doubled instances",
        ),
        (
            lambda sdata: sdata["he_tiles"].__setitem__("size", np.arange(len(PLACES))),
            errors.InputError,
            "holds tiles of several sizes",
        ),
        (
            lambda sdata: sdata["he_tiles"].__setitem__("size", 15),
            errors.InputError,
            "does not lie on the pixels.*where the side is 15",
        ),
    ],
)
def test_boxes_that_were_spoilt(spoil, kind, match):
    sdata = made()
    spoil(sdata)
    with pytest.raises(kind, match=match) as caught:
        tiles_of(sdata, "he_tiles")
    assert "make_tiles" in caught.value.fix or "sdata" in caught.value.fix or "name" in caught.value.fix


# --------------------------------------------------------------------------------------------------------- tables


def test_rows_of_a_table_find_their_tiles_in_any_order():
    order = np.random.default_rng(3).permutation(len(PLACES))
    sdata = made(order=order)
    table = sdata.tables["table"]
    (part,) = tiles_of_table(sdata, table)
    assert part.rows.dtype == part.positions.dtype == np.int64
    np.testing.assert_array_equal(part.rows, np.arange(len(PLACES)))
    np.testing.assert_array_equal(cut(part.tiles)[part.positions], bricks.cut(bricks.wall(), PLACES))


def test_a_table_of_some_instances():
    sdata = made()
    some = sdata.tables["table"][[7, 3, 20]].copy()
    (part,) = tiles_of_table(sdata, some, "he_tiles")
    np.testing.assert_array_equal(part.positions, [7, 3, 20])


def test_ids_that_became_text():
    sdata = made()
    table = sdata.tables["table"]
    table.obs["id"] = table.obs["id"].astype(str)
    (part,) = tiles_of_table(sdata, table)
    np.testing.assert_array_equal(part.positions, np.arange(len(PLACES)))


def test_ids_that_are_text():
    sdata = made()
    for name in ("spots", "he_tiles"):
        sdata[name].index = [f"cell{number}" for number in sdata[name].index]
    table = sdata.tables["table"]
    table.obs["id"] = [f"cell{number}" for number in table.obs["id"]]
    (part,) = tiles_of_table(sdata, table)
    np.testing.assert_array_equal(part.positions, np.arange(len(PLACES)))


def test_slices_have_a_part_each():
    sdata = s3.datasets.simulated_cortex(60, 50, n_slices=2, n_layers=3)
    table = sdata.tables["table"]
    s3.pp.make_tiles(sdata, "slice1_he", size=10)
    with pytest.raises(errors.InputError, match=r"slice1_he_tiles.*60 of 120 rows without.*slice2_spots"):
        tiles_of_table(sdata, table)
    s3.pp.make_tiles(sdata, "slice2_he", size=10)
    shuffled = table[np.random.default_rng(0).permutation(120)].copy()
    parts = tiles_of_table(sdata, shuffled)
    assert [part.tiles.record["image_key"] for part in parts] == ["slice1_he", "slice2_he"]
    np.testing.assert_array_equal(np.sort(np.concatenate([part.rows for part in parts])), np.arange(120))
    for part in parts:
        wanted = shuffled.obs["instance_id"].to_numpy()[part.rows]
        np.testing.assert_array_equal(part.tiles.instances[part.positions], wanted)


def test_rows_that_have_no_tile():
    sdata = made()
    table = sdata.tables["table"]
    sdata.shapes["he_tiles"] = sdata.shapes["he_tiles"].iloc[:-4]
    match = r"shapes\['he_tiles'\]: has no tile for instances.*4 of 70 rows without, first s166, instance 166"
    with pytest.raises(errors.InputError, match=match):
        tiles_of_table(sdata, table)


def test_two_tiles_of_one_spot():
    sdata = made()
    s3.pp.make_tiles(sdata, "he", size=8, key_added="small")
    with pytest.raises(errors.ParameterError, match=r"several tiles of the same spots.*he_tiles, small.*tiles_key="):
        tiles_of_table(sdata, sdata.tables["table"])
    (part,) = tiles_of_table(sdata, sdata.tables["table"], ["small"])
    assert part.tiles.size == 8


def test_tables_without_tiles():
    sdata = bricks.scene(bricks.wall(), PLACES)
    with pytest.raises(errors.MissingKeyError, match=r"tiles: are not there.*a table of spots.*make_tiles"):
        tiles_of_table(sdata, sdata.tables["table"])
    free = sdata.tables["table"].copy()
    del free.uns["spatialdata_attrs"]
    with pytest.raises(errors.MissingKeyError, match=r"the table annotates no shapes.*TableModel.parse"):
        tiles_of_table(sdata, free)


def test_a_store_gives_the_same_rows(tmp_path):
    sdata = made(order=np.random.default_rng(1).permutation(len(PLACES)), scale_factors=[2])
    sdata.write(tmp_path / "a.zarr")
    back = sd.read_zarr(tmp_path / "a.zarr")
    first, second = (tiles_of_table(data, data.tables["table"])[0] for data in (sdata, back))
    np.testing.assert_array_equal(first.positions, second.positions)
    np.testing.assert_array_equal(first.tiles.starts, second.tiles.starts)
    assert pd.Index(second.tiles.instances).equals(pd.Index(first.tiles.instances))
