import json

import numpy as np
import pytest
import torch

from s3rl.errors import ModelError, StoreError
from s3rl.fit.encoder_file import FittedEncoder, check_encoder_path, load_encoder, save_encoder
from s3rl.fit.intensity import Intensity
from s3rl.nn import TileEncoder


@pytest.fixture
def fitted():
    encoder = TileEncoder("test_resnet", in_channels=2, tile_size=16, n_features=8, n_projection=4, seed=3).eval()
    return FittedEncoder(encoder, "test_resnet", Intensity((0.0, 1.0), (5.0, 9.5)), {"seed": 3})


def test_what_is_saved_reads_back(fitted, tmp_path):
    save_encoder(tmp_path / "e.safetensors", fitted)
    again = load_encoder(tmp_path / "e.safetensors")
    assert (again.backbone, again.intensity, again.about) == (fitted.backbone, fitted.intensity, fitted.about)
    assert not again.encoder.training
    tiles = torch.rand(3, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.encoder.features(tiles), fitted.encoder.features(tiles))


def test_safetensors_reads_it_without_us(fitted, tmp_path):
    from safetensors import safe_open

    save_encoder(tmp_path / "e.safetensors", fitted)
    with safe_open(tmp_path / "e.safetensors", "pt") as file:
        assert json.loads(file.metadata()["s3rl"])["backbone"] == "test_resnet"
        assert set(file.keys()) == set(fitted.encoder.state_dict())


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "other", "nan", "renamed"])
def test_what_is_no_encoder_is_refused(fitted, tmp_path, damage):
    place = tmp_path / "e.safetensors"
    if damage == "nan":
        fitted.encoder.state_dict()["mean"].fill_(np.nan)
    if damage == "renamed":
        object.__setattr__(fitted, "backbone", "no_such_model")
    save_encoder(place, fitted)
    raw = place.read_bytes()
    if damage == "gone":
        place.unlink()
    elif damage in ("empty", "cut"):
        place.write_bytes(raw[: {"empty": 0, "cut": len(raw) // 2}[damage]])
    elif damage == "other":
        from safetensors.torch import save_file

        save_file({"w": torch.ones(2)}, place)
    with pytest.raises(ModelError, match="encoder"):
        load_encoder(place)


def test_a_path_that_cannot_be_written_is_refused_early(tmp_path):
    check_encoder_path(tmp_path / "e.safetensors")
    for place in (tmp_path, tmp_path / "none" / "e.safetensors"):
        with pytest.raises(StoreError, match="encoder_path"):
            check_encoder_path(place)
