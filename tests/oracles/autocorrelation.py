"""Moran's I and Geary's C as sums over pairs of spots."""

from __future__ import annotations

import numpy as np


def morans_i(weights: np.ndarray, values: np.ndarray) -> float:
    """Moran's I of dense weights (n, n) and values (n,)."""
    n, mean = len(values), values.mean()
    above = total = 0.0
    for i in range(n):
        for j in range(n):
            above += weights[i, j] * (values[i] - mean) * (values[j] - mean)
            total += weights[i, j]
    return n / total * above / ((values - mean) ** 2).sum()


def gearys_c(weights: np.ndarray, values: np.ndarray) -> float:
    """Geary's C of dense weights (n, n) and values (n,)."""
    n, mean = len(values), values.mean()
    above = total = 0.0
    for i in range(n):
        for j in range(n):
            above += weights[i, j] * (values[i] - values[j]) ** 2
            total += weights[i, j]
    return (n - 1) / (2 * total) * above / ((values - mean) ** 2).sum()
