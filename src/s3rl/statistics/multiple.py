"""Many tests at once: false discovery rates."""

from __future__ import annotations

import numpy as np


def fdr(pvalues: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p-values; nan is no test and stays nan.

    Parameters
    ----------
    pvalues
        Float array of any shape, each 0 to 1 or nan.
    groups
        Integer array of the same shape: tests of one group are adjusted together. None is one group.

    Returns
    -------
    Float64 array of the same shape.
    """
    from scipy.stats import false_discovery_control

    pvalues = np.asarray(pvalues, dtype=np.float64)
    adjusted = np.full(pvalues.shape, np.nan)
    groups = np.zeros(pvalues.shape, dtype=np.int64) if groups is None else np.asarray(groups)
    for group in np.unique(groups):
        own = (groups == group) & ~np.isnan(pvalues)
        if own.any():
            adjusted[own] = false_discovery_control(pvalues[own])
    return adjusted


def permutation_pvalue(hits: np.ndarray, count: int) -> np.ndarray:
    """``(1 + hits) / (1 + count)``: the observed arrangement is one of them, so no p-value is 0."""
    return (1.0 + np.asarray(hits, dtype=np.float64)) / (1.0 + count)
