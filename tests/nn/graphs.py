"""Small graphs and matrices for the tests of the layers."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def directed(n, density, seed, *, isolated=()):
    """Random pattern (n, n), not symmetric; the isolated spots neither read nor are read."""
    rng = np.random.default_rng(seed)
    dense = rng.random((n, n)) < density
    dense[list(isolated)] = dense[:, list(isolated)] = False
    return sp.csr_matrix(dense.astype(np.float32))


def weighted(n, density, seed):
    """Random symmetric weights (n, n) without a diagonal."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) * (rng.random((n, n)) < density), k=1)
    return sp.csr_matrix((upper + upper.T).astype(np.float32))


def expression(n, g, seed):
    """Sparse log-normalised expression, no empty spot."""
    rng = np.random.default_rng(seed)
    dense = np.log1p(rng.poisson(0.5, (n, g))).astype(np.float32)
    dense[np.arange(n), rng.integers(g, size=n)] += 1
    return sp.csr_matrix(dense)
