"""How much of two slices shows the same tissue, without any label."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from s3rl.transport.features import paired
from s3rl.transport.placement import Placement
from s3rl.transport.search import refined, searched
from s3rl.transport.task import Task

# Shares that are tried: asking for less than there is finds the right place, asking for more pulls the slices together.
_SHARES = (0.2, 0.3, 0.4, 0.55, 0.7, 0.85)
_NEUTRAL = 0.5
_LOWEST = 0.1


def estimated(spots: Task, cells: Task, cost: np.ndarray) -> tuple[Placement, float]:
    """Placement with the largest gain over all tried shares, and the share of the smaller slice that lies on the other.

    Parameters
    ----------
    spots, cells
        Both slices, as spots and as cells.
    cost
        float64 (n, m): dissimilarity of the cells.
    """
    found = []
    for share in _SHARES:
        placed = refined(spots, searched(cells, cost, share), share)
        lying, gain = covered(spots, placed)
        found.append((gain, lying, placed))
    _, lying, placed = max(found, key=lambda one: one[0])
    return placed, max(lying, _LOWEST)


def covered(spots: Task, placed: Placement) -> tuple[float, float]:
    """Share of the smaller slice that lies on the other, and what is gained by it.

    The gain sums, over the spots of both slices that have a counterpart within the spacing, half the dissimilarity
    of random pairs less that of the counterpart: tissue that agrees better than halfway to chance should overlap,
    and tissue that agrees worse should not.
    """
    first, second = spots.first, spots.second
    chance = 0.5 * (1 - float(first.features.mean(axis=0) @ second.features.mean(axis=0)))
    moved = second._replace(xy=placed(second.xy))
    gain, shares = 0.0, []
    for here, there in ((first, moved), (moved, first)):
        far, near = cKDTree(there.xy).query(here.xy)
        inside = np.flatnonzero(far < spots.reach)
        differs = paired(here.features, there.features, inside, near[inside])
        gain += float(here.mass[inside] @ (_NEUTRAL * chance - differs))
        shares.append(float(here.mass[inside].sum() / here.mass.sum()))
    return shares[int(first.mass.sum() > second.mass.sum())], gain
