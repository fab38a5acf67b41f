"""Everything that one training run reads, as tensors on its device."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from s3rl.fit.batches import integrated_components
from s3rl.fit.consensus import mixture_runs, vote
from s3rl.fit.params import S3RLParams
from s3rl.fit.views import EXAMINED, SCALINGS, anchors, consensus_views, gene_scale
from s3rl.nn import Diffusion, Neighborhood, SparseMatrix

_DIFFUSION_TOLERANCE = 1e-2
_LARGEST_GENE_WEIGHT = 10.0


@dataclass(frozen=True)
class Slide:
    """Expression and graphs of the spots that a model reads, without anything it is trained towards.

    Attributes
    ----------
    expression
        Sparse (n, g).
    expression_norm
        Euclidean norm of each row, (n,).
    graph
        Semantic graph E' for attention.
    diffusion
        Smoothing over the spatial graph, or None.
    slices
        Numbers (n,) of the slices within which genes are centred, or None.
    """

    expression: SparseMatrix
    expression_norm: Tensor
    graph: Neighborhood
    diffusion: Diffusion | None
    slices: Tensor | None = None

    @classmethod
    def of(
        cls,
        x: sp.csr_matrix,
        attraction: sp.csr_matrix,
        spatial: sp.csr_matrix,
        params: S3RLParams,
        device: torch.device,
        slices: np.ndarray | None = None,
    ) -> Slide:
        """Move expression (n, g), the two graphs (n, n) and the numbers of the slices (n,) to ``device``."""
        norm = np.sqrt(np.asarray(x.multiply(x).sum(axis=1), dtype=np.float64).ravel()).astype(np.float32)
        smooth = None
        if params.diffusion > 0:
            smooth = Diffusion.on(spatial, params.diffusion, tolerance=_DIFFUSION_TOLERANCE, device=device)
        return cls(
            SparseMatrix.from_scipy(x, device),
            torch.from_numpy(norm).to(device),
            Neighborhood.from_scipy(attraction, device),
            smooth,
            None if slices is None or params.batch == "none" else torch.from_numpy(slices).to(device),
        )


@dataclass(frozen=True)
class Targets:
    """What the embedding is trained towards besides the expression itself.

    Attributes
    ----------
    attracting, repelling
        Each pair of the signed graph once.
    anchor
        Diffused principal components (n, k), or None.
    consensus
        Soft domains (n, c) that the mixtures agree on, or None.
    sizes
        Expected share of each domain (c,), or None for equal ones.
    mixtures
        Domains (m, n) that each mixture of the consensus gives the spots, int16, numbered in any order; or None.
    """

    attracting: Neighborhood
    repelling: Neighborhood
    anchor: Tensor | None
    consensus: Tensor | None
    sizes: Tensor | None
    mixtures: np.ndarray | None


def targets_of(
    x: sp.csr_matrix,
    attraction: sp.csr_matrix,
    repulsion: sp.csr_matrix,
    spatial: sp.csr_matrix,
    n_domains: int,
    params: S3RLParams,
    *,
    seed: int,
    device: torch.device,
    slices: np.ndarray | None = None,
) -> Targets:
    """Compute the targets from expression (n, g), the graphs (n, n) and the numbers of the slices (n,)."""
    anchor = consensus = sizes = mixtures = None
    needs_consensus = params.consensus > 0 or params.size_prior == "estimated"
    if needs_consensus or params.anchor > 0:
        components = [
            integrated_components(x, EXAMINED, slices, params.batch, seed=seed, scaling=scaling, spatial=spatial)
            for scaling in (SCALINGS if needs_consensus else SCALINGS[:1])
        ]
        anchor = _standardized(anchors(components[0], spatial)[-1]).to(device)
        if needs_consensus:
            runs = mixture_runs(consensus_views(components, spatial), n_domains, params.n_mixtures, seed=seed)
            consensus = torch.from_numpy(vote(runs).astype(np.float32)).to(device)
            sizes = consensus.mean(dim=0)
            mixtures = np.stack([run.argmax(axis=1) for run in runs]).astype(np.int16)
    attracting, repelling = (
        Neighborhood.from_scipy(sp.csr_matrix(sp.triu(pairs, k=1)), device) for pairs in (attraction, repulsion)
    )
    return Targets(
        attracting, repelling, anchor, consensus, sizes if params.size_prior == "estimated" else None, mixtures
    )


def gene_weights(x: sp.csr_matrix) -> Tensor:
    """Inverse standard deviation of each gene, at most 10, (g,)."""
    _, deviation = gene_scale(x)
    return torch.from_numpy(np.minimum(1 / deviation, _LARGEST_GENE_WEIGHT).astype(np.float32))


def fingerprint(params: S3RLParams, seed: int, n_domains: int, *matrices: sp.csr_matrix) -> str:
    """SHA-256 over the data, the parameters and the seed of a run."""
    from s3rl import __version__

    digest = hashlib.sha256(json.dumps([__version__, params.as_dict(), seed, n_domains], sort_keys=True).encode())
    for matrix in matrices:
        for part in (np.asarray(matrix.shape), matrix.indptr, matrix.indices, matrix.data):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _standardized(view: np.ndarray) -> Tensor:
    """Centre the channels and divide all of them by the largest deviation, so that the leading ones weigh most."""
    centred = view - view.mean(axis=0)
    return torch.from_numpy((centred / max(float(centred.std(axis=0).max()), 1e-12)).astype(np.float32))
