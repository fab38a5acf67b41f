"""Read raw counts from a table and refuse what is none, block by block, so that a lazy matrix stays lazy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import note
from s3rl._slots.table import expression_of, slot_of
from s3rl.errors import CountsError, DataTypeError, InputError, MissingKeyError

if TYPE_CHECKING:
    from anndata import AnnData

_ROWS = 8192


class CountsSummary(NamedTuple):
    """Sums over the counts.

    Attributes
    ----------
    faults
        float64 (n, 4): total of each spot, and how many of its values are not finite, negative and not whole.
    sums, squares
        float64 (s, g): sums of the counts and of their squares in each slice; exact, as counts are whole.
    sizes
        int64 (s,): spots of each slice.
    """

    faults: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    sizes: np.ndarray

    @property
    def totals(self) -> np.ndarray:
        """Counts of each spot, (n,)."""
        return self.faults[:, 0]

    @property
    def n_variable(self) -> np.ndarray:
        """Number of genes that are not constant, in each slice."""
        return np.count_nonzero(self.sizes[:, None] * self.squares > self.sums**2, axis=1)

    @property
    def varies(self) -> np.ndarray:
        """Whether a gene is not constant over all spots, boolean (g,)."""
        return self.sizes.sum() * self.squares.sum(axis=0) > self.sums.sum(axis=0) ** 2


def counts_of(table: AnnData, codes: np.ndarray) -> tuple[Any, CountsSummary]:
    """Return ``X`` itself, checked to hold raw counts, and its sums.

    Parameters
    ----------
    table
        Table whose ``X`` is dense, sparse or a dask array of either.
    codes
        Slice of each spot, integers (n,) from 0.

    Raises
    ------
    DataTypeError
        If the table is backed by a file.
    MissingKeyError
        If there is no ``X``.
    InputError
        If the values are not numbers, or not finite.
    CountsError
        If values are negative or not whole, or a spot is empty.
    """
    values = _x_of(table)
    summary = _summarise(values, codes)
    _refuse(table, summary)
    return values, summary


def counts_of_layer(table: AnnData, layer: str, *, fix: str) -> sp.csr_matrix:
    """Raw counts float64 (n, g) of a layer.

    Raises
    ------
    MissingKeyError
        If there is no such layer.
    CountsError
        If it holds anything but counts.
    """
    values = sp.csr_matrix(expression_of(table, layer), dtype=np.float64)
    if not values.nnz or values.data.min() < 0 or np.mod(values.data, 1).any():
        raise CountsError(
            "holds no raw counts",
            key=f"layers[{layer!r}]",
            found=f"minimum {values.data.min(initial=0):g}, maximum {values.data.max(initial=0):g}",
            fix=fix,
        )
    return values


def depths_of(table: AnnData, counts_layer: str | None, *, needed: bool) -> np.ndarray | None:
    """Total counts (n,) for calibrated p-values, or None where they are not known.

    Expression of spots that have been scaled to one total still depends on how many counts they had, once it is
    logarithmic, and so do clusters that were found in it.

    Raises
    ------
    MissingKeyError
        If the layer is not there, unless it has the usual name and is not ``needed``.
    InputError
        If the layer has values that are not finite.
    CountsError
        If it has negative ones.
    """
    if counts_layer is None:
        return None
    if counts_layer == _keys.COUNTS and counts_layer not in table.layers and not needed:
        note("no counts in layers[%r]: calibrated p-values do not allow for differences in depth", counts_layer)
        return None
    fix = "params={'counts_layer': ...}, the layer in which s3.pp.normalize keeps the counts"
    slot_of(table, "layers", counts_layer, fix=fix)
    values = expression_of(table, counts_layer)
    if values.nnz and values.data.min() < 0:
        raise CountsError(
            "has negative values", key=f"layers[{counts_layer!r}]", found=f"minimum {values.data.min():g}", fix=fix
        )
    return np.asarray(values.sum(axis=1, dtype=np.float64)).ravel()


def _x_of(table: AnnData) -> Any:
    if table.isbacked:
        raise DataTypeError(
            "is backed by a file that would be changed", key="data", found="a backed AnnData", fix="adata.to_memory()"
        )
    layers = [name for name in table.layers if name is not None]
    if table.X is None:
        raise MissingKeyError(
            "is not there",
            key="X",
            available=[f"layers[{name!r}]" for name in layers],
            fix=f"adata.X = adata.layers[{layers[0]!r}].copy()" if layers else "set adata.X to the raw counts",
        )
    if np.dtype(table.X.dtype).kind not in "fiub":
        raise InputError("is not numeric", key="X", found=table.X.dtype, fix="adata.X = adata.X.astype('float32')")
    return table.X


def row_blocks(values: Any) -> Iterator[tuple[slice, Any]]:
    """Yield the rows of a matrix in blocks; those of a dask array are its chunks, computed one at a time."""
    if hasattr(values, "dask"):
        whole = values.rechunk({1: -1}) if values.numblocks[1] > 1 else values
        bounds = np.concatenate([[0], np.cumsum(whole.chunks[0])])
        for number, block in enumerate(whole.to_delayed().ravel()):
            yield slice(int(bounds[number]), int(bounds[number + 1])), block.compute()
        return
    values = sp.csr_matrix(values) if sp.issparse(values) else values
    for first in range(0, values.shape[0], _ROWS):
        rows = slice(first, min(first + _ROWS, values.shape[0]))
        yield rows, values[rows]


def _summarise(values: Any, codes: np.ndarray) -> CountsSummary:
    n, g = values.shape
    slices = int(codes.max()) + 1
    faults, sums, squares = np.zeros((n, 4)), np.zeros((slices, g)), np.zeros((slices, g))
    for rows, block in row_blocks(values):
        counts = sp.csr_matrix(block, dtype=np.float64)
        member = sp.csr_matrix(
            (np.ones(counts.shape[0]), (codes[rows], np.arange(counts.shape[0]))), shape=(slices, counts.shape[0])
        )
        data = counts.data
        finite = np.isfinite(data)
        whole = np.where(finite, data, 0)
        for column, flags in enumerate((whole, ~finite, whole < 0, whole != np.rint(whole))):
            marked = sp.csr_matrix((flags.astype(np.float64), counts.indices, counts.indptr), shape=counts.shape)
            faults[rows, column] = np.asarray(marked.sum(axis=1)).ravel()
        counts.data = whole
        sums += (member @ counts).toarray()
        squares += (member @ counts.power(2)).toarray()
    return CountsSummary(faults, sums, squares, np.bincount(codes, minlength=slices))


def _refuse(table: AnnData, summary: CountsSummary) -> None:
    others = [name for name in table.layers if name is not None]
    start_again = (
        f"set adata.X to the raw counts; if they are in a layer, adata.X = adata.layers[{others[0]!r}].copy()"
        if others
        else "set adata.X to the raw counts, as the reader of the platform's output returns them"
    )
    problems = (
        (1, InputError, "has values that are not finite", "remove these spots or genes, or set the values to counts"),
        (2, CountsError, "has negative values, so it holds no counts", start_again),
        (3, CountsError, "has values that are not whole numbers, so it holds no raw counts", start_again),
    )
    for column, kind, problem, fix in problems:
        bad = np.flatnonzero(summary.faults[:, column])
        if bad.size:
            number = int(summary.faults[:, column].sum())
            raise kind(
                problem,
                key="X",
                found=f"{number} values in {bad.size} of {table.n_obs} spots, first {table.obs_names[bad[0]]}",
                available=[f"layers[{name!r}]" for name in others] or None,
                fix=fix,
            )
    empty = np.flatnonzero(summary.faults[:, 0] == 0)
    if empty.size:
        everything = empty.size == table.n_obs
        raise CountsError(
            "holds only zeros" if everything else "has spots without any count",
            key="X",
            found=f"{empty.size} of {table.n_obs} spots, first {table.obs_names[empty[0]]}",
            available=[f"layers[{name!r}]" for name in others] or None,
            fix=start_again if everything else "scanpy.pp.filter_cells(adata, min_counts=1)",
        )


def check_counts_layer(table: AnnData, counts: Any, counts_layer: str) -> None:
    """Refuse a layer of that name whose values are not those of ``counts``."""
    if counts_layer not in table.layers:
        return
    layer = table.layers[counts_layer]
    if layer is counts:
        return
    pairs = zip(row_blocks(counts), row_blocks(layer), strict=False)
    if getattr(layer, "chunks", None) != getattr(counts, "chunks", None) or any(
        (sp.csr_matrix(mine) != sp.csr_matrix(theirs)).nnz for (_, mine), (_, theirs) in pairs
    ):
        raise CountsError(
            "is there and differs from X, so one of them is not the counts",
            key=f"layers[{counts_layer!r}]",
            found=f"{type(layer).__name__} {layer.dtype}",
            fix=f"adata.X = adata.layers[{counts_layer!r}].copy() if the layer holds the counts, or pass counts_layer=",
        )
