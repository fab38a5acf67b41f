from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import save_file

from s3rl.errors import MissingKeyError, ModelError, ParameterError
from s3rl.nn import TileEncoder, TimmFeatures


def tiles(channels=3, size=32, n=4):
    return torch.randint(0, 256, (n, channels, size, size), generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize(
    ("backbone", "size", "channels"),
    [
        ("test_resnet", 16, 3),
        ("test_resnet", 60, 1),
        ("test_efficientnet", 32, 5),
        ("test_convnext", 32, 3),
        ("test_vit", 32, 3),
        ("resnet18", 20, 3),
        ("mobilenetv4_conv_small", 40, 4),
    ],
)
def test_any_backbone_reads_small_tiles(backbone, size, channels):
    encoder = TileEncoder(backbone, in_channels=channels, tile_size=size, n_features=10, n_projection=6).eval()
    with torch.no_grad():
        h = encoder.features(tiles(channels, size))
        z = encoder(tiles(channels, size))
    assert h.shape == (4, 10)
    assert z.shape == (4, 6)
    torch.testing.assert_close(h.norm(dim=1), torch.ones(4))
    assert encoder.n_features == 10
    assert encoder.n_projection == 6


@pytest.mark.parametrize(("size", "pool", "stride"), [(16, False, 1), (32, False, 2), (64, True, 2)])
def test_the_stem_keeps_a_map_of_two_pixels(size, pool, stride):
    stock = timm.create_model("resnet18", num_classes=0).eval()
    assert stock.forward_features(torch.zeros(1, 3, 32, 32)).shape[-1] == 1
    backbone = TileEncoder("resnet18", tile_size=size).eval().backbone
    assert backbone.forward_features(torch.zeros(1, 3, size, size)).shape[-1] >= 2
    assert isinstance(backbone.maxpool, torch.nn.MaxPool2d) == pool
    assert backbone.conv1.stride == (stride, stride)


def test_bytes_and_fractions_are_the_same_tile():
    encoder = TileEncoder("test_resnet", n_features=8).eval()
    torch.testing.assert_close(encoder.features(tiles()), encoder.features(tiles().float() / 255))


def test_colours_are_centred_as_given():
    encoder = TileEncoder("test_resnet", mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6]).eval()
    seen = []
    encoder.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.rand(2, 3, 32, 32)
    encoder.features(x)
    for c in range(3):
        torch.testing.assert_close(seen[0][:, c], (x[:, c] - (0.1, 0.2, 0.3)[c]) / (0.4, 0.5, 0.6)[c])


def test_the_seed_decides_the_weights_and_nothing_else():
    before = torch.random.get_rng_state()
    one, again, other = (TileEncoder("test_resnet", seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["backbone.conv1.0.weight"], other["backbone.conv1.0.weight"])


@pytest.mark.parametrize("channels", [3, 1, 5])
@pytest.mark.parametrize("kind", [TileEncoder, TimmFeatures])
def test_weights_from_a_file(tmp_path, channels, kind):
    source = timm.create_model("test_resnet", pretrained=False)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    model = kind("test_resnet", in_channels=channels, pretrained=tmp_path / "w.safetensors")
    torch.testing.assert_close(model.backbone.layer1[0].conv1.weight, source.layer1[0].conv1.weight)
    # ImageNet's, which timm's weights expect
    assert model.mean.flatten()[0].item() == pytest.approx(source.pretrained_cfg["mean"][0], abs=0.05)
    if channels == 3:
        torch.testing.assert_close(model.backbone.conv1[0].weight, source.conv1[0].weight)


def test_the_hub_is_asked_where_pretrained_is_true(monkeypatch):
    asked = []

    def download(*args, **kwargs):
        asked.append(args)
        raise OSError("no network")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", download)
    with pytest.raises(ModelError, match=r"no network.*pretrained=False"):
        TileEncoder("test_resnet", pretrained=True)
    assert asked


def test_timm_features_bring_tiles_to_the_size_of_the_weights():
    model = TimmFeatures("test_resnet", pretrained=False).eval()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    assert model(tiles(size=20)).shape == (4, 96)
    assert seen == [(4, 3, *model.backbone.pretrained_cfg["input_size"][1:])]


@pytest.mark.parametrize("kind", [TileEncoder, TimmFeatures])
def test_a_name_that_timm_does_not_know(kind):
    with pytest.raises(MissingKeyError, match=r"resnet_50.*resnet50"):
        kind("resnet_50")


def test_weights_that_cannot_be_read(tmp_path):
    with pytest.raises(ModelError, match="is no file"):
        TileEncoder("test_resnet", pretrained=tmp_path / "none.safetensors")
    save_file({"x": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="cannot be loaded"):
        TileEncoder("test_resnet", pretrained=tmp_path / "other.safetensors")


def test_a_size_or_number_of_channels_that_the_backbone_cannot_read():
    with pytest.raises(ParameterError, match=r"densenet121.*channels and 4 pixels"):
        TileEncoder("densenet121", tile_size=4)
