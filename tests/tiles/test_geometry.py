"""Matrices, levels and the array of Visium."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3rl.tiles.geometry import length_factor, mapped, nearest_level, trimmed, visium_microns_per_unit


@given(st.integers(0, 2**32 - 1))
def test_points_under_a_matrix(seed):
    rng = np.random.default_rng(seed)
    matrix = np.eye(3)
    matrix[:2] = rng.normal(size=(2, 3))
    xy = rng.normal(size=(5, 2))
    expected = [[a * x + b * y + c, d * x + e * y + f] for (x, y) in xy for (a, b, c), (d, e, f) in [matrix[:2]]]
    np.testing.assert_allclose(mapped(matrix, xy), expected)


@given(st.floats(0.01, 100), st.floats(0, 360), st.booleans())
def test_turns_and_mirrors_keep_lengths(scale, degrees, mirror):
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix = np.array([[cos, -sin, 3.0], [sin, cos, 4.0], [0, 0, 1]])
    matrix[:2, :2] *= scale
    matrix[:2, 0] *= -1 if mirror else 1
    assert length_factor(matrix) == pytest.approx(scale)


@pytest.mark.parametrize(
    ("wanted", "name"), [(None, "a"), (100, "a"), (64, "a"), (33, "a"), (32, "b"), (17, "b"), (16, "c"), (1, "c")]
)
def test_the_nearest_level_is_not_smaller(wanted, name):
    assert nearest_level({"a": 64, "b": 32, "c": 16}, wanted) == name


@given(st.integers(2, 8), st.integers(20, 3000))
def test_trimmed_levels_are_whole_and_end_with_the_image(whole, full):
    level = full // whole
    factor, first = trimmed(full / level, full, level)
    assert first + factor * level == full
    # on a short axis several whole numbers give one size, and nothing tells them apart
    assert factor == whole or (factor > whole and full // int(factor) == level)


def test_other_factors_stay():
    assert trimmed(2.5, 100, 50) == (2.5, 0.0)
    assert trimmed(1.0, 100, 100) == (1.0, 0.0)
    assert trimmed(100 / 51, 100, 51) == (100 / 51, 0.0)


def hexagons(rows=8, columns=8, pitch=1.0):
    row, column = np.mgrid[:rows, :columns]
    return np.column_stack([(column + 0.5 * (row % 2)).ravel(), (row * np.sqrt(3) / 2).ravel()]) * pitch


@pytest.mark.parametrize("ratio", [0.55, 0.65, 0.70])
@pytest.mark.parametrize("degrees", [0, 20])
def test_visium_is_known_by_its_array(ratio, degrees):
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    xy = hexagons(pitch=137.9) @ [[cos, sin], [-sin, cos]]
    # coordinates are whole pixels in what Space Ranger writes
    xy = np.round(xy)
    found = visium_microns_per_unit(xy, np.full(64, ratio * 137.9 / 2))
    assert found == pytest.approx(100 / 137.9, rel=2e-3)


def test_visium_with_tissue_in_parts():
    xy = hexagons(20, 20)
    kept = np.random.default_rng(0).random(400) < 0.9
    assert visium_microns_per_unit(xy[kept], np.full(kept.sum(), 0.275)) == pytest.approx(100)


@pytest.mark.parametrize("ratio", [0.4, 0.5, 0.6, 1.0])
def test_other_circles_are_not_visium(ratio):
    assert visium_microns_per_unit(hexagons(), np.full(64, ratio / 2)) is None


def test_cells_are_not_visium():
    xy = np.random.default_rng(0).random((300, 2))
    assert visium_microns_per_unit(xy, np.full(300, 0.02)) is None
