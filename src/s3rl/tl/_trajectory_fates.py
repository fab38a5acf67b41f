"""Fate probabilities from cellrank's kernels, on a table of their own: its objects cannot be written to a file.

The linear system is solved here: without PETSc, cellrank's solver has no preconditioner, takes minutes for 20,000
spots of a layered tissue, and refuses its own result where a probability is a rounding error below zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._slots.extras import import_extra
from s3rl._slots.states import quiet_library
from s3rl.errors import MissingExtraError
from s3rl.statistics.absorption import absorption

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
        along = cellrank.kernels.PseudotimeKernel(apart, time_key=_TIME).compute_transition_matrix(
            threshold_scheme="soft", n_jobs=1, backend="threading", show_progress_bar=False
        )
        around = cellrank.kernels.ConnectivityKernel(apart).compute_transition_matrix()
        kernel = (1 - connectivity_weight) * along + connectivity_weight * around
        return absorption(kernel.transition_matrix, ends)
