from __future__ import annotations

import numpy as np
import pytest
from transforms.samples import DTYPES, tile

from s3rl.errors import DataTypeError, InputError, ParameterError
from s3rl.transforms import Normalize, Rescale
from s3rl.transforms._pixels import albumentations


def run(transform, value):
    return transform({"tile": value}, np.random.default_rng(0))["tile"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_rescale_is_linear_and_clips(dtype):
    value = np.array([0, 10, 60, 110, 127], dtype).reshape(1, 1, 5)
    np.testing.assert_allclose(run(Rescale(low=10, high=110), value).ravel(), [0, 0, 0.5, 1, 1], atol=1e-7)


def test_rescale_takes_the_largest_value_of_the_type():
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        value = np.array([0, top // 3, top], dtype).reshape(1, 1, 3)
        np.testing.assert_allclose(run(Rescale(), value).ravel(), [0, 1 / 3, 1], atol=1e-7)


def test_rescale_by_channel():
    value = np.full((3, 2, 2), 100, np.uint16)
    out = run(Rescale(low=(0, 50, 100), high=[200, 150, 300]), value)
    np.testing.assert_allclose(out[:, 0, 0], [0.5, 0.5, 0.0])


@pytest.mark.parametrize(
    "wrong",
    [{"high": 0}, {"low": 5, "high": (9, 5)}, {"high": "bright"}, {"high": ()}, {"low": None}, {"high": float("nan")}],
)
def test_rescale_refuses_what_is_no_range(wrong):
    with pytest.raises(ParameterError):
        Rescale(**wrong)


@pytest.mark.parametrize("dtype", [np.float32, bool, complex])
def test_rescale_needs_to_know_how_bright_floats_get(dtype):
    with pytest.raises(DataTypeError, match=r"Rescale\(high="):
        run(Rescale(), np.zeros((1, 2, 2), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_normalize_equals_albumentations(dtype, channels):
    rng = np.random.default_rng(channels)
    mean, std = tuple(rng.uniform(0.2, 0.8, channels).tolist()), tuple(rng.uniform(0.1, 0.5, channels).tolist())
    value = tile(channels, dtype=dtype)
    top = 255.0 if dtype == np.uint8 else 1.0
    theirs = albumentations().Normalize(mean=mean, std=std, max_pixel_value=top)(
        image=np.ascontiguousarray(value.transpose(1, 2, 0))
    )["image"]
    out = run(Normalize(mean=mean, std=std), value)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, theirs.transpose(2, 0, 1), rtol=1e-5, atol=1e-5)


def test_normalize_standardises():
    value = tile(3, 64)
    mean, std = (value / 255).mean(axis=(1, 2)), (value / 255).std(axis=(1, 2))
    out = run(Normalize(mean=mean, std=std), value)
    np.testing.assert_allclose(out.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=(1, 2)), 1, atol=1e-5)


def test_other_channels_than_values():
    with pytest.raises(InputError, match=r"mean.*3 values for a tile of 5"):
        run(Normalize(), tile(5))
    with pytest.raises(InputError, match=r"high.*2 values for a tile of 3"):
        run(Rescale(high=(9, 9)), tile(3))


@pytest.mark.parametrize("wrong", [{"std": 0}, {"std": (1, -1, 1)}, {"mean": "grey"}, {"mean": (0.1, float("nan"))}])
def test_normalize_refuses_what_is_no_mean(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Normalize(**wrong)
