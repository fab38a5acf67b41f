"""Linear denoisers of a model's layer, each blind to the genes that it denoises."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import note
from s3rl._slots.embedding import embedding_of
from s3rl._slots.layers import Expression, expressions_of
from s3rl._slots.model import modelled_genes
from s3rl._slots.post_denoising import is_denoised, readout_of
from s3rl.statistics.crossfit import Emulator, crossfit, halves

if TYPE_CHECKING:
    from anndata import AnnData

    from s3rl.statistics.readout import Readout

_COMPONENTS = 20
_STRENGTH = 1.0
_FEWEST = 4


class Blind(NamedTuple):
    """Two denoisers and the genes that each is blind to.

    Attributes
    ----------
    half
        Int64 (g,): which denoiser a gene is denoised with.
    readouts
        The two.
    emulators
        What they were made with; None where each has seen the genes.
    """

    half: np.ndarray
    readouts: tuple[Readout, Readout]
    emulators: tuple[Emulator, Emulator] | None


def blind_readouts_of(table: AnnData, layer: str, connectivity_key: str, *, seed: int) -> Blind:
    """Denoisers on the embedding of the model that made ``layers[layer]``.

    The components are principal components of the expression that the model has read, as they are and diffused over
    the spatial graph where there is one. Where a half has fewer than four genes, both denoisers are the plain one.

    Raises
    ------
    MissingKeyError
        If there is no embedding.
    InputError
        If it is not finite numbers.
    """
    half = halves(table.n_vars, seed)
    modelled, expression = modelled_genes(table), input_of(table, layer)
    modelled = modelled[expression.finite()[modelled]]
    if min(np.bincount(half[modelled], minlength=2)) < _FEWEST:
        note("too few genes to divide: each has helped to make the denoiser that it is calibrated with")
        plain = readout_of(table, layer)
        return Blind(half, (plain, plain), None)
    keys = _keys.ModelKeys(layer) if is_denoised(table, layer) else _keys.ModelKeys()
    embedding = embedding_of(table, keys.embedding, fix="s3.tl.s3rl(adata, n_domains)")
    spread = _spread_of(table, connectivity_key)
    first, second = (
        crossfit(embedding, _components(expression, modelled[half[modelled] != own], seed), spread) for own in (0, 1)
    )
    return Blind(half, (first.readout(), second.readout()), (first, second))


def input_of(table: AnnData, layer: str) -> Expression:
    """The expression that the model which made ``layers[layer]`` has read; ``X`` where that is not known."""
    entry = table.uns.get(_keys.ModelKeys(layer).uns, {})
    given = entry.get("input", {}) if hasattr(entry, "get") else {}
    found = given.get("layer") if hasattr(given, "get") else None
    return expressions_of(table, [str(found) if isinstance(found, str) and found in table.layers else None])[0]


def _components(expression: Expression, genes: np.ndarray, seed: int) -> np.ndarray:
    """Float32 (n, k): leading components of some genes."""
    from s3rl.fit.views import principal_components

    return principal_components(sp.csr_matrix(expression.values[:, genes]), _COMPONENTS, seed=seed)


def _spread_of(table: AnnData, connectivity_key: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """Diffusion over the spatial graph, where there is one."""
    import torch

    from s3rl.fit.device import threads_for
    from s3rl.nn import Diffusion

    graph = table.obsp.get(_keys.connectivities_of(connectivity_key))
    if graph is None or not graph.nnz:
        note(
            "no neighbours in obsp[%r]: the denoiser that is calibrated with reads single spots",
            _keys.connectivities_of(connectivity_key),
        )
        return None
    joined = sp.csr_matrix(sp.csr_matrix(graph) + sp.csr_matrix(graph).T != 0, dtype=np.float32)
    diffusion = Diffusion.on(joined, _STRENGTH)

    def spread(own: np.ndarray) -> np.ndarray:
        with threads_for(len(own)):
            return np.asarray(diffusion.apply(torch.from_numpy(own)).numpy())

    return spread
