from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from s3rl.errors import CoordinatesError, ParameterError
from s3rl.tiles.boxes import centers_of, inside_of, outside_share, starts_of

sizes = st.integers(1, 4096)
places = st.integers(0, 20).flatmap(lambda n: arrays(np.int64, (n, 2), elements=st.integers(-(2**40), 2**40)))
# whole 1024ths, in which all sums are exact
centers = st.integers(0, 20).flatmap(
    lambda n: arrays(np.int64, (n, 2), elements=st.integers(-(2**40), 2**40)).map(lambda points: points / 1024)
)


@given(places, sizes)
def test_centre_to_box_is_the_inverse_of_box_to_centre(starts, size):
    assert (starts_of(centers_of(starts, size), size) == starts).all()


@given(centers, sizes)
def test_the_middle_of_a_box_is_within_half_a_pixel_of_its_centre(points, size):
    starts = starts_of(points, size)
    assert starts.dtype == np.int64
    assert (np.abs(centers_of(starts, size) - points) <= 0.5).all()


def test_known_boxes():
    # the middle of pixel 7 is 7.5: a tile of one pixel around it is that pixel, one of two ends in the next
    assert starts_of([[7.5, 7.5]], 1).tolist() == [[7, 7]]
    assert starts_of([[7.5, 7.49]], 2).tolist() == [[7, 6]]
    assert starts_of([[0.0, -3.0]], 32).tolist() == [[-16, -19]]


@given(
    arrays(np.int64, (7, 2), elements=st.integers(-30, 40)), st.integers(1, 25), st.integers(1, 30), st.integers(1, 30)
)
def test_outside_share_counts_pixels(starts, size, height, width):
    shares = outside_share(starts, size, (height, width))
    assert shares.dtype == np.float32
    for (top, left), share in zip(starts.tolist(), shares, strict=True):
        inside = sum(0 <= y < height for y in range(top, top + size)) * sum(
            0 <= x < width for x in range(left, left + size)
        )
        assert share == np.float32((size**2 - inside) / size**2)


def test_places_near_the_end_of_the_integers_do_not_overflow():
    ends = np.array([[2**63 - 1, 0], [-(2**63), 0]])
    assert outside_share(ends, 2**31, (10, 10)).tolist() == [1, 1]
    low, high = inside_of(ends, 4, (10, 10))
    assert (low[:, 0] == high[:, 0]).all()


@pytest.mark.parametrize(
    "points", [np.zeros(2), np.zeros((2, 3)), np.array([[0, np.nan]]), np.array([[np.inf, 0]]), np.array([[0, 1e20]])]
)
def test_centres_that_are_none(points):
    with pytest.raises(CoordinatesError, match="centers"):
        starts_of(points, 4)


def test_the_first_bad_centre_is_named():
    points = np.zeros((5, 2))
    points[[3, 4], 1] = np.nan
    with pytest.raises(CoordinatesError, match="2 rows that are not, first 3"):
        starts_of(points, 4)


@pytest.mark.parametrize("starts", [np.zeros((2, 2)), np.zeros(4, dtype=int), np.zeros((3, 4), dtype=int)])
@pytest.mark.parametrize("function", [centers_of, lambda s, size: outside_share(s, size, (9, 9))])
def test_starts_that_are_none(function, starts):
    with pytest.raises(CoordinatesError, match="starts"):
        function(starts, 4)


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "32", None, np.float32(3)])
@pytest.mark.parametrize("function", [centers_of, starts_of, lambda s, size: outside_share(s, size, (9, 9))])
def test_sizes_that_are_none(function, size):
    with pytest.raises(ParameterError, match="size"):
        function(np.zeros((1, 2), dtype=int), size)


def test_numpy_sizes_and_no_tiles():
    assert starts_of(np.empty((0, 2)), np.int16(4)).shape == (0, 2)
    assert centers_of(np.empty((0, 2)), 4).shape == (0, 2)
    assert outside_share(np.empty((0, 2)), 4, (5, 5)).shape == (0,)
