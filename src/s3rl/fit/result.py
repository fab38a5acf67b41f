"""From a trained network and a slide to the arrays of a result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from torch import Tensor

from s3rl.fit.denoise import denoise, denoised, embed, readout, reconstruct
from s3rl.fit.inputs import Slide
from s3rl.fit.params import S3RLParams
from s3rl.nn import SeparableAutoencoder


class Inferred(NamedTuple):
    """Arrays of a result.

    Attributes
    ----------
    embedding
        float32 (n, d).
    probabilities
        float32 (n, c).
    denoised
        float32 (n, modelled + others), or None where it was not asked for.
    loadings
        Read-out (m, r): of all genes, of the other genes where the decoder denoises, or None.
    """

    embedding: np.ndarray
    probabilities: np.ndarray
    denoised: np.ndarray | None
    loadings: Tensor | None


def infer(
    network: SeparableAutoencoder,
    slide: Slide,
    expression: sp.csr_matrix,
    modelled: np.ndarray,
    others: np.ndarray,
    params: S3RLParams,
    loadings: Tensor | None = None,
    measured: Tensor | None = None,
) -> Inferred:
    """Embed, assign and denoise the spots of a slide.

    Parameters
    ----------
    network
        In evaluation mode.
    slide
        Expression of the modelled genes with its graphs.
    expression
        Expression of all genes (n, m), from which the read-out is fitted where ``loadings`` is None.
    modelled, others
        Columns of the modelled and of the other genes in the denoised array.
    params
        Of the fit.
    loadings
        Read-out from an earlier fit.
    measured
        Boolean (g,): modelled genes that were measured; None for all.
    """
    z, probabilities = embed(network, slide)
    if params.denoise == "none":
        return Inferred(z, probabilities, None, None)
    if params.denoise == "all":
        return Inferred(z, probabilities, *denoise(z, expression, modelled, others, loadings))
    factors = reconstruct(network, slide, linear_output=params.linear_output, measured=measured)
    if loadings is None and len(others):
        loadings = readout(factors, expression[:, others])
    layer = denoised(factors, modelled, others, loadings, linear_output=params.linear_output)
    return Inferred(z, probabilities, layer, loadings)
