"""How sure a domain is: how far ahead it lies in the model, and how many of the consensus' mixtures agree.

Neither is a posterior. Mixtures and model read the same components of the same data, so that what misleads one misleads
all: agreement can be complete and the domain wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment


class SpotUncertainty(NamedTuple):
    """How sure the domain of each spot is.

    Attributes
    ----------
    margin
        float32 (n,): highest affinity to a prototype less the second highest.
    agreement
        float32 (n,): share of the mixtures that put the spot into its domain; None where there are no mixtures.
    uncertainty
        float32 (n,), 0 to 1: probability that two readings of the spot differ.
    """

    margin: np.ndarray
    agreement: np.ndarray | None
    uncertainty: np.ndarray


def spot_uncertainty(probabilities: np.ndarray, runs: np.ndarray | None) -> SpotUncertainty:
    """Margin, agreement and what follows from both.

    One reading is a domain drawn with the model's affinities p, the other the domain that a mixture, drawn at random,
    gives the spot. They differ with probability ``1 - sum_k p_k v_k``, where v_k is the share of the mixtures that
    say k. Without mixtures both readings are drawn with p.

    Parameters
    ----------
    probabilities
        Affinities p (n, c), rows sum to one.
    runs
        Hard labels (m, n) of m mixtures, columns in any order; None where there are none.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    shares = p if runs is None else votes(runs, p.argmax(axis=1), p.shape[1])
    # rounding can leave a hair beyond the interval
    differ = np.clip(1 - np.einsum("ik,ik->i", p, shares), 0, 1)
    own = None if runs is None else np.take_along_axis(shares, p.argmax(axis=1)[:, None], axis=1)[:, 0]
    return SpotUncertainty(margin(p), None if own is None else own.astype(np.float32), differ.astype(np.float32))


def margin(probabilities: np.ndarray) -> np.ndarray:
    """Highest of each row (n, c) less its second highest, float32 (n,)."""
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return (two[:, 1] - two[:, 0]).astype(np.float32)


def votes(runs: np.ndarray, labels: np.ndarray, n_domains: int) -> np.ndarray:
    """Share of the runs that put each spot into each domain, after naming every run's groups as ``labels`` does.

    Parameters
    ----------
    runs
        Hard labels (m, n) from 0 to c - 1, named in any order.
    labels
        Domains (n,) from 0 to c - 1.
    n_domains
        Domains c.

    Returns
    -------
    float64 (n, c), rows sum to one.
    """
    spots = np.arange(len(labels))
    found = np.zeros((len(labels), n_domains))
    for run in runs:
        together = np.zeros((n_domains, n_domains))
        np.add.at(together, (run, labels), 1)
        names = linear_sum_assignment(together, maximize=True)[1]
        found[spots, names[run]] += 1
    return found / len(runs)
