from __future__ import annotations

import numpy as np
import pytest
import torch

import s3rl as s3
from s3rl.errors import DataTypeError, MissingKeyError, ModelError, ParameterError, StoreError
from s3rl.fit import embed as embed_module


@pytest.fixture(scope="module")
def sdata():
    sdata = s3.datasets.simulated_cortex(60, 30, rng=1)
    s3.pp.make_tiles(sdata, "he", size=16)
    return sdata


class Means(torch.nn.Module):
    """Mean of each channel."""

    def forward(self, tiles):
        return tiles.mean(dim=(2, 3))


def embed(sdata, encoder, **kwargs):
    return s3.tl.embed_tiles(sdata, encoder, **{"device": "cpu", "progress": False, "copy": True} | kwargs)


def tiles_in_order(sdata):
    tiles = np.concatenate([t for _, t in s3.pp.iter_tiles(sdata, "he_tiles", order="boxes")])
    names = sdata.shapes["he_tiles"].index
    return tiles[names.get_indexer(sdata.tables["table"].obs["instance_id"])]


def test_a_module_of_the_user_reads_fractions(sdata):
    wanted = tiles_in_order(sdata).mean(axis=(2, 3)) / 255
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    for batch_size in (7, 256):
        found = embed(sdata, Means(), batch_size=batch_size)
        np.testing.assert_allclose(found.features, wanted, atol=1e-6)
    assert found.features.dtype == np.float32
    assert found.record["encoder"]["backbone"] == "Means"


def test_a_module_is_left_as_it_was(sdata):
    model = torch.nn.Sequential(Means(), torch.nn.Dropout(0.9)).train()
    first, again = embed(sdata, model), embed(sdata, model)
    assert model.training
    assert np.array_equal(first.features, again.features)


def test_a_model_of_timm(sdata):
    found = embed(sdata, "test_resnet", pretrained=False)
    assert found.features.shape == (60, 96)
    assert np.array_equal(found.features, embed(sdata, "test_resnet", pretrained=False).features)


def test_an_interrupted_call_goes_on(sdata, tmp_path, monkeypatch):
    whole = embed(sdata, Means(), batch_size=8)
    seen = []
    inner = embed_module._checked

    def checked(features, tiles):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(len(tiles))
        return inner(features, tiles)

    with monkeypatch.context() as patched:
        patched.setattr(embed_module, "_checked", checked)
        with pytest.raises(KeyboardInterrupt):
            embed(sdata, Means(), batch_size=8, parts_dir=tmp_path / "parts")
    assert len(list((tmp_path / "parts").glob("part-*"))) == 3
    with pytest.raises(StoreError, match="another encoder"):
        embed(sdata, "test_resnet", pretrained=False, parts_dir=tmp_path / "parts")
    monkeypatch.setattr(embed_module, "_checked", lambda f, t: seen.append(len(t)) or inner(f, t))
    again = embed(sdata, Means(), batch_size=8, parts_dir=tmp_path / "parts")
    assert np.array_equal(again.features, whole.features)
    assert sum(seen) == 60
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize(
    ("encoder", "arguments", "error", "said"),
    [
        (3, {}, DataTypeError, "encoder"),
        ("no_such_model", {}, MissingKeyError, "no_such_model"),
        ("gone.safetensors", {}, ModelError, "encoder_path"),
        (torch.nn.Conv2d(5, 2, 3), {}, ParameterError, "cannot read the tiles"),
        (torch.nn.Conv2d(3, 2, 3), {}, ParameterError, "one row of features"),
        (torch.nn.Sequential(Means(), torch.nn.Threshold(9, float("nan"))), {}, ParameterError, "not finite"),
        (Means(), {"batch_size": 0}, ParameterError, "batch_size"),
        (Means(), {"tiles_key": "none"}, MissingKeyError, "none"),
    ],
)
def test_what_cannot_be_used(sdata, encoder, arguments, error, said):
    with pytest.raises(error, match=said):
        embed(sdata, encoder, **arguments)


def test_an_encoder_for_other_channels(sdata, tmp_path):
    from s3rl.fit.encoder_file import FittedEncoder, save_encoder
    from s3rl.fit.intensity import Intensity
    from s3rl.nn import TileEncoder

    for name, channels, intensity in (("channels", 4, Intensity()), ("dtype", 3, Intensity((0.0,) * 3, (9.0,) * 3))):
        encoder = TileEncoder("test_resnet", in_channels=channels, tile_size=16).eval()
        save_encoder(tmp_path / f"{name}.safetensors", FittedEncoder(encoder, "test_resnet", intensity, {}))
        with pytest.raises(ParameterError, match="another kind"):
            embed(sdata, tmp_path / f"{name}.safetensors")


def test_a_folder_of_something_else(sdata, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="something else"):
        embed(sdata, Means(), parts_dir=tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
