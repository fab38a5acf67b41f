"""Real slides: tiles show tissue where the spots lie, and do not where they would lie on a mirrored image."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import spatialdata as sd

import s3rl as s3

pytestmark = pytest.mark.real


def stained(tiles: np.ndarray) -> np.ndarray:
    """Share of the pixels of each tile (n, C, P, P) that have colour: neither glass nor a black or grey border."""
    pixels = tiles[:, :3].astype(float)
    return ((pixels.max(axis=1) - pixels.min(axis=1)) > 30).mean(axis=(1, 2))


def on_tissue(sdata, key: str, **arguments) -> float:
    s3.pp.make_tiles(sdata, key, **arguments)
    tiles = np.concatenate([tiles for _, tiles in s3.pp.iter_tiles(sdata, f"{key}_tiles")])
    return float(stained(tiles).mean())


@pytest.mark.parametrize("file", ["her2st/A1.h5ad", "her2st/C2.h5ad"])
@pytest.mark.parametrize("resolution", ["hires", "lowres"])
def test_converted_slides_have_their_tiles_on_the_tissue(real_data, tmp_path, file, resolution):
    adata = ad.read_h5ad(real_data / file)
    name = next(iter(adata.uns["spatial"]))
    s3.pp.to_spatialdata(adata).write(tmp_path / "a.zarr")
    sdata = sd.read_zarr(tmp_path / "a.zarr")
    key, size = f"{name}_{resolution}", {"hires": 32, "lowres": 9}[resolution]
    right = on_tissue(sdata, key, size=size)
    pixels = sdata[key].data
    for turned in (pixels[:, ::-1], pixels[:, :, ::-1], pixels[:, ::-1, ::-1]):
        sdata.images[key] = sdata[key].copy(data=turned)
        assert on_tissue(sdata, key, size=size) < right - 0.05


def test_spots_of_an_older_array_need_their_unit(real_data):
    sdata = s3.pp.to_spatialdata(ad.read_h5ad(real_data / "st_mob" / "STutility_MOB1.h5ad"))
    with pytest.raises(s3.errors.ParameterError, match="microns_per_unit: cannot be derived"):
        s3.pp.make_tiles(sdata, "MOB1_hires", size="visium")
    s3.pp.make_tiles(sdata, "MOB1_hires", size=20)
    assert not sdata["MOB1_hires_tiles"]["padded"].any()


@pytest.mark.parametrize("image", ["lowres_image", "full_image"])
def test_space_ranger_output_with_its_unit(real_data, image):
    spatialdata_io = pytest.importorskip("spatialdata_io")
    sdata = spatialdata_io.visium(
        real_data / "vendor_raw" / "visium_outs_complete",
        dataset_id="section",
        counts_file="filtered_feature_bc_matrix/matrix.mtx.gz",
        fullres_image_file="spatial/aligned_fiducials.jpg",
    )
    # spots at a distance of 21.43 pixels of the full resolution, 100 micrometres
    s3.pp.make_tiles(sdata, f"section_{image}", size=100, unit="um")
    boxes = sdata[f"section_{image}_tiles"]
    assert set(boxes["size"]) == {21 if image == "full_image" else 4}
    assert len(boxes) == 2898
    assert not boxes["padded"].any()


def test_an_image_with_alpha_and_few_spots(real_data):
    spatialdata_io = pytest.importorskip("spatialdata_io")
    sdata = spatialdata_io.visium(real_data / "vendor_raw" / "spaceranger_scanpy_tests" / "1.0.0", dataset_id="brain")
    assert len(sdata["brain_hires_image"]) == 4
    whole = stained(sdata["brain_lowres_image"].data.compute()[None])[0]
    assert on_tissue(sdata, "brain_lowres_image", size=3) > 1.5 * whole
    # the hires image of this folder is blank
    s3.pp.make_tiles(sdata, "brain_hires_image", size=10)
    _, tiles = next(s3.pp.iter_tiles(sdata, "brain_hires_image_tiles"))
    assert tiles.shape == (100, 3, 10, 10)
