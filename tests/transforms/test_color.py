from __future__ import annotations

import colorsys

import numpy as np
import pytest
from transforms.samples import DTYPES, tile

from s3rl.errors import ParameterError
from s3rl.transforms import ColorJitter, ToGray

STILL = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0, "order": [0, 1, 2, 3]}
LUMINANCE = np.array([0.299, 0.587, 0.114])


def top(dtype):
    return 255 if dtype == np.uint8 else 1


def close(found, wanted, dtype, levels=1):
    """Equal to so many levels of 255; albumentations cuts off where it looks values up."""
    wanted = np.clip(wanted, 0, top(dtype))
    np.testing.assert_allclose(found, wanted, atol=levels * 1.01 if dtype == np.uint8 else 1e-4)


def jitter(value, **parameters):
    return ColorJitter().apply(value, STILL | parameters)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.4])
def test_brightness_multiplies(dtype, channels, factor):
    value = tile(channels, dtype=dtype)
    close(jitter(value, brightness=factor), value * factor, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.4])
def test_contrast_moves_away_from_the_mean(dtype, channels, factor):
    value = tile(channels, dtype=dtype)
    weights = LUMINANCE if channels == 3 else np.ones(1)
    mean = np.tensordot(weights, value.astype(float), 1).mean()
    close(jitter(value, contrast=factor), mean + factor * (value - mean), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.4])
def test_saturation_moves_away_from_grey(dtype, factor):
    value = tile(3, dtype=dtype)
    gray = np.tensordot(LUMINANCE, value.astype(float), 1)
    close(jitter(value, saturation=factor), gray + factor * (value - gray), dtype)


def test_hue_turns():
    value = tile(3, 6, np.float32)
    wanted = np.empty_like(value)
    for i, j in np.ndindex(6, 6):
        hue, saturation, brightness = colorsys.rgb_to_hsv(*value[:, i, j].tolist())
        wanted[:, i, j] = colorsys.hsv_to_rgb((hue + 0.1) % 1, saturation, brightness)
    np.testing.assert_allclose(jitter(value, hue=0.1), wanted, atol=1e-3)
    whole = (value * 255).round().astype(np.uint8)
    # OpenCV keeps the hue of bytes in steps of two degrees
    np.testing.assert_allclose(jitter(whole, hue=0.1), wanted * 255, atol=10)


@pytest.mark.parametrize("dtype", DTYPES)
def test_grey_stays_grey(dtype):
    value = np.repeat(tile(1, dtype=dtype), 3, axis=0)
    for seed in range(10):
        out = ColorJitter()({"tile": value}, np.random.default_rng(seed))["tile"]
        assert np.ptp(out.astype(float), axis=0).max() <= (1 if dtype == np.uint8 else 1e-5)


def test_order_and_strengths_are_drawn():
    drawn = [ColorJitter(hue=0.2).sample_parameters(tile(), np.random.default_rng(i)) for i in range(200)]
    assert len({tuple(d["order"]) for d in drawn}) == 24
    for name, low, high in (
        ("brightness", 0.6, 1.4),
        ("contrast", 0.6, 1.4),
        ("saturation", 0.6, 1.4),
        ("hue", -0.2, 0.2),
    ):
        values = np.array([d[name] for d in drawn])
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_no_strength_no_change(dtype, channels):
    value = tile(channels, dtype=dtype)
    still = ColorJitter(brightness=0, contrast=0, saturation=0, hue=0)
    np.testing.assert_array_equal(still({"tile": value}, np.random.default_rng(0))["tile"], value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gray_is_the_luminance(dtype):
    value = tile(3, dtype=dtype)
    out = ToGray()({"tile": value}, np.random.default_rng(0))["tile"]
    wanted = np.tensordot(LUMINANCE, value.astype(float), 1)
    np.testing.assert_allclose(out, np.stack([wanted] * 3), atol=0.6 if dtype == np.uint8 else 1e-5)
    one = tile(1, dtype=dtype)
    np.testing.assert_array_equal(ToGray()({"tile": one}, np.random.default_rng(0))["tile"], one)


@pytest.mark.parametrize("wrong", [{"hue": 0.6}, {"brightness": -1}, {"contrast": "strong"}, {"saturation": None}])
def test_strengths(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        ColorJitter(**wrong)
