"""Scanpy's layout as SpatialData: pixels, places and rows are those of the AnnData."""

from __future__ import annotations

import copy

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
from laws.contents import changed, contents
from oracles import bricks

import s3rl as s3
from s3rl import errors
from s3rl._slots.tiles import tiles_of_table

PLACES = bricks.bricks(bricks.SHAPE)
N = len(PLACES)


def layout(pixels, factor, diameter=24.0):
    """One library; the lowres image is a quarter of the hires one."""
    picture = pixels.transpose(1, 2, 0)
    return {
        "images": {"hires": picture, "lowres": bricks.halved(pixels, 2).transpose(1, 2, 0)},
        "scalefactors": {
            "tissue_hires_scalef": factor,
            "tissue_lowres_scalef": factor / 4,
            "spot_diameter_fullres": diameter,
            "fiducial_diameter_fullres": 40.0,
        },
        "metadata": {"chemistry": "bricks"},
    }


def table(factor=0.4, pixels=None, places=PLACES, name="A1"):
    pixels = bricks.wall() if pixels is None else pixels
    obs = pd.DataFrame(
        {"layer": pd.Categorical(["a", "b"] * (len(places) // 2))}, [f"{name}_{i}" for i in range(len(places))]
    )
    adata = ad.AnnData(np.random.default_rng(0).poisson(2, (len(places), 4)).astype(np.float32), obs=obs)
    adata.obsm["spatial"] = bricks.middles(places) / factor
    adata.uns["spatial"] = {name: layout(pixels, factor)}
    return adata


def test_elements_and_their_frames():
    adata = table()
    sdata = s3.pp.to_spatialdata(adata)
    assert sorted(sdata.images) == ["A1_hires", "A1_lowres"]
    assert list(sdata.shapes) == ["A1_spots"]
    assert list(sdata.tables) == ["table"]
    assert sdata.coordinate_systems == ["global"]
    np.testing.assert_array_equal(sdata["A1_hires"].data.compute(), bricks.wall())
    assert sdata["A1_hires"].coords["c"].to_numpy().tolist() == ["r", "g", "b"]
    np.testing.assert_allclose(sd.get_centroids(sdata["A1_spots"]).compute(), adata.obsm["spatial"])
    assert set(sdata["A1_spots"]["radius"]) == {12.0}
    for name, factor in (("A1_hires", 0.4), ("A1_lowres", 0.1)):
        matrix = sd.transformations.get_transformation(sdata[name], "global").to_affine_matrix(("x", "y"), ("x", "y"))
        np.testing.assert_allclose(matrix, np.diag([1 / factor, 1 / factor, 1]))


@pytest.mark.parametrize(("image", "times"), [("hires", 0), ("lowres", 2)])
def test_tiles_sit_on_the_spots(image, times):
    sdata = s3.pp.to_spatialdata(table(), image=image)
    assert list(sdata.images) == [f"A1_{image}"]
    s3.pp.make_tiles(sdata, f"A1_{image}", size=bricks.SIDE / 2**times)
    _, tiles = next(s3.pp.iter_tiles(sdata, f"A1_{image}_tiles", order="boxes"))
    np.testing.assert_array_equal(tiles, bricks.cut(bricks.wall(), PLACES, times))


def test_everything_of_the_table_is_kept_and_nothing_shared():
    adata = table()
    adata.layers["counts"] = adata.X.copy()
    adata.obsm["X_pca"] = np.ones((N, 2))
    before = contents(adata)
    sdata = s3.pp.to_spatialdata(adata)
    assert changed(before, contents(adata)) == set()
    made = sdata.tables["table"]
    # whether rows moved or values are shared
    made.X[:], made.obsm["X_pca"][:], made.uns["spatial"]["A1"]["images"]["hires"][:] = 0, 0, 0
    made.obs["layer"] = "z"
    sdata["A1_spots"]["radius"] = 0.0
    assert changed(before, contents(adata)) == set()
    assert {"counts"} <= set(made.layers)
    assert set(made.obs) == {"layer", "region", "instance_id"}
    assert made.obs_names.equals(adata.obs_names)


def test_columns_of_the_users_are_kept():
    adata = table()
    adata.obs["region"] = "cortex"
    made = s3.pp.to_spatialdata(adata).tables["table"]
    assert set(made.obs["region"]) == {"cortex"}
    assert set(made.obs["region_"]) == {"A1_spots"}


def test_libraries_have_a_frame_each():
    parts = [table(0.4, name="A1"), table(0.2, bricks.wall()[:, ::-1].copy(), name="B 2")]
    adata = ad.concat(parts, label="slice", keys=["A1", "B 2"], uns_merge="unique")
    adata.uns["spatial"] = {part: parts[number].uns["spatial"][part] for number, part in enumerate(("A1", "B 2"))}
    adata = adata[np.random.default_rng(2).permutation(2 * N)].copy()
    sdata = s3.pp.to_spatialdata(adata, library_key="slice", image="hires")
    assert sorted(sdata.coordinate_systems) == ["A1", "B_2"]
    assert sorted(sdata.images) == ["A1_hires", "B_2_hires"]
    for name in sdata.images:
        s3.pp.make_tiles(sdata, name, size=bricks.SIDE)
    made = sdata.tables["table"]
    for part, pixels in zip(tiles_of_table(sdata, made), (bricks.wall(), bricks.wall()[:, ::-1]), strict=True):
        number = made.obs_names[part.rows].str.rsplit("_", n=1).str[1].astype(int)
        image = part.tiles.image.compute()
        found = [image[:, y : y + 16, x : x + 16] for y, x in part.tiles.starts[part.positions]]
        np.testing.assert_array_equal(np.stack(found), bricks.cut(pixels, PLACES[number]))


def test_one_of_several_libraries():
    adata = table()
    adata.uns["spatial"]["B"] = copy.deepcopy(adata.uns["spatial"]["A1"])
    adata.obs["slice"] = pd.Categorical(["A1"] * 40 + ["B"] * (N - 40))
    sdata = s3.pp.to_spatialdata(adata, library_id="B", library_key="slice")
    assert sdata.tables["table"].n_obs == len(sdata["B_spots"]) == N - 40
    assert s3.pp.to_spatialdata(adata, library_id="B").tables["table"].n_obs == N
    with pytest.raises(errors.ParameterError, match=r"library_id: must say which.*Available: A1, B.*library_key="):
        s3.pp.to_spatialdata(adata)


@pytest.mark.parametrize(
    ("pixels", "names", "dtype"),
    [
        (np.zeros((50, 60), np.uint8), ["grey"], "uint8"),
        (np.zeros((50, 60, 1), np.uint16), ["grey"], "uint16"),
        (np.zeros((50, 60, 4), np.float32), ["r", "g", "b", "a"], "float32"),
        (np.zeros((50, 60, 3), np.float64), ["r", "g", "b"], "float32"),
        (np.zeros((50, 60, 5), np.uint8), ["0", "1", "2", "3", "4"], "uint8"),
    ],
)
def test_images_of_every_kind(pixels, names, dtype):
    adata = table()
    adata.uns["spatial"]["A1"]["images"] = {"hires": pixels}
    image = s3.pp.to_spatialdata(adata)["A1_hires"]
    assert image.shape == (len(names), 50, 60)
    assert [str(name) for name in image.coords["c"].to_numpy()] == names
    assert image.dtype == dtype


def test_result_is_written_and_read(tmp_path):
    adata = table()
    adata.obs["sum umi"] = 1.0
    adata.obsm["X/odd"] = np.ones((N, 2))
    sdata = s3.pp.to_spatialdata(adata)
    s3.pp.make_tiles(sdata, "A1_hires", size=16)
    sdata.write(tmp_path / "a.zarr")
    back = sd.read_zarr(tmp_path / "a.zarr")
    _, tiles = next(s3.pp.iter_tiles(back, "A1_hires_tiles", order="boxes"))
    np.testing.assert_array_equal(tiles, bricks.cut(bricks.wall(), PLACES))
    assert {"sum_umi", "layer"} <= set(back.tables["table"].obs)
    assert "sum umi" in adata.obs


def test_a_view_is_taken_and_stays_one():
    view = table()[10:30]
    sdata = s3.pp.to_spatialdata(view)
    assert view.is_view
    assert len(sdata["A1_spots"]) == 20


def spoilt(change):
    adata = table()
    change(adata)
    return adata


def inside(adata, *keys):
    found = adata.uns["spatial"]["A1"]
    for key in keys:
        found = found[key]
    return found


@pytest.mark.parametrize(
    ("change", "arguments", "kind", "match"),
    [
        (lambda a: a.uns.pop("spatial"), {}, errors.MissingKeyError, r"uns\['spatial'\]: holds no library.*spot_diam"),
        (lambda a: a.uns.update(spatial={}), {}, errors.MissingKeyError, "holds no library"),
        (lambda a: a.obsm.pop("spatial"), {}, errors.MissingKeyError, r"obsm\['spatial'\]"),
        (lambda a: a.obsm["spatial"].__setitem__(3, np.nan), {}, errors.CoordinatesError, "without finite coordinates"),
        (lambda a: None, {"library_id": "B"}, errors.MissingKeyError, r"uns\['spatial'\]\['B'\].*Available: A1"),
        (lambda a: None, {"library_key": "slide"}, errors.MissingKeyError, r"obs\['slide'\]"),
        (lambda a: None, {"library_key": "layer"}, errors.MissingKeyError, r"uns\['spatial'\]\['a'\].*Available: A1"),
        (
            lambda a: None,
            {"library_key": "layer", "library_id": "A1"},
            errors.MissingKeyError,
            r"obs\['layer'\]: has no spot of this library.*Available: a, b",
        ),
        (lambda a: None, {"image": "fullres"}, errors.ParameterError, "image: is unknown.*hires, lowres"),
        (
            lambda a: inside(a, "images").pop("hires"),
            {"image": "hires"},
            errors.MissingKeyError,
            r"\['images'\]\['hires'\]: is not there.*image='lowres'",
        ),
        (
            lambda a: inside(a, "images").clear(),
            {},
            errors.MissingKeyError,
            r"\['images'\]\['hires'\].*Available: noth",
        ),
        (lambda a: inside(a).pop("images"), {}, errors.MissingKeyError, r"\['images'\]\['hires'\]"),
        (
            lambda a: inside(a, "images").update(hires=np.zeros((2, 3, 4, 5))),
            {},
            errors.InputError,
            r"is not an image.*\(2, 3, 4, 5\)",
        ),
        (lambda a: inside(a, "images").update(hires="tissue.png"), {}, errors.InputError, "is not an image"),
        (
            lambda a: inside(a, "scalefactors").pop("tissue_hires_scalef"),
            {},
            errors.MissingKeyError,
            r"\['tissue_hires_scalef'\]: is not there.*1.0 where",
        ),
        (
            lambda a: inside(a, "scalefactors").pop("spot_diameter_fullres"),
            {},
            errors.MissingKeyError,
            r"\['spot_diameter_fullres'\]: is not there.*diameter of a spot in pixels",
        ),
        (
            lambda a: inside(a, "scalefactors").update(tissue_lowres_scalef=0),
            {},
            errors.InputError,
            r"\['tissue_lowres_scalef'\]: is no positive number",
        ),
        (
            lambda a: inside(a, "scalefactors").update(spot_diameter_fullres="wide"),
            {},
            errors.InputError,
            r"\['spot_diameter_fullres'\]: is no positive number",
        ),
    ],
)
def test_layouts_that_lack_something(change, arguments, kind, match):
    adata = spoilt(change)
    before = contents(adata)
    with pytest.raises(kind, match=match) as caught:
        s3.pp.to_spatialdata(adata, **arguments)
    assert caught.value.fix
    assert changed(before, contents(adata)) == set()


def test_other_objects():
    sdata = s3.pp.to_spatialdata(table())
    with pytest.raises(errors.DataTypeError, match=r"data: is a SpatialData already.*make_tiles"):
        s3.pp.to_spatialdata(sdata)
    with pytest.raises(errors.DataTypeError, match="data: is no AnnData"):
        s3.pp.to_spatialdata(np.ones(3))
