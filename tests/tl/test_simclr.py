from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import spatialdata as sd

import s3rl as s3
from s3rl.errors import DataTypeError, InputError, MissingKeyError, ModelError, ParameterError, S3RLError, StoreError

QUICK = {"epochs": 1, "min_steps": 1, "batch_size": 32, "n_features": 16, "n_projection": 8}


@pytest.fixture(scope="module")
def tissue():
    sdata = s3.datasets.simulated_cortex(80, 30, rng=1)
    s3.pp.make_tiles(sdata, "he", size=16)
    return sdata


@pytest.fixture
def sdata(tissue):
    return sd.SpatialData.init_from_elements(
        {name: element for kind, name, element in tissue.gen_elements() if kind != "tables"}
        | {"table": tissue.tables["table"].copy()}
    )


def simclr(sdata, **kwargs):
    settings = {"backbone": "test_resnet", "params": QUICK, "device": "cpu", "progress": False} | kwargs
    return s3.tl.simclr(sdata, **settings)


def test_features_are_written_in_the_order_of_the_table(sdata):
    table = sdata.tables["table"]
    simclr(sdata)
    first = table.obsm["X_simclr"].copy()
    assert first.dtype == np.float32
    assert first.shape == (80, 16)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-5)
    record = table.uns["simclr"]
    assert record["input"]["tiles_key"] == ["he_tiles"]
    assert record["input"]["image_key"] == ["he"]
    assert record["params"]["batch_size"] == 32
    assert record["encoder"]["backbone"] == "test_resnet"
    assert len(record["history"]["loss"]) == 1
    assert record["version"] == s3.__version__
    assert record["seed"] == 0


def test_features_follow_their_spots_when_the_table_is_reordered(sdata, tmp_path):
    simclr(sdata, encoder_path=tmp_path / "e.safetensors")
    before = sdata.tables["table"].obsm["X_simclr"].copy()
    order = np.random.default_rng(0).permutation(80)
    turned = sdata.tables["table"][order].copy()
    sdata.tables["table"] = turned
    s3.tl.embed_tiles(sdata, tmp_path / "e.safetensors", progress=False)
    np.testing.assert_allclose(turned.obsm["X_simclr"], before[order], atol=1e-5)


def test_results_survive_a_store(sdata, tmp_path):
    simclr(sdata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ome-zarr and zarr say about their next version
        sdata.write(tmp_path / "s.zarr")
    again = sd.read_zarr(tmp_path / "s.zarr").tables["table"]
    assert np.array_equal(again.obsm["X_simclr"], sdata.tables["table"].obsm["X_simclr"])
    assert again.uns["simclr"]["encoder"]["backbone"] == "test_resnet"


def test_several_slices_share_an_encoder(tmp_path):
    sdata = s3.datasets.simulated_cortex(50, 30, n_slices=2, rng=1)
    with pytest.raises(S3RLError):
        simclr(sdata)
    for image in list(sdata.images):
        s3.pp.make_tiles(sdata, image, size=16, region_key=image.replace("he", "spots"))
    simclr(sdata)
    assert sdata.tables["table"].obsm["X_simclr"].shape == (100, 16)
    assert len(sdata.tables["table"].uns["simclr"]["input"]["tiles_key"]) == 2


def test_a_transform_of_the_user(sdata):
    from s3rl.transforms import Blur, Compose, Flip, TwoViews

    own = TwoViews(recipe=Compose([Flip(), Blur()]))
    assert not np.array_equal(simclr(sdata, copy=True).features, simclr(sdata, transform=own, copy=True).features)


def test_an_interrupted_run_goes_on(sdata, tmp_path, monkeypatch):
    params = QUICK | {"epochs": 4, "checkpoint_interval": 1}
    whole = simclr(sdata, params=params, copy=True)
    simclr(sdata, params=params | {"epochs": 4}, checkpoint=tmp_path / "run", copy=True)
    again = simclr(sdata, params=params, checkpoint=tmp_path / "run", copy=True)
    assert np.array_equal(whole.features, again.features)
    with pytest.raises(ModelError, match="another run"):
        simclr(sdata, params=params, checkpoint=tmp_path / "run", rng=1)


def test_it_says_that_the_default_is_small(sdata, caplog):
    with caplog.at_level("INFO", logger="s3rl"):
        simclr(sdata)
    assert "SimCLRParams.paper()" in caplog.text
    assert "80 tiles" in caplog.text


def remake(sdata, **kwargs):
    s3.pp.make_tiles(sdata, "he", size=24, key_added="other", **kwargs)


@pytest.mark.parametrize(
    ("change", "arguments", "error", "said"),
    [
        (lambda s: s.shapes.pop("he_tiles"), {}, MissingKeyError, "make_tiles"),
        (lambda s: None, {"tiles_key": "none"}, MissingKeyError, "none"),
        (remake, {}, ParameterError, "tiles_key"),
        (lambda s: None, {"backbone": "resnet_50"}, MissingKeyError, "resnet50"),
        (lambda s: None, {"params": {"epochs": 0}}, ParameterError, "epochs"),
        (lambda s: None, {"params": {"n_workers": -1}}, ParameterError, "n_workers"),
        (lambda s: None, {"params": {"epoch": 1}}, ParameterError, "epoch"),
        (lambda s: None, {"device": "abacus"}, ParameterError, "device"),
        (lambda s: None, {"rng": -1}, ParameterError, "rng"),
        (lambda s: None, {"encoder_path": "/nowhere/at/all.safetensors"}, StoreError, "encoder_path"),
        (lambda s: None, {"table_key": "none"}, MissingKeyError, "none"),
    ],
)
def test_what_is_refused_changes_nothing(sdata, change, arguments, error, said):
    change(sdata)
    with pytest.raises(error, match=said):
        simclr(sdata, **arguments)
    assert not {"X_simclr", "simclr"} & {*sdata.tables["table"].obsm, *sdata.tables["table"].uns}


def test_a_row_without_a_tile_and_a_table_alone(sdata):
    sdata.shapes["he_tiles"] = sdata.shapes["he_tiles"].iloc[1:]
    with pytest.raises(InputError, match="tile"):
        simclr(sdata)
    with pytest.raises(DataTypeError, match="to_spatialdata"):
        simclr(ad.AnnData(np.ones((3, 2))))


def test_a_single_tile_cannot_be_contrasted(sdata):
    sdata.tables["table"] = sdata.tables["table"][:1].copy()
    with pytest.raises(ParameterError, match="two tiles"):
        simclr(sdata)
