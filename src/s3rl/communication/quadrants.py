"""Which interactions stay, appear and vanish with denoising, and the paper's three rates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

QUADRANTS = ("kept", "new", "lost", "neither")
"""Significant in both, after denoising alone, before alone, in none."""


class Rates(NamedTuple):
    """The paper's rates (section 4.6).

    Attributes
    ----------
    esr
        ``new / lost``: inf where nothing was lost but something is new, nan where neither.
    eep
        ``100 * new / (new + lost)``, nan where nothing changed.
    ssp
        ``100 * kept / (kept + lost)``, nan where nothing was significant before.
    """

    esr: float
    eep: float
    ssp: float


def quadrant(raw: np.ndarray, denoised: np.ndarray, alpha: float) -> np.ndarray:
    """Int64 codes of :data:`QUADRANTS` for p-values of the same shape; nan is not significant."""
    before, after = np.asarray(raw) <= alpha, np.asarray(denoised) <= alpha
    return np.select([before & after, after, before], [0, 1, 2], default=3)


def rates(kept: int, new: int, lost: int) -> Rates:
    """The three rates of how many interactions stay, appear and vanish.

    Examples
    --------
    >>> rates(kept=8, new=6, lost=2)
    Rates(esr=3.0, eep=75.0, ssp=80.0)
    """
    esr = new / lost if lost else float("inf") if new else float("nan")
    eep = 100 * new / (new + lost) if new + lost else float("nan")
    ssp = 100 * kept / (kept + lost) if kept + lost else float("nan")
    return Rates(float(esr), float(eep), float(ssp))
