"""Place one slice on another and say how well it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl.transport.features import paired
from s3rl.transport.locate import located
from s3rl.transport.overlap import estimated
from s3rl.transport.placement import Placement
from s3rl.transport.search import ALPHA, plan_of, refined
from s3rl.transport.task import Slice, Task

if TYPE_CHECKING:
    import torch

# The pairs that agree best decide where a slice lies; the last ones are matched only because the mass asks for it.
_DECIDING = 0.8
_MOST_PAIRS = 3000


class Alignment(NamedTuple):
    """What was found for two slices.

    Attributes
    ----------
    placement
        Takes the second slice onto the first.
    plan
        csr_array float64 (n, m): mass that each pair carries; all mass of the larger slice is one.
    overlap
        Share of the smaller slice that was asked for or estimated.
    objective
        Fused Gromov-Wasserstein objective of the plan, per mass, with distances in diagonals of the larger slice.
    cost
        Mean dissimilarity of the pairs, 0 to 1.
    distance
        Root of the mean squared distance of the pairs after the placement, in spacings of the spots.
    """

    placement: Placement
    plan: sp.csr_array
    overlap: float
    objective: float
    cost: float
    distance: float


def align_pair(
    first: Slice, second: Slice, *, overlap: float | None, rigid: bool, device: torch.device | None = None
) -> Alignment:
    """Place ``second`` on ``first``; nothing in it is random.

    Parameters
    ----------
    first, second
        Spots with features from one space.
    overlap
        Share of the smaller slice that has a counterpart; None estimates it.
    rigid
        Rotate and shift; otherwise shift alone.
    device
        Where dissimilarities of all pairs of cells are computed. The flows run on the CPU: POT has no others.
    """
    if overlap is None:
        found, overlap = estimated(first, second, rigid=rigid, device=device)
        placed = refined(found.spots, found.placement, _DECIDING * overlap)
    else:
        found = located(first, second, _DECIDING * overlap, rigid=rigid, device=device)
        placed = found.placement
    return _described(found.spots, placed, overlap)


def _described(spots: Task, placed: Placement, overlap: float) -> Alignment:
    plan = plan_of(spots, placed, overlap)
    pairs = sp.coo_array(plan)
    weight = pairs.data / pairs.data.sum()
    cost = paired(spots.first.features, spots.second.features, pairs.row, pairs.col)
    apart = ((spots.first.xy[pairs.row] - placed(spots.second.xy)[pairs.col]) ** 2).sum(axis=1)
    spread = _spread(spots, pairs.row, pairs.col, weight)
    return Alignment(
        placed,
        plan,
        float(overlap),
        float((1 - ALPHA) * (weight @ cost) + ALPHA * spread),
        float(weight @ cost),
        float(np.sqrt(weight @ apart)) / spots.reach,
    )


def _spread(spots: Task, rows: np.ndarray, columns: np.ndarray, weight: np.ndarray) -> float:
    """Mean squared difference of the distances within the slices, of at most 3,000 pairs evenly over the slice."""
    some = slice(None, None, -(-len(rows) // _MOST_PAIRS))
    ends = spots.first.xy[rows[some]], spots.second.xy[columns[some]]
    share = weight[some] / weight[some].sum()
    differs = np.zeros((len(share), len(share)))
    for sign, xy in zip((1, -1), ends, strict=True):
        differs += sign * np.linalg.norm(xy[:, None] - xy, axis=-1) / spots.length
    return float(share @ differs**2 @ share)
