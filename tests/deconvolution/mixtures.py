"""Spots that are mixtures of known profiles, for the tests of deconvolution."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree


class Planted(NamedTuple):
    """Counts of spots (n, g) and cells (c, g), types of the cells (c,), proportions (n, k) and graph (n, n)."""

    spots: np.ndarray
    cells: np.ndarray
    codes: np.ndarray
    truth: np.ndarray
    graph: sp.csr_matrix
    xy: np.ndarray


def planted(
    n: int = 150,
    g: int = 120,
    k: int = 4,
    *,
    per_type: int = 20,
    depth: float = 800,
    platform: float = 0.0,
    seed: int = 0,
) -> Planted:
    """Smooth proportions over a square lattice; counts are Poisson; genes have factors with ``platform`` deviation."""
    rng = np.random.default_rng(seed)
    profiles = rng.lognormal(0, 1, g) * np.exp(rng.normal(0, 1, (k, g)))
    profiles /= profiles.sum(axis=1, keepdims=True)
    codes = np.repeat(np.arange(k), per_type)
    cells = rng.poisson(profiles[codes] * 1500)
    side = int(np.ceil(np.sqrt(n)))
    row, column = np.divmod(np.arange(n), side)
    xy = np.column_stack([column, row]).astype(float)
    waves = np.sin(xy / side * rng.uniform(3, 8, (k, 1, 2)) + rng.uniform(0, 6, (k, 1, 2))).sum(axis=2).T
    truth = np.exp(2 * waves)
    truth /= truth.sum(axis=1, keepdims=True)
    mean = truth @ profiles * rng.lognormal(0, platform, g)
    spots = rng.poisson(depth * mean / mean.sum(axis=1, keepdims=True))
    near = cKDTree(xy).query(xy, 5)[1][:, 1:]
    graph = sp.csr_matrix((np.ones(n * 4, np.float32), (np.repeat(np.arange(n), 4), near.ravel())), shape=(n, n))
    graph = sp.csr_matrix(((graph + graph.T) > 0).astype(np.float32))
    return Planted(spots, cells, codes, truth, graph, xy)


def shares(counts: np.ndarray) -> np.ndarray:
    """Rows of sum one."""
    return counts / counts.sum(axis=1, keepdims=True)


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """Root mean squared error."""
    return float(np.sqrt(((found - truth) ** 2).mean()))
