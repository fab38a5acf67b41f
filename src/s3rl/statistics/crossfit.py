"""A linear denoiser of a gene that the gene itself has not helped to make.

The embedding was learnt from the genes that are tested, so it follows the noise of each of them a little, and ridge
regression on it finds that noise again: permuted expression is a fair comparison only for a denoiser that has not
seen the gene. Therefore the genes are divided into two halves, and the genes of one half are denoised by what the
components of the other half say about the embedding.
"""

from __future__ import annotations

import numpy as np

from s3rl._random import stream
from s3rl.statistics.readout import Readout, readout

# keeps this stream apart from those of the permutations
_PATH = 0x9E38


def halves(n_genes: int, seed: int) -> np.ndarray:
    """Half of each gene, 0 or 1, int64 (g,), drawn at random."""
    return stream(seed, _PATH).permutation(n_genes) % 2


def crossfit(embedding: np.ndarray, components: np.ndarray) -> Readout:
    """Ridge regression on the part of an embedding (n, d) that components (n, k) of other genes predict linearly."""
    centred = np.asarray(components, dtype=np.float64)
    basis, sizes, _ = np.linalg.svd(centred - centred.mean(axis=0), full_matrices=False)
    basis = basis[:, sizes > sizes.max(initial=0.0) * 1e-10]
    return readout(basis @ (basis.T @ (embedding - embedding.mean(axis=0))))
