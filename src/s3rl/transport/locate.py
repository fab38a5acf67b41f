"""Search for a placement, centring the features over what the slices share as far as it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from s3rl.transport.features import dissimilarity
from s3rl.transport.placement import Placement
from s3rl.transport.search import STILL, refined, searched
from s3rl.transport.task import Slice, Task, coarsened, task_of

if TYPE_CHECKING:
    import torch

_ROUNDS = 4


class Located(NamedTuple):
    """A placement of the second slice, and the task with the features that it was found by."""

    spots: Task
    placement: Placement


def located(first: Slice, second: Slice, share: float, *, rigid: bool, device: torch.device | None = None) -> Located:
    """Placement for one share of the mass.

    Slices that show different parts of a tissue have different mean expression, and centred each by itself they
    seem to show the same: placements then drift towards lying wholly on each other. So the features are centred
    again over the spots that lie on each other, and the search repeated, until it ends where it did before.

    Parameters
    ----------
    share
        Share of the smaller slice that is transported.
    rigid
        Rotate and shift; otherwise shift alone.
    device
        Where dissimilarities of cells are computed.
    """
    before: Placement | None = None
    for _ in range(_ROUNDS):
        spots = task_of(first, second, rigid=rigid)
        cells = coarsened(spots)
        cost = dissimilarity(cells.first.features, cells.second.features, device)
        placed = refined(spots, searched(cells, cost, share, before), share)
        inside = lying(spots, placed)
        if before is not None and _moved(spots, before, placed) < STILL * spots.reach:
            break
        if all(part.all() for part in inside) or not all(part.any() for part in inside):
            break
        before = placed
        first, second = recentred(first, second, inside)
    return Located(spots, placed)


def lying(spots: Task, placed: Placement) -> tuple[np.ndarray, np.ndarray]:
    """Which spots (n,), (m,) of each slice have one of the other within the spacing."""
    moved = placed(spots.second.xy)
    return (
        cKDTree(moved).query(spots.first.xy)[0] < spots.reach,
        cKDTree(spots.first.xy).query(moved)[0] < spots.reach,
    )


def recentred(first: Slice, second: Slice, inside: tuple[np.ndarray, np.ndarray]) -> tuple[Slice, Slice]:
    """Both slices with equal means over the spots ``inside``, and zero mean over all spots together."""
    apart = first.features[inside[0]].mean(axis=0) - second.features[inside[1]].mean(axis=0)
    parts = first.features - apart / 2, second.features + apart / 2
    middle = np.concatenate(parts).mean(axis=0)
    return first._replace(features=parts[0] - middle), second._replace(features=parts[1] - middle)


def _moved(spots: Task, before: Placement, after: Placement) -> float:
    return float(np.linalg.norm(before(spots.second.xy) - after(spots.second.xy), axis=1).max())
