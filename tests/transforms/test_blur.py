from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from transforms.samples import DTYPES, tile

from s3rl.errors import ParameterError
from s3rl.transforms import Blur


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("sigma", [0.5, 1.5])
def test_equals_a_gaussian_of_the_drawn_width(dtype, channels, sigma):
    value = tile(channels, 24, dtype)
    out = Blur(sigma=(sigma, sigma))({"tile": value}, np.random.default_rng(0))["tile"]
    radius = int(3.5 * sigma)
    wanted = np.stack([gaussian_filter(c.astype(float), sigma, mode="mirror", radius=radius) for c in value])
    np.testing.assert_allclose(out, wanted, atol=1.5 if dtype == np.uint8 else 1e-5)


def test_widths_are_drawn_from_the_range():
    def width(seed):
        kernel = Blur(sigma=(0.5, 2.0)).sample_parameters(tile(), np.random.default_rng(seed))["kernel"]
        at = np.arange(len(kernel)) - len(kernel) // 2
        return np.sqrt((kernel * at**2).sum())

    widths = [width(seed) for seed in range(100)]
    assert 0.4 < min(widths) < 0.6
    assert 1.8 < max(widths) < 2.1


@pytest.mark.parametrize("sigma", [(0.0, 1.0), (2.0, 1.0), 1.0, (1.0, float("inf"))])
def test_sigma(sigma):
    with pytest.raises(ParameterError, match="sigma"):
        Blur(sigma=sigma)
