"""Partial fused Gromov-Wasserstein: exact between few cells, and on a restricted set of pairs between many spots."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

# the solver counts its inner steps in the same number, and stops with a wrong message where it is small
_STEPS = 10_000_000
_NEVER = 100.0


class Problem(NamedTuple):
    """Minimise (1 - alpha) <cost, plan> + alpha sum (within_ik - across_jl)^2 plan_ij plan_kl.

    Attributes
    ----------
    cost
        float64 (n, m): dissimilarity of the features.
    first, second
        float64 (n, n) and (m, m): distances in each slice, in units of one length for both.
    p, q
        float64 (n,), (m,): masses.
    mass
        What is transported, at most the smaller of both sums.
    alpha
        Weight of the distances.
    """

    cost: np.ndarray
    first: np.ndarray
    second: np.ndarray
    p: np.ndarray
    q: np.ndarray
    mass: float
    alpha: float


def coupled(problem: Problem, start: np.ndarray | None = None, *, tol: float = 1e-6) -> np.ndarray:
    """Plan float64 (n, m) of POT's conditional gradient, exact in every step; it finds a local minimum."""
    import ot

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = ot.gromov.partial_fused_gromov_wasserstein(
            problem.cost,
            problem.first,
            problem.second,
            problem.p,
            problem.q,
            m=problem.mass,
            alpha=problem.alpha,
            G0=start,
            numItermax=_STEPS,
            tol=tol,
            symmetric=True,
        )
    return np.asarray(plan)


def objective_of(problem: Problem, plan: np.ndarray) -> float:
    """Value of the problem at a plan (n, m), divided by the mass that it transports (squared for the distances)."""
    rows, columns = plan.sum(axis=1), plan.sum(axis=0)
    total = float(rows.sum())
    squares = rows @ problem.first**2 @ rows + columns @ problem.second**2 @ columns
    spread = float(squares - 2 * np.sum((problem.first @ plan) * (plan @ problem.second)))
    return (1 - problem.alpha) * float(np.sum(plan * problem.cost)) / total + problem.alpha * spread / total**2


def restricted(
    cost: np.ndarray, rows: np.ndarray, columns: np.ndarray, p: np.ndarray, q: np.ndarray, mass: float
) -> sp.csr_array:
    """Partial transport over the pairs (rows, columns) alone: the cheapest plan (n, m) that moves ``mass``.

    Mass that these pairs cannot carry stays where it is, so that the plan may carry less.
    """
    # explicit zeros are pairs, and a shift of all costs changes no plan of the same mass
    cost = cost - cost.min()
    plan = _flow(cost, rows, columns, np.append(p, q.sum() - mass), np.append(q, p.sum() - mass), 0.0, joined=False)
    if plan is not None:
        return plan
    # fewer can be carried than asked for; what stays is so dear that as many as possible are
    price = _NEVER * max(float(cost.max()), 1e-12)
    plan = _flow(cost, rows, columns, np.append(p, q.sum()), np.append(q, p.sum()), price, joined=True)
    return sp.csr_array((len(p), len(q))) if plan is None else plan


def _flow(
    cost: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    supply: np.ndarray,
    demand: np.ndarray,
    price: float,
    *,
    joined: bool,
) -> sp.csr_array | None:
    """Plan without the last supply and demand, to which everything may go at a price; None if there is none."""
    import ot

    n, m = len(supply) - 1, len(demand) - 1
    last = int(joined)
    edges = (
        np.concatenate([rows, np.arange(n), np.full(m, n), np.full(last, n)]),
        np.concatenate([columns, np.full(n, m), np.arange(m), np.full(last, m)]),
    )
    values = np.concatenate([cost, np.full(n + m, price), np.zeros(last)])
    table = sp.coo_array((values, edges), shape=(n + 1, m + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, log = ot.emd(
            supply, demand * (supply.sum() / demand.sum()), table, numItermax=_STEPS, log=True, center_dual=False
        )
    if log["warning"] is not None:
        return None
    plan = sp.csr_array(found)[:n, :m]
    plan.eliminate_zeros()
    return sp.csr_array(plan)
