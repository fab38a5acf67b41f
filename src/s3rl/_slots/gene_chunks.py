"""Expression of many genes, a few columns at a time: spots x genes is never dense as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from s3rl._slots.table import slot_of
from s3rl.errors import CountsError, InputError, MissingKeyError, ParameterError

if TYPE_CHECKING:
    from anndata import AnnData

# numbers in one dense block, 32 MB
_NUMBERS = 2**22


def genes_of(table: AnnData, genes: str | Sequence[str] | None) -> np.ndarray:
    """Positions (m,) in ``var_names`` of the genes named, each once and in their order; None is all.

    Raises
    ------
    MissingKeyError
        If a name is not in ``var_names``.
    ParameterError
        If no gene is named, or ``genes`` is no list of names.
    """
    if genes is None:
        return np.arange(table.n_vars)
    fix = "pass names of adata.var_names"
    if not isinstance(genes, str) and not hasattr(genes, "__iter__"):
        raise ParameterError("is no list of names", key="genes", found=repr(genes), fix=fix)
    names = list(dict.fromkeys([genes] if isinstance(genes, str) else map(str, genes)))
    if not names:
        raise ParameterError("names no gene", key="genes", found=repr(genes), fix=fix)
    return positions_of(table, names)


def positions_of(table: AnnData, names: Sequence[str]) -> np.ndarray:
    """Int64 (m,): where each name is in ``var_names``.

    Raises
    ------
    MissingKeyError
        If one is not there.
    """
    positions = table.var_names.get_indexer(names)
    if (positions < 0).any():
        unknown = [name for name, position in zip(names, positions, strict=True) if position < 0]
        raise MissingKeyError(
            "has names that are not in var_names",
            key="genes",
            found=", ".join(unknown[:12]),
            available=table.var_names,
            fix="pass names of adata.var_names",
        )
    return positions.astype(np.int64)


def gene_chunks(
    table: AnnData, columns: np.ndarray, layer: str | None, numbers: int = _NUMBERS, *, counts: bool = False
) -> Iterator[tuple[slice, np.ndarray]]:
    """Dense float64 (n, few) blocks of ``X`` or a layer: the part of ``columns`` (m,) that it is, and its values.

    A lazy or dense layer is read block by block; a sparse one is turned into columns once. A gene without any value,
    all nan, is one of zeros.

    Raises
    ------
    MissingKeyError
        If there is no such layer.
    InputError
        If it holds something else than finite numbers.
    CountsError
        If it looks like raw counts, unless ``counts`` are welcome.
    """
    values = values_of(table, layer)
    name = "X" if layer is None else f"layers[{layer!r}]"
    if sp.issparse(values):
        everything = np.array_equal(columns, np.arange(values.shape[1]))
        values, columns = sp.csc_matrix(values if everything else values[:, columns]), np.arange(len(columns))
    size = max(8, numbers // table.n_obs)
    for start in range(0, len(columns), size):
        part = slice(start, min(start + size, len(columns)))
        block: Any = values[:, columns[part]]
        block = block.compute() if hasattr(block, "compute") else block
        block = block.toarray() if sp.issparse(block) else np.asarray(block)
        if block.dtype.kind not in "fiub":
            raise InputError("is not numeric", key=name, found=block.dtype, fix="store numbers, for example float32")
        block = block.astype(np.float64)
        # a transferred layer has no values of genes that its model does not know
        block[:, np.isnan(block).all(axis=0)] = 0.0
        if not np.isfinite(block).all():
            bad = ~np.isfinite(block).all(axis=1)
            raise InputError(
                "has values that are not finite",
                key=name,
                found=f"{bad.sum()} spots, first {table.obs_names[bad][0]}",
                fix="remove or repair these spots; if a transformation made them, start again from the counts",
            )
        # a logarithm leaves nothing whole but zeros; a matrix of zeros and ones may be a choice
        if not counts and block.max(initial=0.0) > 1 and not np.mod(block, 1).any():
            raise CountsError(
                "looks like raw counts, not like log-normalised expression",
                key=name,
                found=f"whole numbers up to {block.max():.4g}",
                fix="s3.pp.normalize(adata)",
            )
        yield part, block


def values_of(table: AnnData, layer: str | None) -> Any:
    """``X`` or a layer as it is stored: dense, sparse or lazy."""
    if layer is not None:
        return slot_of(table, "layers", layer, fix="pass layer=None to use X, or one of the layers that exist")
    if table.X is None:
        raise MissingKeyError("is not there", key="X", available=list(table.layers), fix="pass layer=, or set adata.X")
    return table.X
