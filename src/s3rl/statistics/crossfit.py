"""A linear denoiser of a gene that the gene itself has not helped to make.

The embedding was learnt from the genes that are tested, so it follows the noise of each of them a little, and ridge
regression on it finds that noise again: permuted expression is a fair comparison only for a denoiser that has not
seen the gene. Therefore the genes are divided into two halves, and the genes of one half are denoised by what the
components of the other half say about the embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from s3rl._random import stream
from s3rl.statistics.readout import Readout, readout

# keeps this stream apart from those of the permutations
_PATH = 0x9E38


def halves(n_genes: int, seed: int) -> np.ndarray:
    """Half of each gene, 0 or 1, int64 (g,), drawn at random."""
    return stream(seed, _PATH).permutation(n_genes) % 2


class Emulator(NamedTuple):
    """What components of some genes say about an embedding, wherever the spots that have them lie.

    Attributes
    ----------
    own
        Float (n, k): components of each spot.
    spread
        Makes (n, k) of places out of (n, k) of the spots at them: what a place receives from its neighbours. None
        where there is no graph.
    coefficients
        Float64 (k or 2k, d).
    """

    own: np.ndarray
    spread: Callable[[np.ndarray], np.ndarray] | None
    coefficients: np.ndarray

    def readout(self, order: np.ndarray | None = None) -> Readout:
        """Ridge regression, over the places, on the part of the embedding that the components predict.

        Parameters
        ----------
        order
            Int (n,): spot at each place; None leaves all where they are.
        """
        own = self.own if order is None else self.own[order]
        return readout(_design(own, self.spread) @ self.coefficients)


def crossfit(
    embedding: np.ndarray, components: np.ndarray, spread: Callable[[np.ndarray], np.ndarray] | None = None
) -> Emulator:
    """Predict an embedding (n, d) linearly from components (n, k) of other genes, and from what ``spread`` makes."""
    design = _design(components, spread)
    centred = design - design.mean(axis=0)
    coefficients = np.linalg.lstsq(centred, embedding - embedding.mean(axis=0), rcond=1e-10)[0]
    return Emulator(components, spread, coefficients)


def _design(own: np.ndarray, spread: Callable[[np.ndarray], np.ndarray] | None) -> np.ndarray:
    columns = own if spread is None else np.hstack([own, spread(own)])
    return np.asarray(columns, dtype=np.float64)
