"""Scores of domains: agreement with labels, and coherence in space.

CHAOS and PAS are those of Shang and Zhou, Nat. Commun. 13, 7203 (2022), as computed by Yuan et al., Nat. Methods 21,
712 (2024).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from _domains.data import UNASSIGNED

NEIGHBOURS = 10
_ASKED = 40  # enough for all of the neighbours that are as far as the tenth, on any regular array


def scores(found: pd.Series | np.ndarray, truth: pd.Series, xy: np.ndarray) -> dict[str, float]:
    """All scores of one run.

    Parameters
    ----------
    found
        Domain (n,) of each spot, ``unassigned`` where a method gave none: a domain of its own for agreement, left out
        of the coherence.
    truth
        Labels (n,), missing where a spot has none: these do not count for agreement, but for coherence.
    xy
        Coordinates (n, 2).
    """
    found = np.asarray(found).astype(str)
    known, assigned = truth.notna().to_numpy(), found != UNASSIGNED
    labels = truth[known].astype(str).to_numpy()
    return {
        "n_domains": int(truth.nunique()),
        "n_found": len(np.unique(found[assigned])),
        "ari": float(adjusted_rand_score(labels, found[known])),
        "nmi": float(normalized_mutual_info_score(labels, found[known])),
        "chaos": chaos(found[assigned], xy[assigned]),
        "pas": pas(found[assigned], xy[assigned]),
    }


def chaos(domain: np.ndarray, xy: np.ndarray) -> float:
    """Mean distance to the nearest spot of the same domain, coordinates at unit variance; lower is more coherent.

    A domain of one or two spots adds nothing to the sum, while its spots are counted, as published.
    """
    scaled = (xy - xy.mean(axis=0)) / xy.std(axis=0)
    total = 0.0
    for one in np.unique(domain):
        own = scaled[domain == one]
        if len(own) > 2:
            total += cKDTree(own).query(own, k=2)[0][:, 1].sum()
    return float(total / len(domain))


def pas(domain: np.ndarray, xy: np.ndarray) -> float:
    """Share of the spots of which at least six of the ten nearest are of other domains; lower is more coherent.

    Of neighbours at the same distance, as on an array, the first in the table is nearer.
    """
    asked = min(_ASKED, len(xy))
    distance, near = cKDTree(xy).query(xy, k=asked)
    step = np.median(distance[:, 1])
    distance = np.round(distance / (step if step > 0 else 1.0), 6)
    distance[near == np.arange(len(xy))[:, None]] = -1
    order = np.lexsort((near, distance), axis=1)[:, 1 : NEIGHBOURS + 1]
    other = domain[np.take_along_axis(near, order, axis=1)] != domain[:, None]
    return float((other.sum(axis=1) > NEIGHBOURS / 2).mean())
