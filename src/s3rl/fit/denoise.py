"""Inference: embedding, affinities and denoised expression of the spots of a slide; no noise, no gradients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from s3rl.fit.inputs import Slide
from s3rl.fit.shrinkage import measured_of, posterior, share_readout
from s3rl.nn import SeparableAutoencoder

_ROWS_AT_ONCE = 2048
_RIDGE = 1e-2


class Embedding(NamedTuple):
    """Embedding (n, d) and affinities to the prototypes (n, c), float32."""

    z: np.ndarray
    probabilities: np.ndarray


class Denoised(NamedTuple):
    """Denoised expression float32 (n, m), and the read-out (m, r) of its genes, the modelled ones first."""

    layer: np.ndarray
    loadings: Tensor


class Factors(NamedTuple):
    """Reconstruction as scaled factors: ``scale_i * act(spots_i . genes_j)``.

    Attributes
    ----------
    spots
        (n, r).
    genes
        (g, r).
    scale
        (n,): the factor that brings each spot closest to its own expression in least squares, since the cosine
        error fixes only a direction.
    """

    spots: Tensor
    genes: Tensor
    scale: Tensor


@torch.no_grad()
def embed(model: SeparableAutoencoder, slide: Slide) -> Embedding:
    """Embed the spots of a slide and assign them softly to the prototypes."""
    z = model.encode(slide.expression, slide.graph, slide.diffusion, slices=slide.slices)
    return Embedding(z.cpu().numpy(), torch.softmax(model.head(z), dim=1).cpu().numpy())


def denoise(
    z: np.ndarray, expression: sp.csr_matrix, modelled: np.ndarray, others: np.ndarray, loadings: Tensor | None = None
) -> Denoised:
    """Denoise all genes alike from the embedding (n, d) and the expression (n, m) of the spots.

    Parameters
    ----------
    z, expression
        Embedding and log-normalised expression.
    modelled, others
        Columns of the two kinds of genes.
    loadings
        Read-out of an earlier fit; None fits one.
    """
    order = np.concatenate([modelled, others]).astype(np.int64)
    measured = measured_of(expression[:, order])
    readout = share_readout(z, measured) if loadings is None else loadings.cpu().numpy()
    layer = np.zeros(expression.shape, dtype=np.float32)
    layer[:, order] = posterior(z, measured, readout)
    return Denoised(layer, torch.from_numpy(readout))


@torch.no_grad()
def reconstruct(
    model: SeparableAutoencoder, slide: Slide, *, linear_output: bool, measured: Tensor | None = None
) -> Factors:
    """Factors of the reconstruction, with the scale of each spot over the measured genes, boolean (g,)."""
    z = model.encode(slide.expression, slide.graph, slide.diffusion, slices=slide.slices)
    spots, genes = model.decode(z, slide.graph)
    along, squared = torch.empty_like(spots[:, 0]), torch.empty_like(spots[:, 0])
    for start in range(0, len(spots), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        block = _block(spots[rows], genes, linear_output)
        if measured is not None:
            block = block * measured
        along[rows] = (slide.expression.rows(rows).to(block) * block).sum(dim=1)
        squared[rows] = (block**2).sum(dim=1)
    return Factors(spots, genes, (along / squared.clamp_min(1e-12)).clamp_min(0))


@torch.no_grad()
def readout(factors: Factors, x: sp.csr_matrix) -> Tensor:
    """Loadings (m, r) of genes the model did not see: ridge regression of ``x`` (n, m) on the scaled spot factors."""
    spots = (factors.scale[:, None] * factors.spots).double().cpu().numpy()
    gram = spots.T @ spots
    gram += _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    return torch.from_numpy(np.linalg.solve(gram, (x.T @ spots).T).T.astype(np.float32))


@torch.no_grad()
def denoised(
    factors: Factors, modelled: np.ndarray, others: np.ndarray, other_loadings: Tensor | None, *, linear_output: bool
) -> np.ndarray:
    """Denoised expression float32 (n, m), zero or more, filled in blocks of spots.

    Parameters
    ----------
    factors
        Of the modelled genes.
    modelled, others
        Columns of the two kinds of genes in the result.
    other_loadings
        Loadings of the other genes (len(others), r).
    linear_output
        Whether the last layer has no activation.
    """
    n = len(factors.spots)
    out = np.zeros((n, len(modelled) + len(others)), dtype=np.float32)
    for start in range(0, n, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        scale = factors.scale[rows, None]
        out[rows, modelled] = (scale * _block(factors.spots[rows], factors.genes, linear_output)).cpu().numpy()
        if other_loadings is not None and len(others):
            out[rows, others] = ((scale * factors.spots[rows]).cpu() @ other_loadings.T).numpy()
    return np.maximum(out, 0, out=out)


def _block(spots: Tensor, genes: Tensor, linear_output: bool) -> Tensor:
    values = spots @ genes.T
    return values if linear_output else functional.elu(values)
