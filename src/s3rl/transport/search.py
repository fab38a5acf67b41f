"""Find a placement: Gromov-Wasserstein between cells from several starts, then transport between the spots."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from s3rl.transport.features import paired
from s3rl.transport.fused import Problem, coupled, objective_of, restricted
from s3rl.transport.placement import Placement, placement_of, rotation_by
from s3rl.transport.task import Task, nearest_pairs

# Weight of the distances, which are in units of the larger slice's diagonal. At PASTE2's .1 the plan follows the noise
# of the expression over ten spots and more; from .9 on the placement hardly changes.
ALPHA = 0.9
_TURNS = 8
_CANDIDATES = 30
_ROUNDS = 6
STILL = 0.05


def starts_of(task: Task) -> Iterator[Placement | None]:
    """Placements to search from; None leaves it to the distances within the slices."""
    yield None
    middle = [points.mass @ points.xy / points.mass.sum() for points in (task.first, task.second)]
    for turn in range(_TURNS if task.rigid else 1):
        rotation = rotation_by(360 * turn / _TURNS)
        yield Placement(rotation, middle[0] - rotation @ middle[1])


def searched(cells: Task, cost: np.ndarray, overlap: float, before: Placement | None = None) -> Placement:
    """Best placement over all starts: the one whose plan has the lowest objective once the slice has been moved.

    A plan that turns the slice over, or by half where only a shift is asked for, can have as low an objective as the
    right one; but no placement follows it, and the plan after its placement is worse.

    Parameters
    ----------
    cells
        Cells of both slices.
    cost
        float64 (n, m): dissimilarity of the cells.
    overlap
        Share of the smaller slice that is transported.
    before
        What was found with other features; the search then starts from there instead of from all rotations.
    """
    first, second = cells.first, cells.second
    within = [np.linalg.norm(points.xy[:, None] - points.xy, axis=-1) / cells.length for points in (first, second)]
    problem = Problem(cost, within[0], within[1], first.mass, second.mass, cells.mass(overlap), ALPHA)
    found = []
    for start in starts_of(cells) if before is None else (None, before):
        # the solver compares sums of floats with the masses
        plan = None if start is None else _placed_plan(cells, cost, start, problem.mass).toarray() * (1 - 1e-9)
        placed = placement_of(coupled(problem, plan), first.xy, second.xy, rigid=cells.rigid)
        for _ in range(2):
            after = _placed_plan(cells, cost, placed, problem.mass)
            placed = placement_of(after, first.xy, second.xy, rigid=cells.rigid)
        found.append((objective_of(problem, after.toarray()), placed))
    return min(found, key=lambda one: one[0])[1]


def refined(spots: Task, placed: Placement, overlap: float) -> Placement:
    """Plan between the spots and placement in turn, until the slice moves less than a twentieth of a spot."""
    for _ in range(_ROUNDS):
        before = placed(spots.second.xy)
        placed = placement_of(plan_of(spots, placed, overlap), spots.first.xy, spots.second.xy, rigid=spots.rigid)
        if np.linalg.norm(placed(spots.second.xy) - before, axis=1).max() < STILL * spots.reach:
            break
    return placed


def plan_of(spots: Task, placed: Placement, overlap: float) -> sp.csr_array:
    """Cheapest plan (n, m) over the pairs of spots that lie near each other once the second slice is placed."""
    rows, columns = nearest_pairs(spots.first.xy, placed(spots.second.xy), _CANDIDATES)
    cost = paired(spots.first.features, spots.second.features, rows, columns)
    mass = spots.mass(overlap)
    values = _placed_cost(spots, placed, mass, rows, columns, cost)
    return restricted(values, rows, columns, spots.first.mass, spots.second.mass, mass)


def _placed_plan(cells: Task, cost: np.ndarray, placed: Placement, mass: float) -> sp.csr_array:
    rows, columns = (part.ravel() for part in np.indices(cost.shape))
    values = _placed_cost(cells, placed, mass, rows, columns, cost.ravel())
    return restricted(values, rows, columns, cells.first.mass, cells.second.mass, mass)


def _placed_cost(
    task: Task, placed: Placement, mass: float, rows: np.ndarray, columns: np.ndarray, cost: np.ndarray
) -> np.ndarray:
    """Linear cost of pairs that stands for the objective once the slice is placed.

    A distance within a slice feels the displacement of either end along one line, which is half of its square, and
    every pair is at either end: sum_ijkl (first_ik - second_jl)^2 P_ij P_kl is close to mass * sum_ij d_ij^2 P_ij.
    """
    apart = ((task.first.xy[rows] - placed(task.second.xy)[columns]) ** 2).sum(axis=1) / task.length**2
    return (1 - ALPHA) * cost + ALPHA * mass * apart
