from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transforms.samples import DTYPES, tile

from s3rl.errors import ParameterError
from s3rl.transforms import Flip, RandomResizedCrop, Resize

some = settings(max_examples=40, deadline=None)
SYMMETRIES = [np.rot90(turned, k, axes=(1, 2)) for turned in (tile(2, 6), tile(2, 6)[:, ::-1]) for k in range(4)]


def rng(seed=0):
    return np.random.default_rng(seed)


@some
@given(side=st.integers(8, 50), seed=st.integers(0, 9999), low=st.floats(0.1, 0.9))
def test_crops_are_of_the_size_and_shape_asked_for(side, seed, low):
    crop = RandomResizedCrop(scale=(low, 1.0))
    left, top, right, bottom = crop.sample_parameters(tile(1, side), rng(seed))["crop_coords"]
    width, height = right - left, bottom - top
    assert 0 <= left < right <= side
    assert 0 <= top < bottom <= side
    # sides are whole pixels
    assert (width + 0.5) * (height + 0.5) >= low * side**2
    assert 0.75 * (height - 0.5) <= width + 0.5
    assert 0.75 * (width - 0.5) <= height + 0.5


def test_crops_fall_everywhere():
    corners = [RandomResizedCrop(scale=(0.25, 0.25)).sample_parameters(tile(1, 20), rng(i)) for i in range(300)]
    left, top = np.array([c["crop_coords"][:2] for c in corners]).T
    assert {0, 1} <= set(left) & set(top)
    assert min(left.max(), top.max()) >= 9
    assert abs(np.corrcoef(left, top)[0, 1]) < 0.2


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_crop_is_cut_and_resized(dtype):
    value = tile(3, 24, dtype)
    crop = RandomResizedCrop(6)
    # twelve pixels to six: each is the mean of two by two
    left, top = 5, 8
    out = crop.apply(value, {"crop_coords": (left, top, left + 12, top + 12)})
    part = value[:, top : top + 12, left : left + 12].astype(float).reshape(3, 6, 2, 6, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(out, part, atol=0.51 if dtype == np.uint8 else 1e-6)
    same = RandomResizedCrop(12).apply(value, {"crop_coords": (left, top, left + 12, top + 12)})
    np.testing.assert_array_equal(same, value[:, top : top + 12, left : left + 12])


def test_a_crop_keeps_the_size_of_the_tile_unless_told():
    for side in (5, 16, 31):
        assert RandomResizedCrop()({"tile": tile(3, side)}, rng())["tile"].shape == (3, side, side)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("make", [RandomResizedCrop, Flip, Resize])
def test_a_mask_follows_its_tile_by_nearest_neighbours(make, dtype):
    mask = np.zeros((20, 20), dtype)
    mask[3:11, 4:17] = 1
    mask[15, 15] = 1 if dtype is bool else 7
    value = np.repeat((mask != 0)[None].astype(np.float32), 3, axis=0)
    arguments = {Flip: (), Resize: (20,), RandomResizedCrop: (20,)}[make]
    transform = make(*arguments, keys=("tile", "mask"))
    for seed in range(10):
        out = transform({"tile": value, "mask": mask}, rng(seed))
        assert out["mask"].dtype == dtype
        assert out["mask"].shape == (20, 20)
        assert set(np.unique(out["mask"])) <= set(np.unique(mask))
        inside, outside = out["tile"][0] > 0.8, out["tile"][0] < 0.2
        # apart from the blurred border both say the same
        assert (out["mask"][inside] != 0).mean() > 0.95
        assert (out["mask"][outside] == 0).mean() > 0.95


@pytest.mark.parametrize(("turns", "n"), [(True, 8), (False, 4)])
def test_every_symmetry_comes_as_often(turns, n):
    flip = Flip(turns=turns)
    value = tile(2, 6)
    counts = np.zeros(8, int)
    generator = rng(1)
    for _ in range(800):
        out = flip({"tile": value}, generator)["tile"]
        counts += [np.array_equal(out, symmetry) for symmetry in SYMMETRIES]
    assert counts.sum() == 800
    assert (counts > 0).sum() == n
    assert counts[counts > 0].min() > 0.7 * 800 / n
    if not turns:
        upright = [np.array_equal(s, f) for s in SYMMETRIES for f in (value, value[:, ::-1], value[:, :, ::-1])]
        assert sum(counts[i // 3] > 0 for i, same in enumerate(upright) if same) == 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_resize_averages_where_it_shrinks(dtype, channels):
    value = tile(channels, 12, dtype)
    wanted = value.astype(float).reshape(channels, 4, 3, 4, 3).mean(axis=(2, 4))
    out = Resize(4)({"tile": value}, rng())["tile"]
    np.testing.assert_allclose(out, wanted, atol=0.51 if dtype == np.uint8 else 1e-6)


def test_resize_of_a_ramp_is_a_ramp():
    ramp = np.broadcast_to(np.linspace(0, 1, 8, dtype=np.float32), (2, 8, 8))
    out = Resize(16)({"tile": ramp}, rng())["tile"]
    steps = np.diff(out[:, :, 1:-1], axis=2)
    np.testing.assert_allclose(steps, 1 / 14, atol=1e-6)


@pytest.mark.parametrize("size", [0, -3, 2.5, "32", True, (32, 32)])
def test_sizes(size):
    with pytest.raises(ParameterError, match="size"):
        Resize(size)
    with pytest.raises(ParameterError, match="size"):
        RandomResizedCrop(size)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": (0.5, 0.2)},
        {"scale": (0.0, 1.0)},
        {"scale": 0.5},
        {"scale": (0.5, 1.5)},
        {"ratio": (-1.0, 1.0)},
        {"ratio": (1.0, float("nan"))},
        {"ratio": None},
    ],
)
def test_ranges(wrong):
    with pytest.raises(ParameterError, match="two ordered numbers"):
        RandomResizedCrop(**wrong)
