"""The authors' variant: paired t-tests of a ligand against a receptor over the spots of one cluster."""

from __future__ import annotations

import numpy as np

_WIDTH = 256


def paired_t(values: np.ndarray, ligand: np.ndarray, receptor: np.ndarray) -> np.ndarray:
    """Two-sided p-values (p,) that two genes have different means; nan where their difference does not vary.

    Parameters
    ----------
    values
        Float (n, g): expression over the spots of one cluster.
    ligand, receptor
        Int (p,): columns of the two genes.
    """
    from scipy.stats import t

    n = len(values)
    pvalues = np.full(ligand.size, np.nan)
    for start in range(0, ligand.size, _WIDTH):
        block = slice(start, start + _WIDTH)
        difference = values[:, ligand[block]] - values[:, receptor[block]]
        spread = difference.std(axis=0, ddof=1)
        varies = spread > 1e-12 * np.abs(difference).max(axis=0, initial=0.0)
        score = np.abs(difference.mean(axis=0)[varies]) / (spread[varies] / np.sqrt(n))
        pvalues[block][varies] = 2 * t.sf(score, n - 1)
    return pvalues
