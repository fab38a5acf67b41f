"""What is written as Space Ranger writes it is what the readers of the ecosystem give back."""

from __future__ import annotations

import json
import re

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import spatialdata as sd
import squidpy as sq
from PIL import Image
from spatialdata.models import Image2DModel, ShapesModel, TableModel
from spatialdata.transformations import Identity

import s3rl as s3
from s3rl.errors import CoordinatesError, CountsError, DataTypeError, InputError, ParameterError, StoreError

# what the readers say about themselves
pytestmark = [
    pytest.mark.filterwarnings("ignore:Converting `region_key:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*squidpy.read.visium:FutureWarning"),
]

SIZE = {"n_spots": 90, "n_genes": 60, "n_layers": 3}
PITCH = 100.0


def tissue(**params):
    return s3.datasets.simulated_cortex(**SIZE, params=params, rng=3)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Tissue whose image is turned, its folder, and the barcodes."""
    sdata = tissue(image_rotation=25.0)
    folder = tmp_path_factory.mktemp("donor") / "outs"
    return sdata, folder, s3.datasets.write_spaceranger(sdata, folder)


def pixels_of(sdata) -> np.ndarray:
    """x, y of the spots in pixels of the image, by the matrix of its transformation and nothing of s3rl."""
    matrix = sd.transformations.get_transformation(sdata["he"]).to_affine_matrix(("x", "y"), ("x", "y"))
    xy = np.column_stack([sdata["table"].obsm["spatial"], np.ones(sdata["table"].n_obs)])
    return np.linalg.solve(matrix, xy.T).T[:, :2]


def picture_of(sdata) -> np.ndarray:
    return np.asarray(sdata["he"].data)


def in_order(table: ad.AnnData, sdata, barcodes: pd.Series) -> ad.AnnData:
    """The rows that were read, in the order of the tissue."""
    assert sorted(table.obs_names) == sorted(barcodes)
    return table[barcodes.loc[sdata["table"].obs_names].to_numpy()]


def test_spatialdata_io_gives_counts_positions_and_images_back(written):
    spatialdata_io = pytest.importorskip("spatialdata_io")
    sdata, folder, barcodes = written
    read = spatialdata_io.visium(folder, dataset_id="donor", fullres_image_file="tissue_image.tif")
    table = in_order(read["table"], sdata, barcodes)
    assert (table.X != sdata["table"].X).nnz == 0
    assert list(table.var_names) == list(sdata["table"].var_names)
    spots = read["donor"].loc[table.obs["spot_id"]]
    np.testing.assert_allclose(spots.get_coordinates().to_numpy(), pixels_of(sdata), atol=1e-5)
    np.testing.assert_allclose(2 * spots["radius"], 55 / 3.0)
    np.testing.assert_array_equal(read["donor_full_image"]["scale0"].image, picture_of(sdata))
    np.testing.assert_array_equal(read["donor_hires_image"], picture_of(sdata))  # fewer than 2,000 pixels
    assert set(table.obs["in_tissue"]) == {1}


@pytest.mark.parametrize("reader", [sq.read.visium, sc.read_visium])
def test_squidpy_and_scanpy_give_counts_positions_and_images_back(written, reader):
    sdata, folder, barcodes = written
    adata = in_order(reader(folder), sdata, barcodes)
    assert (adata.X != sdata["table"].X).nnz == 0
    np.testing.assert_allclose(adata.obsm["spatial"], pixels_of(sdata), atol=1e-5)
    (library,) = adata.uns["spatial"]
    assert library == folder.parent.name  # "outs" is no name of a sample
    slide = adata.uns["spatial"][library]
    hires = slide["images"]["hires"]
    hires = hires if hires.dtype == np.uint8 else np.rint(hires * 255).astype(np.uint8)
    np.testing.assert_array_equal(np.moveaxis(hires, -1, 0), picture_of(sdata))
    assert slide["scalefactors"]["tissue_hires_scalef"] == 1.0
    assert slide["scalefactors"]["spot_diameter_fullres"] == pytest.approx(55 / 3.0)


def test_tiles_of_the_folder_are_tiles_of_the_tissue(written):
    spatialdata_io = pytest.importorskip("spatialdata_io")
    sdata, folder, barcodes = written
    read = spatialdata_io.visium(folder, dataset_id="donor", fullres_image_file="tissue_image.tif")
    tiles = {}
    for name, data, key in (("tissue", sdata, "he"), ("folder", read, "donor_full_image")):
        # on a turned image no spot is so near to the middle of two pixels that the decimals of the file decide
        s3.pp.make_tiles(data, key, size=50, unit="um")
        positions, values = next(s3.pp.iter_tiles(data, f"{key}_tiles", order="boxes"))
        tiles[name] = dict(zip(data.shapes[f"{key}_tiles"].index[positions], values, strict=True))
        assert data.shapes[f"{key}_tiles"]["microns"].iloc[0] == pytest.approx(51.0)
    spot = read["table"].obs["spot_id"]
    for name, instance in sdata["table"].obs["instance_id"].items():
        np.testing.assert_array_equal(tiles["folder"][spot[barcodes[name]]], tiles["tissue"][instance])


def test_the_matrix_is_laid_out_as_10x_lays_it_out(written):
    sdata, folder, _ = written
    with h5py.File(folder / "filtered_feature_bc_matrix.h5") as file:
        matrix = file["matrix"]
        names = [name.decode() for name in matrix["barcodes"][:]]
        assert names == sorted(names)
        assert all(re.fullmatch("[ACGT]{16}-1", name) for name in names)
        assert matrix["shape"][:].tolist() == [SIZE["n_genes"], SIZE["n_spots"]]
        assert matrix["indptr"].shape == (SIZE["n_spots"] + 1,)
        assert {"_all_tag_keys", "feature_type", "genome", "id", "name"} == set(matrix["features"])
        assert file.attrs["filetype"] == "matrix"
        assert matrix["data"][:].sum() == sdata["table"].X.sum()


def test_the_array_is_hexagonal_and_places_without_a_spot_are_off_tissue(written):
    _, folder, barcodes = written
    places = pd.read_csv(folder / "spatial" / "tissue_positions.csv", index_col="barcode")
    assert places.index.is_unique
    assert places["in_tissue"].sum() == len(barcodes) < len(places)
    assert (places.loc[barcodes, "in_tissue"] == 1).all()
    assert ((places["array_row"] + places["array_col"]) % 2 == 0).all()
    at = places[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy() * 3.0
    for step in ((0, 2), (1, 1), (1, -1)):
        row, col = places["array_row"].to_numpy(), places["array_col"].to_numpy()
        pairs = (row[None] - row[:, None] == step[0]) & (col[None] - col[:, None] == step[1])
        first, second = np.nonzero(pairs)
        assert len(first)
        np.testing.assert_allclose(np.linalg.norm(at[first] - at[second], axis=1), PITCH, rtol=1e-5)


def own_slide(pixels: np.ndarray, xy: np.ndarray, **obs) -> sd.SpatialData:
    n = len(xy)
    names = [f"ACGTACGTACGTACG{'ACGT'[i]}-1" for i in range(n)] if n <= 4 else [f"spot{i}" for i in range(n)]
    table = ad.AnnData(np.ones((n, 3), np.float32), obs=pd.DataFrame(obs | {"region": "spots"}, index=names))
    table.obs["id"] = np.arange(n)
    table.obs["region"] = table.obs["region"].astype("category")
    here = {"global": Identity()}
    return sd.SpatialData.init_from_elements(
        {
            "slide": Image2DModel.parse(pixels, dims=("c", "y", "x"), transformations=here),
            "spots": ShapesModel.parse(xy, geometry=0, radius=20.0, transformations=here),
            "table": TableModel.parse(table, region="spots", region_key="region", instance_key="id"),
        }
    )


def test_a_large_image_is_made_smaller_with_its_scale_factors(tmp_path):
    """On a ramp the brightness of a pixel says where it is."""
    high, wide = 1203, 2550
    y, x = np.mgrid[:high, :wide] + 0.5
    pixels = np.stack([x / 10, y / 10, np.zeros_like(x)]).astype(np.uint8)
    xy = np.array([[100.0, 100.0], [2500.0, 100.0], [100.0, 1150.0]])
    sdata = own_slide(pixels, xy, array_row=[0, 0, 7], array_col=[0, 30, 1])
    barcodes = s3.datasets.write_spaceranger(sdata, tmp_path / "large")
    assert list(barcodes) == list(sdata["table"].obs_names)  # names of that form are kept
    adata = sq.read.visium(tmp_path / "large")[barcodes]
    np.testing.assert_allclose(adata.obsm["spatial"], xy)
    assert adata.obs["array_col"].tolist() == [0, 30, 1]
    for name, size in (("hires", 2000), ("lowres", 600)):
        slide = adata.uns["spatial"]["large"]
        scale = slide["scalefactors"][f"tissue_{name}_scalef"]
        assert scale == size / wide
        picture = slide["images"][name].astype(float)
        assert picture.shape == (int(high * scale), size, 3)
        at = np.floor(adata.obsm["spatial"] * scale).astype(int)
        found = picture[at[:, 1], at[:, 0], :2] * 10
        assert np.abs(found - xy).max() < 10 + 1 / scale


def test_one_slice_of_several_is_written_and_several_are_refused(tmp_path):
    sdata = s3.datasets.simulated_cortex(**SIZE, n_slices=2, rotation=30.0, shift=500.0)
    with pytest.raises(InputError, match="several regions"):
        s3.datasets.write_spaceranger(sdata, tmp_path / "both")
    one = sdata.filter_by_coordinate_system("slice2")
    barcodes = s3.datasets.write_spaceranger(one, tmp_path / "second")
    adata = sq.read.visium(tmp_path / "second")[barcodes]
    assert (adata.X != one["table"].X).nnz == 0


def test_nothing_of_the_tissue_changes_and_equal_tissue_gives_equal_files(tmp_path):
    sdata = tissue()
    before = sdata["table"].copy()
    s3.datasets.write_spaceranger(sdata, tmp_path / "a")
    after = sdata["table"]
    assert list(after.obs) == list(before.obs)
    assert (after.X != before.X).nnz == 0
    assert set(sdata.images) == {"he"}
    s3.datasets.write_spaceranger(tissue(), tmp_path / "b")
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) == 6
    for file in files[1:]:  # the matrix holds the name of its folder
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_folder_is_replaced_only_if_it_was_written_here(tmp_path):
    sdata = tissue()
    (tmp_path / "empty").mkdir()
    s3.datasets.write_spaceranger(sdata, tmp_path / "empty")
    with pytest.raises(StoreError, match="overwrite=True"):
        s3.datasets.write_spaceranger(sdata, tmp_path / "empty")
    s3.datasets.write_spaceranger(sdata, tmp_path / "empty", overwrite=True)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years")
    with pytest.raises(StoreError, match="did not write"):
        s3.datasets.write_spaceranger(sdata, tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years"
    with pytest.raises(StoreError, match="mkdir"):
        s3.datasets.write_spaceranger(sdata, tmp_path / "not" / "there")


def test_a_full_disk_leaves_the_old_folder_and_nothing_beside_it(tmp_path, monkeypatch):
    sdata = tissue()
    s3.datasets.write_spaceranger(sdata, tmp_path / "slide")
    scales = (tmp_path / "slide" / "spatial" / "scalefactors_json.json").read_bytes()
    save = Image.Image.save

    def full(self, path, *arguments, **more):
        if "lowres" in str(path):
            raise OSError(28, "No space left on device")
        save(self, path, *arguments, **more)

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(StoreError, match="disk is full"):
        s3.datasets.write_spaceranger(tissue(pixel_size=5.0), tmp_path / "slide", overwrite=True)
    assert (tmp_path / "slide" / "spatial" / "scalefactors_json.json").read_bytes() == scales
    assert [path.name for path in tmp_path.iterdir()] == ["slide"]
    assert json.loads(scales)["tissue_lowres_scalef"] <= 1


def _without_image(sdata):
    del sdata.images["he"]


def _two_images(sdata):
    sdata.images["more"] = sdata.images["he"]


def _grey(sdata):
    sdata.images["he"] = sdata["he"].isel(c=[0])


def _deep(sdata):
    sdata.images["he"] = sdata["he"].astype(np.uint16)


def _normalised(sdata):
    s3.pp.normalize(sdata)


def _square(sdata):
    xy = np.stack(np.meshgrid(np.arange(10), np.arange(9)), axis=-1).reshape(-1, 2) * 100.0
    sdata.shapes["spots"] = ShapesModel.parse(xy, geometry=0, radius=27.5, index=np.arange(90))


def _polygons(sdata):
    sdata.shapes["spots"] = ShapesModel.parse(sd.to_polygons(sdata["spots"]))


def _fewer(sdata):
    sdata.shapes["spots"] = sdata["spots"].iloc[5:]


def _unannotated(sdata):
    del sdata["table"].uns["spatialdata_attrs"]


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (_without_image, s3.errors.MissingKeyError, "no image shares"),
        (_two_images, ParameterError, "pass image_key='he'"),
        (_grey, DataTypeError, "1 channels of uint8"),
        (_deep, DataTypeError, "3 channels of uint16"),
        (_normalised, CountsError, "not whole numbers"),
        (_square, CoordinatesError, "no hexagonal array"),
        (_polygons, InputError, "is not circles"),
        (_fewer, InputError, "5 of 90"),
        (_unannotated, s3.errors.MissingKeyError, "annotates no shapes"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_left(tmp_path, damage, error, words):
    sdata = tissue()
    damage(sdata)
    with pytest.raises(error, match=words):
        s3.datasets.write_spaceranger(sdata, tmp_path / "slide")
    assert not list(tmp_path.iterdir())


def test_cells_are_no_array(tmp_path):
    sdata = s3.datasets.simulated_cortex(**SIZE, technology="cells")
    with pytest.raises(CoordinatesError, match="hexagonal"):
        s3.datasets.write_spaceranger(sdata, tmp_path / "cells")


def test_only_spatialdata_has_an_image_to_write(tmp_path):
    with pytest.raises(DataTypeError, match="to_spatialdata"):
        s3.datasets.write_spaceranger(tissue()["table"], tmp_path / "slide")
