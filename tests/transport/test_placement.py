"""Placements against scipy's Procrustes and Kabsch, and what they keep."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from s3rl.transport.placement import Placement, placement_of, rotation_by


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 2)), rng.normal(size=(15, 2)), rng.uniform(size=(20, 15)) ** 4


def test_rotation_is_that_of_kabsch(clouds):
    fixed, moving, plan = clouds
    found = placement_of(plan, fixed, moving, rigid=True)
    rows, columns = np.indices(plan.shape).reshape(2, -1)
    weight = plan.ravel()
    flat = [np.column_stack([xy, np.zeros(len(xy))]) for xy in (fixed[rows], moving[columns])]
    centred = [xy - weight @ xy / weight.sum() for xy in flat]
    # with all points in one plane a turn by 180 degrees out of it mirrors them; the in-plane one is searched here
    angles = np.linspace(-180, 180, 7201)
    costs = [(weight * ((centred[0][:, :2] - centred[1][:, :2] @ rotation_by(a).T) ** 2).sum(1)).sum() for a in angles]
    assert found.degrees == pytest.approx(angles[int(np.argmin(costs))], abs=0.05)
    again = Rotation.from_euler("z", found.degrees, degrees=True).as_matrix()[:2, :2]
    assert np.allclose(found.rotation, again)
    assert np.linalg.det(found.rotation) == pytest.approx(1)


def test_with_reflection_it_is_scipys_procrustes(clouds):
    fixed = clouds[0]
    mirrored = (fixed * [1, -1]) @ rotation_by(70).T + [3, 4]
    plan = np.eye(20)
    found = placement_of(plan, fixed, mirrored, rigid=True, reflection=True)
    expected, _ = orthogonal_procrustes(mirrored - mirrored.mean(0), fixed - fixed.mean(0))
    assert np.allclose(found.rotation, expected.T)
    assert np.allclose(found(mirrored), fixed)
    honest = placement_of(plan, fixed, mirrored, rigid=True)
    assert np.linalg.det(honest.rotation) == pytest.approx(1)


def test_a_shift_is_the_difference_of_the_weighted_means(clouds):
    fixed, moving, plan = clouds
    found = placement_of(plan, fixed, moving, rigid=False)
    pairs = [(plan[i, j], fixed[i] - moving[j]) for i in range(20) for j in range(15)]
    assert np.allclose(found.shift, sum(w * d for w, d in pairs) / sum(w for w, _ in pairs))
    assert np.array_equal(found.rotation, np.eye(2))


def test_sparse_and_dense_plans_agree(clouds):
    fixed, moving, plan = clouds
    for one, other in zip(
        *(placement_of(p, fixed, moving, rigid=True) for p in (plan, sp.csr_array(plan))), strict=True
    ):
        assert np.allclose(one, other)


@settings(max_examples=30, deadline=None)
@given(st.floats(-179, 179), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_moves_are_undone_and_joined(degrees, dx, dy):
    xy = np.random.default_rng(1).normal(size=(9, 2))
    move = Placement(rotation_by(degrees), np.array([dx, dy]))
    assert move.degrees == pytest.approx(degrees, abs=1e-9)
    assert np.allclose(move.inverse()(move(xy)), xy, atol=1e-9)
    other = Placement(rotation_by(33), np.array([1.0, 2.0]))
    assert np.allclose(move.then(other)(xy), other(move(xy)))
    found = placement_of(np.eye(9), xy, move(xy), rigid=True)
    assert np.allclose(found(move(xy)), xy, atol=1e-8)
