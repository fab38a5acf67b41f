"""Cells of equal number, the area of a spot, and means that keep the mass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3rl.transport.cells import Points, cells_of, joined, spacing_of


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 60), st.integers(0, 99))
def test_cells_are_of_equal_number(n, k, seed):
    cell = cells_of(np.random.default_rng(seed).uniform(size=(n, 2)), k)
    sizes = np.bincount(cell)
    assert len(sizes) == min(n, k)
    assert sizes.min() >= 1
    assert sizes.max() <= 2 * -(-n // min(n, k))


def test_cells_are_compact():
    xy = np.random.default_rng(0).uniform(size=(1600, 2))
    cell = cells_of(xy, 100)
    assert np.ptp(np.bincount(cell)) == 0
    widths = [np.ptp(xy[cell == one], axis=0).max() for one in range(100)]
    assert np.median(widths) < 0.15


@pytest.mark.parametrize("jitter", [0.0, 0.1])
def test_spacing_of_a_lattice_is_the_side_of_its_square(jitter):
    x, y = np.meshgrid(np.arange(30.0), np.arange(30.0))
    square = np.column_stack([x.ravel(), y.ravel()]) * 7
    hexagons = np.column_stack([(x + 0.5 * (y % 2)).ravel(), np.sqrt(0.75) * y.ravel()]) * 7
    noise = np.random.default_rng(0).normal(scale=7 * jitter, size=square.shape)
    assert spacing_of(square + noise) == pytest.approx(7, rel=0.08)
    assert spacing_of(hexagons + noise) == pytest.approx(7 * np.sqrt(np.sqrt(0.75)), rel=0.08)


def test_joining_keeps_mass_and_means():
    rng = np.random.default_rng(0)
    points = Points(rng.normal(size=(50, 2)), rng.normal(size=(50, 3)), rng.uniform(1, 2, size=50))
    cells = joined(points, cells_of(points.xy, 8))
    assert cells.mass.sum() == pytest.approx(points.mass.sum())
    for one, all_ in ((cells.xy, points.xy), (cells.features, points.features)):
        assert np.allclose(cells.mass @ one, points.mass @ all_)
