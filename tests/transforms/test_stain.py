from __future__ import annotations

import math

import numpy as np
import pytest
from transforms.samples import DTYPES, tile

from s3rl.errors import ParameterError
from s3rl.transforms import StainJitter

HAEMATOXYLIN, EOSIN = (0.65, 0.70, 0.29), (0.07, 0.99, 0.11)


def stained(haematoxylin, eosin):
    """Colour (3,) between 0 and 1 of tissue with these amounts of the two stains, by the absorption law."""
    step = 1 / 255
    light = [math.exp(-haematoxylin * h - eosin * e) for h, e in zip(HAEMATOXYLIN, EOSIN, strict=True)]
    return [value * (1 + step) - step for value in light]


@pytest.mark.parametrize(("h", "e"), [(1.3, 0.7), (0.7, 1.3), (1.0, 1.0), (0.5, 1.0)])
def test_amounts_of_the_stains_are_multiplied(h, e):
    amounts = [(0.1, 0.2), (0.8, 0.1), (0.05, 0.9), (0.6, 0.6), (0.0, 0.0)]
    value = np.array([stained(*a) for a in amounts], np.float32).T[:, None]
    wanted = np.array([stained(a * h, b * e) for a, b in amounts]).T[:, None]
    out = StainJitter().apply(value, {"haematoxylin": h, "eosin": e})
    np.testing.assert_allclose(out, wanted, atol=1e-5)
    whole = StainJitter().apply((value * 255).round().astype(np.uint8), {"haematoxylin": h, "eosin": e})
    np.testing.assert_allclose(whole, wanted * 255, atol=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_factors_of_one_give_the_tile_itself(dtype):
    values = np.array([0, 1, 2, 60, 128, 200, 254, 255], np.uint8)
    value = np.stack(np.meshgrid(values, values, values)).reshape(3, 16, 32)
    value = value if dtype == np.uint8 else (value / 255).astype(np.float32)
    out = StainJitter(haematoxylin=0, eosin=0)({"tile": value}, np.random.default_rng(0))["tile"]
    np.testing.assert_allclose(out, value, atol=0 if dtype == np.uint8 else 1e-5)


def test_glass_stays_glass():
    glass = np.full((3, 4, 4), 255, np.uint8)
    for seed in range(5):
        out = StainJitter(haematoxylin=1, eosin=1)({"tile": glass}, np.random.default_rng(seed))["tile"]
        np.testing.assert_array_equal(out, glass)


def test_both_stains_are_drawn_apart():
    drawn = [StainJitter(eosin=0.1).sample_parameters(tile(), np.random.default_rng(i)) for i in range(200)]
    h, e = (np.array([d[name] for d in drawn]) for name in ("haematoxylin", "eosin"))
    assert 0.7 <= h.min() < 0.72
    assert 1.28 < h.max() <= 1.3
    assert 0.9 <= e.min() < 0.91
    assert abs(np.corrcoef(h, e)[0, 1]) < 0.2


@pytest.mark.parametrize("wrong", [{"haematoxylin": 1.5}, {"eosin": -0.1}])
def test_strengths(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        StainJitter(**wrong)
