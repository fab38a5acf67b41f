"""Where a random walk ends: absorption probabilities of a Markov chain, by a sparse linear system."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

_TOLERANCE = 1e-8
_DROP = 1e-4
_FILL = 10.0


def absorption(transitions: sp.csr_matrix, ends: list[np.ndarray]) -> np.ndarray:
    """Probability to be absorbed by each of several sets of states, float64 (n, k).

    ``(I - Q) F = R`` for the transitions Q among the other states and R into the sets, by GMRES with an incomplete
    factorisation: without one it needs more steps than there are states on a tissue that is long and slow to cross.
    Where it does not converge, by a full sparse factorisation.

    Parameters
    ----------
    transitions
        csr_matrix (n, n), rows sum to one; every state must reach an end.
    ends
        Positions of the k sets, which share none.
    """
    transitions = sp.csr_matrix(transitions, dtype=np.float64)
    n = transitions.shape[0]
    found = np.zeros((n, len(ends)))
    for column, places in enumerate(ends):
        found[places, column] = 1.0
    through = np.setdiff1d(np.arange(n), np.concatenate(ends))
    if len(through):
        rows = transitions[through]
        system = (sp.identity(len(through), format="csr") - rows[:, through]).tocsc()
        into = np.stack([np.asarray(rows[:, places].sum(axis=1)).ravel() for places in ends], axis=1)
        solved = np.clip(_solved(system, into), 0.0, None)
        found[through] = solved / solved.sum(axis=1, keepdims=True)
    return found


def _solved(system: sp.csc_matrix, into: np.ndarray) -> np.ndarray:
    from scipy.sparse.linalg import LinearOperator, gmres, spilu, splu

    rough = spilu(system, drop_tol=_DROP, fill_factor=_FILL)
    inverse = LinearOperator(system.shape, rough.solve)
    columns = []
    for target in into.T:
        column, left = gmres(system, target, M=inverse, rtol=_TOLERANCE, restart=50, maxiter=40)
        if left:
            return np.asarray(splu(system).solve(into))
        columns.append(column)
    return np.stack(columns, axis=1)
