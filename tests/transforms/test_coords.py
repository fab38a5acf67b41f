from __future__ import annotations

import numpy as np
import pytest

from s3rl.errors import DataTypeError, ParameterError
from s3rl.transforms import JitterCoords


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_has_the_deviation_asked_for(dtype):
    coords = np.full((5000, 2), 100, dtype)
    out = JitterCoords(3.0)({"coords": coords}, np.random.default_rng(0))["coords"]
    assert out.dtype == dtype
    assert (coords == 100).all()
    np.testing.assert_allclose(out.mean(axis=0), 100, atol=0.2)
    np.testing.assert_allclose(out.std(axis=0), 3, rtol=0.05)


def test_keys_move_alike():
    jitter = JitterCoords(1.0, keys=("coords", "centre"))
    out = jitter({"coords": np.zeros(2), "centre": np.full(2, 8.0)}, np.random.default_rng(2))
    np.testing.assert_allclose(out["centre"] - 8, out["coords"])
    assert (out["coords"] != 0).all()


@pytest.mark.parametrize("value", [np.zeros(2, np.int64), (1.0, 2.0), None])
def test_other_than_floats(value):
    with pytest.raises(DataTypeError, match="float64"):
        JitterCoords(1.0)({"coords": value}, np.random.default_rng(0))


@pytest.mark.parametrize("deviation", [-1.0, None, float("nan")])
def test_deviation(deviation):
    with pytest.raises(ParameterError, match="deviation"):
        JitterCoords(deviation)
