"""Two slices with a known truth: where the second one lies, how much they share, and how good the plan is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transport.problems import part_of, tissue, turned

from s3rl.transport.features import dissimilarity
from s3rl.transport.fused import Problem, coupled, objective_of
from s3rl.transport.overlap import covered
from s3rl.transport.pair import align_pair
from s3rl.transport.placement import Placement, rotation_by
from s3rl.transport.search import ALPHA
from s3rl.transport.task import Slice, task_of

WHOLE = tissue()


def error(found: Placement, moved: Slice, truth: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(found(moved.xy) - truth, axis=1)))


def test_a_slice_lies_on_itself():
    found = align_pair(WHOLE, WHOLE, overlap=1.0, rigid=True)
    assert np.allclose(found.placement(WHOLE.xy), WHOLE.xy, atol=1e-6)
    assert found.objective == pytest.approx(0, abs=1e-9)
    assert found.distance == pytest.approx(0, abs=1e-6)
    assert np.allclose(found.plan.toarray(), np.eye(len(WHOLE.xy)) / len(WHOLE.xy), atol=1e-8)


@pytest.mark.parametrize("degrees", [0, 90, 180, -135])
def test_turned_copies_are_found(degrees):
    second = turned(tissue(seed=5), degrees, (300.0, -80.0))
    found = align_pair(WHOLE, second, overlap=1.0, rigid=True)
    assert error(found.placement, second, tissue(seed=5).xy) < 0.4


def test_without_rotation_only_the_shift_is_found():
    second = turned(tissue(seed=5), 0, (31.0, -8.0))
    found = align_pair(WHOLE, second, overlap=1.0, rigid=False)
    assert np.array_equal(found.placement.rotation, np.eye(2))
    assert np.allclose(found.placement.shift, [-31, 8], atol=0.4)


def test_a_mirrored_slice_is_not_mirrored_back():
    second = WHOLE._replace(xy=WHOLE.xy * [1, -1])
    found = align_pair(WHOLE, second, overlap=1.0, rigid=True)
    assert np.linalg.det(found.placement.rotation) == pytest.approx(1)
    assert found.objective > 10 * 1e-4


@pytest.mark.parametrize("share", [0.5, 0.75, 1.0])
def test_the_overlap_is_estimated(share):
    x = WHOLE.xy[:, 0]
    width = np.ptp(x) / (2 - share)
    first = part_of(WHOLE, np.flatnonzero(x <= x.min() + width + 1e-9))
    other = tissue(seed=7)
    rows = np.flatnonzero(other.xy[:, 0] >= x.max() - width)
    second = turned(part_of(other, rows), 50, (40.0, 3.0))
    found = align_pair(first, second, overlap=None, rigid=True)
    assert found.overlap == pytest.approx(share, abs=0.12)
    assert error(found.placement, second, other.xy[rows]) < 0.8


def test_the_gain_is_largest_at_the_truth():
    x = WHOLE.xy[:, 0]
    first, second = part_of(WHOLE, np.flatnonzero(x < 11)), part_of(tissue(seed=7), np.flatnonzero(x > 4))
    task = task_of(first, second, rigid=False)
    gains = [covered(task, Placement(np.eye(2), np.array([dx, 0.0])))[1] for dx in (-6, -3, 0, 3, 6)]
    assert int(np.argmax(gains)) == 2


@pytest.mark.parametrize("overlap", [0.7, 1.0])
def test_the_plan_is_as_good_as_the_exact_one(overlap):
    first, second = tissue(8, 0), turned(tissue(8, 1), 20, (3.0, 1.0))
    found = align_pair(first, second, overlap=overlap, rigid=True)
    task = task_of(first, second, rigid=True)
    within = [np.linalg.norm(p.xy[:, None] - p.xy, axis=-1) / task.length for p in (task.first, task.second)]
    cost = dissimilarity(first.features, second.features)
    problem = Problem(cost, *within, task.first.mass, task.second.mass, task.mass(overlap), ALPHA)
    assert found.plan.sum() == pytest.approx(problem.mass)
    assert objective_of(problem, found.plan.toarray()) == pytest.approx(found.objective)
    assert found.objective <= 1.05 * objective_of(problem, coupled(problem)) + 1e-5


def test_small_slices_and_other_densities_have_a_place():
    rows = np.flatnonzero((np.abs(WHOLE.xy - [9, 4]) < [3, 2.6]).all(axis=1))
    assert 25 <= len(rows) <= 40
    second = turned(part_of(tissue(seed=5), rows), 0, (50.0, 50.0))
    found = align_pair(WHOLE, second, overlap=1.0, rigid=False)
    assert error(found.placement, second, tissue(seed=5).xy[rows]) < 1.5
    fine = tissue(24, 3)
    fine = fine._replace(xy=fine.xy / 2)
    found = align_pair(WHOLE, turned(fine, 0, (5.0, 5.0)), overlap=1.0, rigid=False)
    assert np.allclose(found.placement.shift, [-5, -5], atol=0.6)


@settings(max_examples=3, deadline=None)
@given(st.floats(-180, 180), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_where_the_second_slice_lay_does_not_matter(degrees, dx, dy):
    second = tissue(9, 4)
    moved = turned(second, degrees, (dx, dy))
    found = align_pair(tissue(9, 0), moved, overlap=0.9, rigid=True)
    expected = align_pair(tissue(9, 0), second, overlap=0.9, rigid=True)
    assert np.allclose(found.placement(moved.xy), expected.placement(second.xy), atol=0.35)


def test_a_rotation_of_both_turns_the_answer():
    second = tissue(9, 4)
    expected = align_pair(tissue(9, 0), second, overlap=1.0, rigid=False)
    shifted = align_pair(tissue(9, 0)._replace(xy=tissue(9, 0).xy + 100), second, overlap=1.0, rigid=False)
    assert np.allclose(shifted.placement.shift, expected.placement.shift + 100, atol=1e-6)
    assert np.allclose(rotation_by(0), shifted.placement.rotation)
