"""Fate probabilities by cellrank, on a table of their own: its objects cannot be written to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._slots.extras import import_extra
from s3rl._slots.states import quiet_library
from s3rl.errors import GraphError, MissingExtraError

if TYPE_CHECKING:
    from anndata import AnnData

_TIME = "time"


def fates_of(apart: AnnData, time: np.ndarray, ends: list[np.ndarray], connectivity_weight: float) -> np.ndarray:
    """Probability of a random walk along the pseudotime to end in each terminal state, float64 (n, k).

    Parameters
    ----------
    apart
        Table with the neighbours.
    time
        Pseudotime (n,), 0 to 1.
    ends
        Positions of the spots of each of the k terminal states.
    connectivity_weight
        Share of the kernel that ignores the pseudotime.

    Raises
    ------
    MissingExtraError
        If cellrank is not installed; one terminal state does not need it.
    GraphError
        If the linear system cannot be solved.
    """
    if len(ends) == 1:
        return np.ones((len(time), 1))
    with quiet_library():
        try:
            cellrank = import_extra("cellrank", "trajectory")
        except MissingExtraError as error:
            raise MissingExtraError(
                error.problem, key=error.key, found=error.found, fix=f"{error.fix}, or fates=False"
            ) from error
    with quiet_library():
        apart.obs[_TIME] = time
        kernels = cellrank.kernels
        along = kernels.PseudotimeKernel(apart, time_key=_TIME).compute_transition_matrix(
            threshold_scheme="soft", n_jobs=1, backend="threading", show_progress_bar=False
        )
        around = kernels.ConnectivityKernel(apart).compute_transition_matrix()
        model = cellrank.estimators.GPCCA((1 - connectivity_weight) * along + connectivity_weight * around)
        # numbers for names: cellrank reads a comma in a name as two states
        names = [str(place) for place in range(len(ends))]
        spots = apart.obs_names
        model.set_terminal_states({name: list(spots[places]) for name, places in zip(names, ends, strict=True)})
        try:
            model.compute_fate_probabilities(
                solver="gmres", use_petsc=False, n_jobs=1, backend="threading", show_progress_bar=False
            )
        except (ValueError, RuntimeError) as error:
            raise GraphError(
                "gives no fate probabilities",
                key="neighbours of the embedding",
                found=str(error),
                fix="pass params={'connectivity_weight': 0.4}, or fates=False",
            ) from error
    found = model.fate_probabilities
    order = [list(found.names).index(name) for name in names]
    probabilities = np.clip(np.asarray(found.X, dtype=np.float64)[:, order], 0.0, None)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
