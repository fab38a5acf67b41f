"""Real folders of Space Ranger: from what a reader gives to image features, domains of the image, and image edges."""

from __future__ import annotations

import numpy as np
import pytest
import squidpy as sq

import s3rl as s3

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore:Converting `region_key:UserWarning"),
    pytest.mark.filterwarnings("ignore:Variable names are not unique:UserWarning"),
]
SHORT = {"backbone": "test_resnet", "progress": False, "device": "cpu"}


@pytest.fixture(scope="module")
def section(real_data):
    """Every fifth spot of a whole output folder, which has a lowres image only and its counts as text."""
    spatialdata_io = pytest.importorskip("spatialdata_io")
    sdata = spatialdata_io.visium(
        real_data / "vendor_raw" / "visium_outs_complete",
        dataset_id="section",
        counts_file="filtered_feature_bc_matrix/matrix.mtx.gz",
    )
    sdata.tables["table"] = sdata["table"][::5].copy()
    return sdata


@pytest.fixture(scope="module")
def trained(section, tmp_path_factory):
    """Features after one pass, and the file of the encoder."""
    encoder = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    s3.pp.make_tiles(section, "section_lowres_image", size=200, unit="um")
    s3.tl.simclr(section, params={"epochs": 2, "min_steps": 1, "batch_size": 64}, encoder_path=encoder, **SHORT)
    return section["table"], encoder


@pytest.fixture(scope="module")
def small(real_data):
    """A folder of version 1, cut down to 100 spots and 100 genes."""
    return real_data / "vendor_raw" / "spaceranger_scanpy_tests" / "1.0.0"


def explained(labels: np.ndarray, values: np.ndarray) -> float:
    """Share of the variance of ``values`` between the groups."""
    inside = sum(values[labels == name].var() * (labels == name).sum() for name in np.unique(labels))
    return 1 - inside / (values.var() * len(values))


def test_features_of_a_real_slide_follow_its_stain(section, trained):
    table, _ = trained
    features = table.obsm["X_simclr"]
    assert features.shape == (580, 256)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    brightness = np.empty(len(section["section_lowres_image_tiles"]))
    for positions, tiles in s3.pp.iter_tiles(section, "section_lowres_image_tiles"):
        brightness[positions] = tiles.mean(axis=(1, 2, 3))
    # boxes are in the order of the spots, whose ids count from zero
    brightness = brightness[table.obs["spot_id"].to_numpy()]
    s3.tl.cluster(table, "kmeans", n_domains=4, use_rep="X_simclr")
    labels = table.obs["simclr_kmeans"].to_numpy()
    assert explained(labels, brightness) > 0.3
    assert explained(np.random.default_rng(0).permutation(labels), brightness) < 0.05


def test_a_saved_encoder_gives_the_features_of_its_training(section, trained):
    table, encoder = trained
    again = s3.tl.embed_tiles(section, encoder, copy=True, progress=False, device="cpu")
    np.testing.assert_allclose(again.features, table.obsm["X_simclr"], atol=1e-5)


def test_image_edges_of_a_real_slide(trained):
    table = trained[0].copy()
    s3.pp.normalize(table)
    sq.gr.spatial_neighbors_knn(table, n_neighs=6)
    s3.pp.signed_neighbors(table, image_rep="X_simclr")
    edges = table.uns["s3rl_neighbors"]["edges"]
    assert list(edges) == ["spatial", "genes+", "genes-", "image+", "image-"]
    assert min(edges.values()) > 0


def test_tiles_come_out_alike_from_spatialdata_io_and_from_squidpy(small):
    spatialdata_io = pytest.importorskip("spatialdata_io")
    direct = spatialdata_io.visium(small, dataset_id="brain")
    adata = sq.read.visium(small, library_id="brain")
    adata.var_names_make_unique()
    converted = s3.pp.to_spatialdata(adata)
    # neighbours of the array are 138 pixels of the full resolution apart, which are 100 micrometres
    unit = {"size": 200, "unit": "um", "microns_per_unit": 100 / 138}
    s3.pp.make_tiles(direct, "brain_lowres_image", coordinate_system="brain", **unit)
    s3.pp.make_tiles(converted, "brain_lowres", **unit)
    first, second = direct["brain_lowres_image_tiles"], converted["brain_lowres_tiles"]
    np.testing.assert_array_equal(first.bounds, second.bounds)
    assert set(first["size"]) == set(second["size"]) == {12}
    found = [
        s3.tl.simclr(sdata, params={"epochs": 1, "min_steps": 2}, copy=True, **SHORT).features
        for sdata in (direct, converted)
    ]
    np.testing.assert_array_equal(*found)


def test_a_blank_image_with_alpha_gives_finite_features(small):
    spatialdata_io = pytest.importorskip("spatialdata_io")
    sdata = spatialdata_io.visium(small, dataset_id="brain")
    assert len(sdata["brain_hires_image"]) == 4
    s3.pp.make_tiles(sdata, "brain_hires_image", size=20)
    s3.tl.simclr(sdata, params={"epochs": 1, "min_steps": 2}, **SHORT)
    assert np.isfinite(sdata["table"].obsm["X_simclr"]).all()
    assert np.isfinite(sdata["table"].uns["simclr"]["history"]["loss"]).all()
