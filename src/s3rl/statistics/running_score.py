"""The running score of gene set enrichment analysis (Subramanian et al., PNAS 2005), and its extreme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp


def running_score(scores: np.ndarray, hits: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """Walk down a ranking: up by the share of ``|score| ** weight`` at a gene of the set, down by an equal step else.

    Parameters
    ----------
    scores
        Float (g,), from the highest to the lowest.
    hits
        Boolean (g,): genes of the set; at least one, and not all.
    weight
        Exponent; 0 gives every gene of the set the same step.

    Returns
    -------
    Float64 (g,); ends at 0.
    """
    hits = np.asarray(hits, dtype=bool)
    steps = np.where(hits, np.abs(np.asarray(scores, dtype=np.float64)) ** weight, 0.0)
    steps = steps / steps.sum() if steps.sum() > 0 else hits / hits.sum()
    return np.cumsum(steps - ~hits / (~hits).sum())


def enrichment_scores(scores: np.ndarray, member: sp.csr_matrix, weight: float = 1.0) -> np.ndarray:
    """Extreme of the running score of every set in one ranking, with its sign.

    The highest value comes right after a gene of the set and the lowest right before one, so that only these are
    looked at.

    Parameters
    ----------
    scores
        Float (g,), in any order; equal scores keep the order of the genes.
    member
        Zeros and ones (t, g): genes of each set; at least one in each, and not all.
    weight
        Exponent of the scores.

    Returns
    -------
    Float64 (t,).
    """
    genes, counts = len(scores), np.diff(member.indptr)
    order = np.argsort(-scores, kind="stable")
    place = np.empty(genes, dtype=np.int64)
    place[order] = np.arange(genes)
    row = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    places = np.sort(row * genes + place[member.indices]) - row * genes
    power = (np.abs(scores[order]) ** weight)[places]
    first = member.indptr[:-1]
    total = np.add.reduceat(power, first)
    share = np.where(total[row] > 0, power / np.where(total > 0, total, 1.0)[row], 1.0 / counts[row])
    up = np.cumsum(share)
    up = up - (up - share)[first][row]
    down = (places - (np.arange(len(row)) - first[row])) / (genes - counts)[row]
    highest, lowest = np.maximum.reduceat(up - down, first), np.minimum.reduceat(up - share - down, first)
    return np.where(highest > np.abs(lowest), highest, np.minimum(lowest, 0.0))
