from __future__ import annotations

import numpy as np
import pytest
from transforms.samples import DTYPES, tile

from s3rl.errors import InputError, ParameterError
from s3rl.transforms import IntensityJitter


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 7])
def test_equals_a_loop_over_channels(dtype, channels):
    value = tile(channels, 6, dtype)
    jitter = IntensityJitter()
    parameters = jitter.sample_parameters(value, np.random.default_rng(channels))
    out = jitter.apply(value, parameters)
    top = 255 if dtype == np.uint8 else 1
    for at in np.ndindex(value.shape):
        wanted = float(value[at]) * parameters["gain"][at[0]] + parameters["offset"][at[0]] * top
        assert float(out[at]) == pytest.approx(min(max(wanted, 0), top), abs=0.501 if top == 255 else 1e-6)


def test_channels_differ_and_ranges_are_kept():
    drawn = [
        IntensityJitter(gain=0.2, offset=0.05).sample_parameters(tile(4), np.random.default_rng(i)) for i in range(99)
    ]
    gain, offset = (np.array([d[name] for d in drawn]) for name in ("gain", "offset"))
    assert 0.8 <= gain.min() < 0.81
    assert 1.19 < gain.max() <= 1.2
    assert -0.05 <= offset.min() < -0.048
    assert 0.048 < offset.max() <= 0.05
    assert np.abs(np.corrcoef(np.hstack([gain, offset]).T) - np.eye(8)).max() < 0.35


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_strength_no_change(dtype):
    value = tile(5, dtype=dtype)
    out = IntensityJitter(gain=0, offset=0)({"tile": value}, np.random.default_rng(0))["tile"]
    np.testing.assert_array_equal(out, value)


def test_keys_of_other_channels():
    with pytest.raises(InputError, match="as many channels"):
        IntensityJitter(keys=("a", "b"))({"a": tile(3), "b": tile(4)}, np.random.default_rng(0))


@pytest.mark.parametrize("wrong", [{"gain": 1.5}, {"offset": -0.1}, {"gain": None}])
def test_strengths(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        IntensityJitter(**wrong)
