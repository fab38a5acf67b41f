"""Geometry: outline, depth, borders, memberships, the turn of a slice, and spots on the tissue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from s3rl.datasets import _tissue


def tissue(n_layers: int = 5, *, n_spots: int = 1000, imbalance: float = 3.0, curvature: float = 1.0, seed: int = 0):
    return _tissue.make_tissue(
        n_spots, 8660.0, n_layers, imbalance=imbalance, curvature=curvature, rng=np.random.default_rng(seed)
    )


def placed(t, rotation=0.0, shift=(0.0, 0.0)):
    return _tissue.Placement(rotation, np.array(shift), np.array([-np.inf, np.inf]), t.centre)


@pytest.mark.parametrize("n_layers", [2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("imbalance", [1.0, 4.0, 20.0])
def test_shares_of_layers(n_layers, imbalance):
    shares = _tissue.layer_shares(n_layers, imbalance)
    assert len(shares) == n_layers == len(_tissue.layer_names(n_layers)) == len(_tissue.stain_of_layers(n_layers))
    assert shares.sum() == pytest.approx(1.0)
    assert shares.max() / shares.min() == pytest.approx(imbalance)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("imbalance", [1.0, 10.0])
def test_borders_give_every_layer_its_share_of_the_area(seed, imbalance):
    t = tissue(7, imbalance=imbalance, seed=seed)
    points = np.random.default_rng(9).uniform(0, 3 * t.scale, (60_000, 2))
    inside = points[_tissue.level(t, points) <= 1.0]
    layer = np.searchsorted(t.borders, _tissue.depth(t, inside), side="right")
    shares = np.bincount(layer, minlength=7) / len(inside)
    np.testing.assert_allclose(shares, _tissue.layer_shares(7, imbalance), atol=0.01)
    area = len(inside) / len(points) * (3 * t.scale) ** 2
    assert area == pytest.approx(1000 * 8660.0, rel=0.02)


@pytest.mark.parametrize("curvature", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_depth_grows_from_the_surface_down_and_the_outline_has_one_piece(curvature, seed):
    t = tissue(curvature=curvature, seed=seed)
    for column in np.linspace(-0.8, 0.8, 9):
        down = np.stack([np.full(400, column), np.linspace(-1.2, 1.2, 400)], axis=1) * t.scale + t.centre
        on = _tissue.level(t, down) <= 1.0
        assert np.diff(np.flatnonzero(on)).max() == 1
        depth = _tissue.depth(t, down[on])
        assert (np.diff(depth) >= 0).all()
        assert depth[0] < 0.15
        assert depth[-1] > 0.5


def test_without_curvature_the_layers_are_straight_and_with_it_they_bend():
    across = np.stack([np.linspace(-0.9, 0.9, 50), np.zeros(50)], axis=1)
    for curvature, bends in ((0.0, False), (1.0, True)):
        t = tissue(curvature=curvature)
        depth = _tissue.depth(t, across * t.scale + t.centre)
        assert (np.ptp(depth) > 0.1) == bends
        if not bends:
            assert np.ptp(depth) < 1e-3


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6, unique=True),
    st.floats(1e-4, 0.2),
)
def test_memberships_are_shares(depths, borders, blur):
    weights = _tissue.memberships(np.array(depths), np.sort(borders), blur)
    assert weights.shape == (len(depths), len(borders) + 1)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_memberships_by_hand():
    weights = _tissue.memberships(np.array([0.3, 0.5, 0.9]), np.array([0.5]), 0.1)
    past = 1 / (1 + np.exp(-(np.array([0.3, 0.5, 0.9]) - 0.5) / 0.1))
    np.testing.assert_allclose(weights, np.stack([1 - past, past], axis=1))
    assert weights[1, 0] == 0.5


@settings(max_examples=40, deadline=None)
@given(st.floats(-180, 180), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_slice_and_tissue_frames_are_inverse(rotation, x, y):
    t = tissue()
    there = placed(t, rotation, (x, y))
    xy = np.random.default_rng(1).uniform(0, 3000, (7, 2))
    np.testing.assert_allclose(_tissue.to_tissue(there, _tissue.to_slice(there, xy)), xy, atol=1e-6)


def test_a_quarter_turn_by_hand():
    there = _tissue.Placement(90.0, np.array([5.0, 0.0]), np.array([-np.inf, np.inf]), np.array([10.0, 10.0]))
    # one right of the centre goes to one below it (y points down), then five to the right
    np.testing.assert_allclose(_tissue.to_slice(there, np.array([[11.0, 10.0]])), [[15.0, 11.0]])


@pytest.mark.parametrize("rotation", [0.0, 33.0])
def test_visium_spots_are_a_hexagonal_array_on_the_tissue(rotation):
    t = tissue(n_spots=400)
    there = placed(t, rotation, (100.0, -50.0))
    xy, limit = _tissue.place_spots(t, there, 400, "visium", np.ones(5), np.random.default_rng(2))
    assert xy.shape == (400, 2)
    assert _tissue.level(t, _tissue.to_tissue(there, xy)).max() <= limit == pytest.approx(1.0, abs=0.1)
    near = cKDTree(xy).query(xy, 7)[0][:, 1:]
    np.testing.assert_allclose(near[:, 0], 100.0)
    inner = near[:, 5] < 101
    assert inner.mean() > 0.7
    # rows stay horizontal in the frame of the slice however the tissue lies
    assert np.unique(np.round(xy[:, 1], 3)).size < 40
    assert (np.diff(xy[:, 1]) >= -1e-9).all()


def test_cells_are_jittered_and_as_dense_as_their_layer():
    t = _tissue.make_tissue(6000, 200.0, 2, imbalance=1.0, curvature=1.0, rng=np.random.default_rng(0))
    there = placed(t)
    xy, _ = _tissue.place_spots(t, there, 6000, "cells", np.array([0.4, 1.0]), np.random.default_rng(0))
    layer = np.searchsorted(t.borders, _tissue.depth(t, xy), side="right")
    assert (layer == 0).sum() / (layer == 1).sum() == pytest.approx(0.4, rel=0.1)
    assert np.ptp(cKDTree(xy).query(xy, 2)[0][:, 1]) > 3
