"""Tiles that no transform can take, and the fix that each error names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transforms.samples import tile

from s3rl import transforms as T
from s3rl.errors import DataTypeError, InputError

ALL = [
    T.RandomResizedCrop(), T.Flip(), T.Resize(8), T.ColorJitter(), T.ToGray(), T.StainJitter(), T.IntensityJitter(),
    T.Blur(), T.Normalize(), T.Compose([T.Flip(), T.Blur()]), T.TwoViews(),
]  # fmt: skip
every = pytest.mark.parametrize("transform", ALL, ids=lambda transform: type(transform).__name__)


def run(transform, value):
    return transform({"tile": value}, np.random.default_rng(0))


@every
@pytest.mark.parametrize("dtype", [np.uint16, np.int64, np.float64, bool])
def test_other_types_are_scaled_first(transform, dtype):
    with pytest.raises(DataTypeError, match=rf"{np.dtype(dtype)}.*scale first.*Rescale\(high="):
        run(transform, tile().astype(dtype))


def test_the_fix_for_16_bit_works():
    deep = tile(3, dtype=np.uint8).astype(np.uint16) * 16
    out = T.TwoViews(recipe=T.Compose([T.Rescale(high=4095), T.TwoViews().recipe]))(
        {"tile": deep}, np.random.default_rng()
    )
    assert out["view_1"].dtype == np.float32


@every
def test_no_pixels(transform):
    with pytest.raises(InputError, match=r"no pixels|channels"):
        run(transform, np.zeros((3, 0, 4), np.uint8))


@every
@pytest.mark.parametrize("shape", [(4,), (2, 3, 4, 4)])
def test_wrong_number_of_axes(transform, shape):
    with pytest.raises(InputError, match=r"three axes.*tile\[None\]"):
        run(transform, np.zeros(shape, np.uint8))


@every
@pytest.mark.parametrize("value", [torch.zeros(3, 4, 4, dtype=torch.uint8), [[[1]]], None], ids=["torch", "list", "no"])
def test_no_array(transform, value):
    with pytest.raises(DataTypeError, match=r"no numpy array.*asarray"):
        run(transform, value)


@pytest.mark.parametrize("transform", [T.ColorJitter(), T.ToGray(), T.StainJitter()])
def test_colour_of_five_channels(transform):
    with pytest.raises(InputError, match=r"channels.*\(5, 16, 16\).*IntensityJitter"):
        run(transform, tile(5))


@pytest.mark.parametrize("transform", [T.ColorJitter(), T.ToGray(), T.StainJitter(), T.TwoViews()])
def test_channels_last(transform):
    with pytest.raises(InputError, match=r"channels.*\(16, 16, 3\).*transpose\(2, 0, 1\)"):
        run(transform, np.ascontiguousarray(tile().transpose(1, 2, 0)))


@pytest.mark.parametrize("transform", [T.ColorJitter(), T.ToGray(), T.StainJitter(), T.IntensityJitter(), T.Blur()])
@pytest.mark.parametrize("wrong", [255.0, -0.5, np.nan, np.inf])
def test_floats_out_of_range(transform, wrong):
    value = tile(dtype=np.float32)
    value[0, 0, 0] = wrong
    with pytest.raises(InputError, match=r"between 0 and 1.*Rescale"):
        run(transform, value)


def test_an_error_comes_whether_or_not_the_dice_would_have_applied_it():
    with pytest.raises(InputError):
        T.ColorJitter(p=0.0)({"tile": tile(5)}, np.random.default_rng(0))


def test_masks_beside_tiles():
    crop = T.RandomResizedCrop(keys=("tile", "mask"))
    with pytest.raises(InputError, match=r"same pixels.*\(8, 8\) beside \(16, 16\)"):
        crop({"tile": tile(), "mask": np.zeros((8, 8), bool)}, np.random.default_rng(0))
    with pytest.raises(DataTypeError, match=r"mask.*int64.*astype"):
        crop({"tile": tile(), "mask": np.zeros((16, 16), np.int64)}, np.random.default_rng(0))
