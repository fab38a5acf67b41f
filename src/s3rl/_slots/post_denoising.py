"""Which expression has been denoised, and the linear denoiser that calibrates tests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3rl._keys import ModelKeys
from s3rl._slots.embedding import embedding_of
from s3rl.statistics.readout import Readout, readout

if TYPE_CHECKING:
    from anndata import AnnData


def is_denoised(table: AnnData, layer: str | None) -> bool:
    """Whether ``layers[layer]`` is the denoised expression of a model of this table."""
    if layer is None:
        return False
    keys = ModelKeys(layer)
    return layer == ModelKeys().layer or (keys.embedding in table.obsm and keys.uns in table.uns)


def readout_of(table: AnnData, layer: str | None) -> Readout:
    """The linear denoiser on the embedding of the model that made ``layers[layer]``, or of the default model.

    Raises
    ------
    MissingKeyError
        If there is no embedding.
    InputError
        If it is not finite numbers.
    """
    keys = ModelKeys(layer) if layer is not None and is_denoised(table, layer) else ModelKeys()
    return readout(embedding_of(table, keys.embedding, fix="s3.tl.s3rl(adata, n_domains)"))
