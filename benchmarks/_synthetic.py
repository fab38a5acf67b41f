"""Synthetic tissue of any size: sparse from the start, never spots x genes in one piece."""

from __future__ import annotations

from typing import NamedTuple

import anndata as ad
import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

N_LAYERS = 7
NEIGHBORS = 6
_ROWS_AT_ONCE = 1000
_EXACT_UP_TO = 5000


class Tissue(NamedTuple):
    """Log-normalised expression (n, g) and the graphs (n, n) of a slice in layers."""

    x: sp.csr_matrix
    attraction: sp.csr_matrix
    repulsion: sp.csr_matrix
    spatial: sp.csr_matrix


def tissue(n: int, n_genes: int, *, density: float = 0.1, seed: int = 0) -> Tissue:
    """Seven layers; 6 spatial neighbours, mutual nearest pairs, and one dissimilar spot for each spot.

    Up to 5,000 spots the pairs are those of the largest and smallest cosine. Beyond, random pairs of the same layer and
    of different layers stand for them: the cost of training depends on how many there are, not on which.
    """
    rng = np.random.default_rng(seed)
    where = rng.random((n, 2))
    layer = (where[:, 1] * N_LAYERS).astype(int)
    x = _expression(layer, n_genes, density, rng)
    spots = np.repeat(np.arange(n), NEIGHBORS)
    spatial = _undirected(spots, cKDTree(where).query(where, k=NEIGHBORS + 1)[1][:, 1:].ravel(), n)
    if n <= _EXACT_UP_TO:
        similar, dissimilar = _by_cosine(x)
    else:
        order = np.argsort(layer, kind="stable")[: n // 2 * 2].reshape(-1, 2)
        similar = _undirected(order[::3, 0], order[::3, 1], n)
        dissimilar = _undirected(np.arange(n), (np.arange(n) + rng.integers(n // 4, n // 2, n)) % n, n)
    attraction = _pattern(spatial + similar)
    return Tissue(x, attraction, _pattern(dissimilar - dissimilar.multiply(attraction)), spatial)


def as_table(slice_: Tissue) -> ad.AnnData:
    """The slice as the table that ``s3.tl.s3rl`` reads."""
    adata = ad.AnnData(slice_.x)
    adata.obsp["spatial_connectivities"] = slice_.spatial
    adata.obsp["s3rl_connectivities"], adata.obsp["s3rl_repulsions"] = slice_.attraction, slice_.repulsion
    adata.uns["s3rl_neighbors"] = {
        "connectivities_key": "s3rl_connectivities",
        "repulsions_key": "s3rl_repulsions",
        "params": {"connectivity_key": "spatial"},
    }
    return adata


def _expression(layer: np.ndarray, n_genes: int, density: float, rng: np.random.Generator) -> sp.csr_matrix:
    chance = np.clip(density * rng.gamma(2, 0.5, n_genes) * rng.lognormal(0, 0.4, (N_LAYERS, n_genes)), 0, 0.9)
    chance *= density / chance.mean()
    blocks = []
    for start in range(0, len(layer), _ROWS_AT_ONCE):
        part = chance[layer[start : start + _ROWS_AT_ONCE]]
        rows, genes = np.nonzero(rng.random(part.shape, dtype=np.float32) < part)
        values = np.log1p(rng.gamma(2, 1, len(rows))).astype(np.float32)
        blocks.append(sp.csr_matrix((values, (rows, genes)), shape=part.shape))
    return sp.vstack(blocks, format="csr", dtype=np.float32)


def _by_cosine(x: sp.csr_matrix) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    n = x.shape[0]
    unit = sp.diags(1 / np.sqrt(np.asarray(x.multiply(x).sum(axis=1)).ravel())) @ x
    nearest, farthest = np.empty(n, dtype=int), np.empty(n, dtype=int)
    for start in range(0, n, _ROWS_AT_ONCE):
        cosine = (unit[start : start + _ROWS_AT_ONCE] @ unit.T).toarray()
        farthest[start : start + _ROWS_AT_ONCE] = cosine.argmin(axis=1)
        cosine[np.arange(len(cosine)), start + np.arange(len(cosine))] = -1
        nearest[start : start + _ROWS_AT_ONCE] = cosine.argmax(axis=1)
    mutual = np.flatnonzero(nearest[nearest] == np.arange(n))
    return _undirected(mutual, nearest[mutual], n), _undirected(np.arange(n), farthest, n)


def _undirected(rows: np.ndarray, columns: np.ndarray, n: int) -> sp.csr_matrix:
    pairs = sp.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(n, n))
    pairs = sp.csr_matrix(pairs - sp.diags(pairs.diagonal()))
    return _pattern(pairs + pairs.T)


def _pattern(matrix: sp.spmatrix) -> sp.csr_matrix:
    matrix = sp.csr_matrix(matrix, dtype=np.float32)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    matrix.data[:] = 1
    return matrix
