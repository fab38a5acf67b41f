"""The two transports against plain loops, POT's dense solvers and scipy's linear programs."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.optimize import linprog
from transport.problems import tissue

from s3rl.transport.features import dissimilarity
from s3rl.transport.fused import Problem, coupled, objective_of, restricted


@pytest.fixture(scope="module")
def problem() -> Problem:
    first, second = tissue(6, 0), tissue(6, 1)
    within = [np.linalg.norm(s.xy[:, None] - s.xy, axis=-1) / 10 for s in (first, second)]
    n, m = len(first.xy), len(second.xy)
    cost = dissimilarity(first.features, second.features)
    return Problem(cost, *within, np.full(n, 1 / n), np.full(m, 1 / m), 0.7, 0.9)


def test_the_objective_is_the_sum_over_all_quadruples():
    rng = np.random.default_rng(0)
    first, second = (np.abs(a - a.T) for a in (rng.normal(size=(4, 4)), rng.normal(size=(3, 3))))
    cost, plan = rng.uniform(size=(4, 3)), rng.uniform(size=(4, 3))
    problem = Problem(cost, first, second, plan.sum(1), plan.sum(0), plan.sum(), 0.3)
    spread = sum(
        (first[i, k] - second[j, m]) ** 2 * plan[i, j] * plan[k, m]
        for i in range(4)
        for j in range(3)
        for k in range(4)
        for m in range(3)
    )
    total = plan.sum()
    expected = 0.7 * (cost * plan).sum() / total + 0.3 * spread / total**2
    assert objective_of(problem, plan) == pytest.approx(expected)


def test_the_exact_plan_moves_the_mass_within_the_margins_and_is_a_minimum_of_its_gradient(problem):
    plan = coupled(problem)
    assert plan.sum() == pytest.approx(0.7)
    assert (plan.sum(1) <= problem.p + 1e-9).all()
    assert (plan.sum(0) <= problem.q + 1e-9).all()
    independent = np.outer(problem.p, problem.q) * 0.7
    assert objective_of(problem, plan) < 0.1 * objective_of(problem, independent)


@pytest.mark.parametrize("mass", [0.3, 0.8, 1.0])
def test_over_all_pairs_it_is_pots_partial_transport(problem, mass):
    n, m = problem.cost.shape
    rows, columns = (part.ravel() for part in np.indices((n, m)))
    mass *= 1 - 1e-9
    plan = restricted(problem.cost.ravel(), rows, columns, problem.p, problem.q, mass).toarray()
    expected = ot.partial.partial_wasserstein(problem.p, problem.q, problem.cost, m=mass)
    assert plan.sum() == pytest.approx(mass)
    assert (plan * problem.cost).sum() == pytest.approx((expected * problem.cost).sum(), abs=1e-9)


def test_over_some_pairs_it_is_the_linear_program():
    rng = np.random.default_rng(3)
    n, m = 7, 6
    mask = rng.uniform(size=(n, m)) < 0.6
    rows, columns = np.nonzero(mask)
    cost = rng.uniform(size=len(rows)) - 0.4  # some are negative, one is zero
    cost[0] = 0
    p, q = np.full(n, 1 / n), rng.dirichlet(np.full(m, 5.0))
    sides = np.vstack([rows == i for i in range(n)] + [columns == j for j in range(m)]).astype(float)
    best = linprog(cost, A_ub=sides, b_ub=np.r_[p, q], A_eq=np.ones((1, len(rows))), b_eq=[0.6])
    plan = restricted(cost, rows, columns, p, q, 0.6)
    assert plan.sum() == pytest.approx(0.6)
    assert set(zip(*plan.nonzero(), strict=True)) <= set(zip(rows, columns, strict=True))
    assert plan.toarray()[rows, columns] @ cost == pytest.approx(best.fun, abs=1e-9)


def test_what_the_pairs_cannot_carry_stays():
    p = q = np.full(4, 0.25)
    rows, columns = np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1])  # two columns carry all
    plan = restricted(np.array([1.0, 2.0, 3.0, 9.0]), rows, columns, p, q, 0.9)
    assert plan.sum() == pytest.approx(0.5)
    assert plan.toarray()[0, 0] == pytest.approx(0.25)
    assert plan.toarray()[2, 1] == pytest.approx(0.25)
