"""What deconvolution reads: spots and reference cells as shares of the genes that both have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._log import note
from s3rl._slots.counts import row_blocks
from s3rl._slots.table import labels_of, slot_of
from s3rl.errors import CountsError, DataTypeError, InputError, LabelsError, MissingKeyError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_FEW_GENES = 50
_LEAST_GENES = 5
_LARGEST_LOGARITHM = 50


class Shares(NamedTuple):
    """Expression without its logarithm.

    Attributes
    ----------
    values
        csr float32 (n, g): share of each chosen gene in the total of all genes.
    totals
        float64 (n,): total of all genes; counts where ``scale`` is ``"counts"``.
    scale
        ``"counts"`` or ``"log-normalised"``, as found.
    """

    values: sp.csr_matrix
    totals: np.ndarray
    scale: str


class CellTypes(NamedTuple):
    """Type of each reference cell: codes (c,), names (k,) and how many cells each has (k,)."""

    codes: np.ndarray
    names: list[str]
    sizes: np.ndarray


def checked_reference(reference: Any) -> AnnData:
    """Return the reference itself if it is an AnnData in memory with cells, genes and names that are unique."""
    from anndata import AnnData

    if not isinstance(reference, AnnData):
        is_spatial = hasattr(reference, "tables")
        raise DataTypeError(
            "is not an AnnData of single cells",
            key="reference",
            found=type(reference).__name__,
            fix="pass sdata.tables['...']" if is_spatial else "pass the object that anndata.read_h5ad returns",
        )
    if reference.isbacked:
        raise DataTypeError(
            "is backed by a file", key="reference", found="a backed AnnData", fix="pass reference.to_memory()"
        )
    if 0 in reference.shape:
        raise InputError(
            "is empty",
            key="reference",
            found=f"{reference.n_obs} cells and {reference.n_vars} genes",
            fix="pass a reference with cells of every type",
        )
    if not reference.var_names.is_unique:
        twice = reference.var_names[reference.var_names.duplicated()].unique()
        raise InputError(
            "has duplicated names of genes",
            key="reference.var_names",
            found=", ".join(map(str, twice[:5])),
            fix="reference.var_names_make_unique()",
        )
    return reference


def cell_types_of(reference: AnnData, key: str, min_cells: int) -> CellTypes:
    """Return the type of each cell; at least two types, each with ``min_cells`` cells."""
    name = f"reference.obs[{key!r}]"
    if key not in reference.obs:
        raise MissingKeyError(
            "is not there",
            key=name,
            available=reference.obs.columns,
            fix="pass cell_type_key=, the column of reference.obs that names the type of each cell",
        )
    try:
        codes, names = labels_of(
            reference, key, fix=f"reference = reference[reference.obs[{key!r}].notna()].copy(), or pass another column"
        )
    except LabelsError as error:
        raise LabelsError(
            error.problem, key=name, found=error.found, available=error.available, fix=error.fix
        ) from error
    sizes = np.bincount(codes, minlength=len(names))
    if len(names) < 2:
        raise LabelsError(
            "names a single type", key=name, found=names[0], fix="pass a reference with at least two cell types"
        )
    few = np.flatnonzero(sizes < min_cells)
    if few.size:
        rare = [names[i] for i in few]
        raise LabelsError(
            f"has types of fewer than {min_cells} cells",
            key=name,
            found=", ".join(f"{names[i]} ({sizes[i]})" for i in few[:5]),
            fix=f"reference = reference[~reference.obs[{key!r}].isin({rare[:5]})].copy(), join them with another type, "
            "or pass params={'min_cells': 1}",
        )
    return CellTypes(codes, names, sizes)


def shared_genes(table: AnnData, reference: AnnData) -> pd.Index:
    """Genes in the order of the table that the reference has too."""
    shared = table.var_names[table.var_names.isin(reference.var_names)]
    if len(shared) < _LEAST_GENES:
        raise InputError(
            "has no gene of the spots" if not len(shared) else "has hardly any gene of the spots",
            key="reference.var_names",
            found=f"{len(shared)} shared of {reference.n_vars} and {table.n_vars}; for example "
            f"{', '.join(map(str, reference.var_names[:3]))} and {', '.join(map(str, table.var_names[:3]))}",
            fix=_repaired_names(table, reference),
        )
    if len(shared) < _FEW_GENES:
        note("reference and spots share only %d genes: alike cell types may not be told apart", len(shared))
    return shared


def _repaired_names(table: AnnData, reference: AnnData) -> str:
    """Say what makes the names of the genes agree, where something does."""
    enough = max(_LEAST_GENES, 0.1 * min(table.n_vars, reference.n_vars))
    for which, one, other in (("reference", reference, table), ("adata", table, reference)):
        for column in one.var.columns:
            if one.var[column].astype(str).isin(other.var_names).sum() >= enough:
                return f"{which}.var_names = {which}.var[{column!r}].astype(str); {which}.var_names_make_unique()"
    if table.var_names.str.upper().isin(reference.var_names.str.upper()).sum() >= enough:
        return (
            "they agree but for upper and lower case: if both are of one species, "
            "reference.var_names = reference.var_names.str.upper(), and the same for the spots; mouse and human need "
            "a table of orthologues"
        )
    for which, names in (("reference", reference.var_names), ("adata", table.var_names)):
        if names.str.match(r"ENS[A-Z]*G\d+").mean() > 0.5:
            return f"{which}.var_names are Ensembl identifiers: set them to gene symbols, or use identifiers in both"
    return "name the genes of both by the same identifiers of the same species"


def shares_of(table: AnnData, genes: pd.Index, *, layer: str | None = None, owner: str = "") -> Shares:
    """Shares of ``genes`` in the rows of ``X`` or of a layer, which holds counts or their log-normalised values.

    Parameters
    ----------
    table
        Spots or cells.
    genes
        Names to take.
    layer
        Name in ``layers``, or None for ``X``.
    owner
        ``"reference."`` in front of the slot's name in errors.
    """
    name = f"{owner}X" if layer is None else f"{owner}layers[{layer!r}]"
    values = table.X if layer is None else slot_of(table, "layers", layer, fix="pass layer=None to use X")
    if values is None:
        raise MissingKeyError("is not there", key=name, available=list(table.layers), fix=f"set {owner or 'adata.'}X")
    if np.dtype(values.dtype).kind not in "fiub":
        raise InputError("is not numeric", key=name, found=values.dtype, fix="store numbers, for example float32")
    scale = _scale_of(values, name)
    base = float(np.log((table.uns.get("log1p") or {}).get("base") or np.e))
    columns = table.var_names.get_indexer(genes)
    parts, totals = [], []
    for _, block in row_blocks(values):
        rows = sp.csr_matrix(block, dtype=np.float32)
        if scale != "counts":
            rows = sp.csr_matrix((np.expm1(rows.data * np.float32(base)), rows.indices, rows.indptr), rows.shape)
        totals.append(np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel())
        parts.append(rows[:, columns])
    total = np.concatenate(totals)
    if (total <= 0).any():
        raise CountsError(
            "has rows without any expression",
            key=name,
            found=f"{(total <= 0).sum()} of {table.n_obs}, first {table.obs_names[total <= 0][0]}",
            fix=f"scanpy.pp.filter_cells({'reference' if owner else 'adata'}, min_counts=1)",
        )
    chosen = sp.csr_matrix(sp.vstack(parts), dtype=np.float32)
    chosen.data = chosen.data / np.repeat(total, np.diff(chosen.indptr)).astype(np.float32)
    return Shares(chosen, total, scale)


def _scale_of(values: Any, name: str) -> str:
    """Whether these are counts or logarithms, from all values."""
    whole, low, high = True, 0.0, 0.0
    for _, block in row_blocks(values):
        data = block.data if sp.issparse(block) else np.asarray(block)
        if not data.size:
            continue
        if not np.isfinite(data).all():
            raise InputError(
                "has values that are not finite",
                key=name,
                found=f"{(~np.isfinite(data)).sum()} values",
                fix="remove or repair these rows; if a transformation made them, start again from the counts",
            )
        low, high = min(low, float(data.min())), max(high, float(data.max()))
        whole = whole and not np.mod(data, 1).any()
    if low < 0:
        raise CountsError(
            "has negative values: neither counts nor log-normalised",
            key=name,
            found=f"minimum {low:.3g}",
            fix="pass raw counts, or normalise them with s3.pp.normalize and do not scale",
        )
    if whole:
        return "counts"
    if high > _LARGEST_LOGARITHM:
        raise CountsError(
            "has values that are neither whole nor logarithms",
            key=name,
            found=f"maximum {high:.4g}",
            fix="pass raw counts, or take the logarithm: scanpy.pp.log1p",
        )
    return "log-normalised"
