"""Distances against loops over shapely."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from s3rl.statistics import distance as measure

RNG = np.random.default_rng(0)
XY = RNG.uniform(-3, 12, size=(150, 2))


def nearest(xy: np.ndarray, geometries: list) -> np.ndarray:
    """Distance to the nearest geometry; inside of areas the negative distance to the border of them all."""
    areas = shapely.union_all([one for one in geometries if one.area > 0])
    found = []
    for place in xy:
        spot = shapely.Point(place)
        low = min(spot.distance(one) for one in geometries)
        found.append(-spot.distance(areas.boundary) if not areas.is_empty and areas.covers(spot) else low)
    return np.array(found)


SHAPES = [
    shapely.box(0, 0, 4, 3),
    shapely.box(3, 2, 6, 6),
    shapely.Polygon([(8, 8), (11, 8), (11, 11), (8, 11)], [[(9, 9), (10, 9), (10, 10), (9, 10)]]),
    shapely.LineString([(-2, 8), (2, 11)]),
    shapely.Point(9, 2),
    shapely.MultiPolygon([shapely.box(-3, -3, -2, -2), shapely.box(-1, 5, 1, 6)]),
]


def test_distances_to_shapes_are_those_of_loops():
    found = measure.to_geometries(XY, SHAPES)
    assert np.allclose(found, nearest(XY, SHAPES), atol=1e-9)
    assert (found < 0).any()
    assert (found > 0).any()


def test_a_hole_is_outside_and_an_overlap_has_no_border():
    inside_hole, inside_both = measure.to_geometries(np.array([[9.5, 9.5], [3.5, 2.5]]), SHAPES)
    assert inside_hole == pytest.approx(0.5)
    assert inside_both == pytest.approx(-np.hypot(0.5, 0.5))


def test_a_bow_tie_is_measured_too():
    tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    assert not tie.is_valid
    found = measure.to_geometries(np.array([[0.5, 1.0], [1.0, 3.0]]), [tie])
    assert found[0] < 0
    assert found[1] == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize("radii", [np.full(40, 0.5), RNG.uniform(0.1, 1.5, 40)], ids=["equal", "unequal"])
def test_distances_to_circles_are_those_of_loops(radii, monkeypatch):
    monkeypatch.setattr(measure, "_PAIRS", 1000)
    centres = RNG.uniform(0, 10, size=(40, 2))
    by_loop = [min(np.hypot(*(place - centre)) - r for centre, r in zip(centres, radii, strict=True)) for place in XY]
    assert np.allclose(measure.to_circles(XY, centres, radii), by_loop)


def test_distances_to_points_are_those_of_loops():
    points = RNG.uniform(0, 10, size=(30, 2))
    by_loop = [min(np.hypot(*(place - point)) for point in points) for place in XY]
    assert np.allclose(measure.to_points(XY, points), by_loop)


def test_members_are_negative_by_the_nearest_other_spot():
    members = XY[:, 0] > 6
    found = measure.to_members(XY, members)
    for place, own, distance in zip(XY, members, found, strict=True):
        others = XY[members != own]
        by_loop = min(np.hypot(*(place - other)) for other in others)
        assert distance == pytest.approx(-by_loop if own else by_loop)
