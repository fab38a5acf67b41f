"""The number of domains of a training: the user's, or the one that the data give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._log import note
from s3rl.errors import ParameterError

if TYPE_CHECKING:
    import scipy.sparse as sp

_FEWEST_SPOTS = 30


def checked_domains(n_domains: int, n_spots: int) -> int:
    """``n_domains`` if so many can be found among the spots."""
    whole = isinstance(n_domains, (int, np.integer)) and not isinstance(n_domains, bool)
    if not whole or not 2 <= n_domains < n_spots:
        raise ParameterError(
            f"must be a whole number from 2 to less than the {n_spots} spots",
            key="n_domains",
            found=repr(n_domains),
            fix="pass the number of domains that you expect, for example n_domains=7",
        )
    return int(n_domains)


def checked_or_open(n_domains: int | None, n_spots: int) -> int | None:
    """``n_domains`` as :func:`checked_domains` has it, or None where there are spots enough to choose it."""
    if n_domains is not None:
        return checked_domains(n_domains, n_spots)
    if n_spots < _FEWEST_SPOTS:
        raise ParameterError(
            f"cannot be chosen among so few spots, it takes {_FEWEST_SPOTS}",
            key="n_domains",
            found=f"None, {n_spots} spots",
            fix="pass the number of domains that you expect, for example n_domains=3",
        )
    return None


def settled_domains(
    n_domains: int | None,
    x: sp.csr_matrix,
    spatial: sp.csr_matrix,
    smoothing: sp.csr_matrix,
    slices: np.ndarray,
    batch: str,
    *,
    seed: int,
    progress: bool,
) -> tuple[int, dict[str, Any]]:
    """The number of domains, and what the record says about it: nothing where the user gave it."""
    if n_domains is not None:
        return n_domains, {}
    from s3rl.fit.n_domains import choose_n_domains

    found = choose_n_domains(
        x, spatial, seed=seed, smoothing=smoothing, slices=slices, batch=batch, progress=progress
    )  # fmt: skip
    best = found.candidates[found.runs.argmax(axis=1)]
    weak = found.score.max() <= max(0.0, float(found.null.max()))
    note(
        "chose %d domains of 2 to %d; without a tenth of the genes %d to %d%s",
        found.chosen,
        found.candidates[-1],
        best.min(),
        best.max(),
        "; the evidence is weaker than for one domain, so rather pass n_domains" if weak else "",
    )
    return found.chosen, {"n_domains_evidence": found._asdict()}
