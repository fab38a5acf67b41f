"""How much of two slices shows the same tissue, without any label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from s3rl.transport.features import paired
from s3rl.transport.locate import Located, located
from s3rl.transport.placement import Placement
from s3rl.transport.task import Slice, Task

if TYPE_CHECKING:
    import torch

# Asking for less than there is finds the right place, asking for more pulls the slices over each other.
_SHARES = (0.2, 0.4, 0.7)
_NEUTRAL = 0.5
_LOWEST = 0.1


def estimated(first: Slice, second: Slice, *, rigid: bool, device: torch.device | None = None) -> tuple[Located, float]:
    """Placement with the largest gain over all tried shares, and the share of the smaller slice that lies on the other.

    Parameters
    ----------
    first, second
        Spots with features from one space.
    rigid
        Rotate and shift; otherwise shift alone.
    device
        Where dissimilarities of cells are computed.
    """
    found = [located(first, second, share, rigid=rigid, device=device) for share in _SHARES]
    covers = [covered(*one) for one in found]
    best = int(np.argmax([gain for _, gain in covers]))
    return found[best], max(covers[best][0], _LOWEST)


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
