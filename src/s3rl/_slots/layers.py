"""Expression raw beside denoised: which layers are compared, and their genes a few at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._keys import ModelKeys
from s3rl._log import note
from s3rl._slots.gene_chunks import positions_of
from s3rl._slots.post_denoising import is_denoised
from s3rl._slots.table import slot_of
from s3rl.errors import CountsError, InputError, MissingKeyError, ParameterError

if TYPE_CHECKING:
    from anndata import AnnData

RAW = "X"
"""Name of ``X`` in the column ``layer`` of a result."""

PAIR = (None, ModelKeys().layer)
"""Raw beside denoised: what the functions compare without a word."""


class Expression(NamedTuple):
    """One layer, read a few genes at a time.

    Attributes
    ----------
    name
        ``"X"``, or the name of the layer.
    layer
        None, or the name of the layer.
    values
        csc_matrix or array (n, g), the user's own where it is dense.
    denoised
        Whether a model of this table made it.
    """

    name: str
    layer: str | None
    values: Any
    denoised: bool

    def columns(self, genes: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Float64 (rows, genes)."""
        chosen = self.values[:, genes]
        chosen = chosen.toarray() if sp.issparse(chosen) else np.asarray(chosen)
        return chosen[rows].astype(np.float64)

    def finite(self) -> np.ndarray:
        """Whether all values of a gene are finite, bool (g,); a transferred layer lacks genes."""
        if sp.issparse(self.values):
            bad = np.repeat(np.arange(self.values.shape[1]), np.diff(self.values.indptr))
            return ~np.isin(np.arange(self.values.shape[1]), bad[~np.isfinite(self.values.data)])
        return np.isfinite(self.values.sum(axis=0, dtype=np.float64))


def expressions_of(table: AnnData, layers: Any) -> list[Expression]:
    """The layers to compare, checked to be log-normalised; of the default pair only ``X`` where no other is there.

    Raises
    ------
    ParameterError
        If ``layers`` names none, or one twice.
    MissingKeyError
        If a layer is not there.
    CountsError
        If one holds raw counts or negative values.
    InputError
        If one is not numeric.
    """
    names = [layers] if layers is None or isinstance(layers, str) else layers
    names = list(names) if isinstance(names, Sequence) else []
    names = [None if name == RAW and RAW not in table.layers else name for name in names]
    if not names or len(set(names)) < len(names) or not all(name is None or isinstance(name, str) for name in names):
        raise ParameterError(
            "must name layers, each once", key="layers", found=repr(layers), available=["None", *table.layers],
            fix="pass layers=(None, 's3rl') for X beside the denoised layer, or layers=(None,)",
        )  # fmt: skip
    if tuple(names) == PAIR and PAIR[1] not in table.layers:
        note("layers[%r] is not there, so only X is used; s3.tl.s3rl(adata, n_domains) writes it", PAIR[1])
        names = [None]
    return [_expression(table, name) for name in names]


def _expression(table: AnnData, layer: str | None) -> Expression:
    name = RAW if layer is None else layer
    where = RAW if layer is None else f"layers[{layer!r}]"
    if layer is None and table.X is None:
        raise MissingKeyError("is not there", key=where, available=list(table.layers), fix="s3.pp.normalize(adata)")
    values = table.X if layer is None else slot_of(
        table, "layers", layer, fix="s3.tl.s3rl(adata, n_domains) writes layers['s3rl']; None uses X"
    )  # fmt: skip
    values = values.compute() if hasattr(values, "compute") else values
    values = sp.csc_matrix(values) if sp.issparse(values) else np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise InputError("is not numeric", key=where, found=values.dtype, fix="store numbers, for example float32")
    stored: np.ndarray = np.asarray(values.data if sp.issparse(values) else values)
    low, high = (float(end.reduce(stored, axis=None, initial=0.0)) for end in (np.fmin, np.fmax))
    if low < 0:
        raise CountsError(
            "has negative values", key=where, found=f"minimum {low:.3g}", fix="s3.pp.normalize(adata) on counts"
        )
    sample = stored.ravel()[:100_000]
    if high > 1 and (high > 50 or not np.mod(sample[np.isfinite(sample)], 1).any()):
        raise CountsError(
            "looks like raw counts, not like log-normalised expression",
            key=where, found=f"maximum {high:.4g}", fix="s3.pp.normalize(adata)",
        )  # fmt: skip
    return Expression(name, layer, values, is_denoised(table, layer))


def genes_of(table: AnnData, genes: Any, expressions: Sequence[Expression], least: int = 1) -> np.ndarray:
    """Places (m,) in ``var_names`` of the genes; None is all that are finite in every layer.

    Raises
    ------
    ParameterError
        If fewer than ``least`` genes, or one twice, are named.
    MissingKeyError
        If a gene is not there.
    InputError
        If a gene has values that are not finite.
    """
    whole = np.logical_and.reduce([expression.finite() for expression in expressions])
    if genes is None:
        if not whole.all():
            note("%d of %d genes have values that are not finite and are left out", (~whole).sum(), whole.size)
        return np.flatnonzero(whole)
    names = [genes] if isinstance(genes, str) else [str(name) for name in genes] if hasattr(genes, "__iter__") else []
    if len(names) < least or len(set(names)) < len(names):
        raise ParameterError(
            f"must name {least} genes or more, each once", key="genes", found=f"{len(names)} names",
            fix="pass names of adata.var_names",
        )  # fmt: skip
    places = positions_of(table, names)
    if not whole[places].all():
        broken = [name for name, place in zip(names, places, strict=True) if not whole[place]]
        raise InputError(
            "has genes with values that are not finite", key="genes", found=", ".join(broken[:12]),
            fix="leave these genes out; a transferred model does not know them",
        )  # fmt: skip
    return places


def say_post_denoising(expressions: Sequence[Expression], calibrate: object) -> None:
    """One line for tests on denoised expression."""
    names = [repr(expression.layer) for expression in expressions if expression.denoised]
    if names:
        note(
            "tests on layers %s are post-denoising: smoothing makes spots dependent, so p-values are too small%s",
            ", ".join(names),
            "" if calibrate else "; calibrate=True adds those of permutations",
        )
