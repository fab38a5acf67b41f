"""A small tissue of three layers as the matrices that the core reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from scipy.spatial import cKDTree

from s3rl.fit.inputs import Slide, Targets, gene_weights, targets_of
from s3rl.fit.params import S3RLParams

CPU = torch.device("cpu")
SMALL = {
    "n_hidden": 12, "n_latent": 6, "n_heads": 1, "n_mixtures": 3, "diffusion": 1.0, "cosine_power": 2.0,
    "topology": 0.3, "separability": 0.5, "size_prior": "estimated", "temperature": 0.2, "prototype_noise": 0.0,
    "anchor": 0.7, "consensus": 0.6, "mask_rate": 0.25, "edge_drop_rate": 0.2, "linear_output": True,
    "linear_embedding": True, "learning_rate": 5e-3, "weight_decay": 0.0, "max_epochs": 8, "patience": 50,
    "checkpoint_interval": 2,
}  # fmt: skip


def small(**changes) -> S3RLParams:
    """Parameters that say everything, whatever the defaults are."""
    return S3RLParams(**(SMALL | changes))


class Problem(NamedTuple):
    x: sp.csr_matrix
    attraction: sp.csr_matrix
    repulsion: sp.csr_matrix
    spatial: sp.csr_matrix
    layer: np.ndarray

    def slide(self, params: S3RLParams) -> Slide:
        return Slide.of(self.x, self.attraction, self.spatial, params, CPU)

    def targets(self, params: S3RLParams, n_domains: int = 3, seed: int = 0) -> Targets:
        graphs = (self.attraction, self.repulsion, self.spatial)
        return targets_of(self.x, *graphs, n_domains, params, seed=seed, device=CPU)

    def weights(self) -> torch.Tensor:
        return gene_weights(self.x)


def tissue(n=90, g=40, seed=0) -> Problem:
    """Three layers along x; neighbours in space, one similar and one dissimilar spot each."""
    rng = np.random.default_rng(seed)
    where = rng.random((n, 2))
    layer = np.digitize(where[:, 0], [1 / 3, 2 / 3])
    means = rng.gamma(0.6, 1.0, (3, g))
    counts = rng.poisson(means[layer] * rng.gamma(5, 0.2, (n, 1)))
    counts[np.arange(n), rng.integers(g, size=n)] += 1
    dense = np.log1p(counts / counts.sum(axis=1, keepdims=True) * g).astype(np.float32)
    unit = dense / np.linalg.norm(dense, axis=1, keepdims=True)
    cosine = unit @ unit.T
    nearest = cKDTree(where).query(where, k=6)[1][:, 1:]
    spatial = _undirected(np.repeat(np.arange(n), 5), nearest.ravel(), n)
    similar = _undirected(np.arange(n), np.argmax(cosine - 2 * np.eye(n), axis=1), n)
    farthest = _undirected(np.arange(n), np.argmin(cosine, axis=1), n)
    attraction = _pattern(spatial + similar)
    return Problem(sp.csr_matrix(dense), attraction, _pattern(farthest - farthest.multiply(attraction)), spatial, layer)


def _undirected(rows, columns, n):
    pairs = sp.coo_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(n, n)).tocsr()
    pairs.setdiag(0)
    return _pattern(pairs + pairs.T)


def _pattern(matrix):
    matrix = sp.csr_matrix(matrix)
    matrix.eliminate_zeros()
    matrix.data[:] = 1
    return matrix
