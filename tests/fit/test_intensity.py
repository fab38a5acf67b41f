import numpy as np
import pytest

from s3rl.fit.intensity import Intensity


def test_bytes_stay_as_they_are():
    tiles = np.arange(48, dtype=np.uint8).reshape(1, 3, 4, 4)
    found = Intensity.of(tiles)
    assert found.is_bytes
    assert found.scaled(tiles) is tiles


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64, np.int32])
def test_each_channel_has_a_range_of_its_own(dtype):
    rng = np.random.default_rng(0)
    tiles = np.stack([rng.uniform(0, 50, (6, 8, 8)), rng.uniform(1000, 9000, (6, 8, 8))], axis=1).astype(dtype)
    found = Intensity.of(tiles)
    for c in range(2):
        assert found.low[c] == pytest.approx(np.percentile(tiles[:, c], 0.5))
        assert found.high[c] == pytest.approx(np.percentile(tiles[:, c], 99.5))
    scaled = found.scaled(tiles)
    assert scaled.dtype == np.float32
    assert scaled.min() == 0
    assert scaled.max() == 1
    wanted = (tiles[:, 1] - found.low[1]) / (found.high[1] - found.low[1])
    np.testing.assert_allclose(scaled[:, 1], wanted.clip(0, 1), atol=1e-6)


def test_missing_values_and_flat_channels_are_finite():
    tiles = np.full((2, 2, 4, 4), 7.0, np.float32)
    tiles[0, 1, 0] = np.nan
    tiles[1, 1, 1] = np.inf
    scaled = Intensity.of(tiles).scaled(tiles)
    assert np.isfinite(scaled).all()
    assert scaled.min() >= 0
    assert scaled.max() <= 1


def test_plain_values_round_trip():
    found = Intensity.of(np.ones((1, 2, 2, 2), np.uint16))
    again = found.as_dict()
    assert Intensity(tuple(again["low"]), tuple(again["high"])) == found
    assert Intensity().as_dict() == {"low": None, "high": None}
