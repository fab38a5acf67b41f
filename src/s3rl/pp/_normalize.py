"""Normalised expression and variable genes from raw counts, with the counts kept."""

from __future__ import annotations

import numbers
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import note, wrote
from s3rl._slots.counts import CountsSummary, check_counts_layer, counts_of, row_blocks
from s3rl._slots.slice_genes import FEWEST_FOR_TREND, PANEL, SPANS
from s3rl._slots.table import slices_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import CountsError, LabelsError, ParameterError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import Data


class Normalized(NamedTuple):
    """Result of :func:`s3rl.pp.normalize` with ``copy=True``.

    Attributes
    ----------
    X
        float32 (n, g): log1p of the counts scaled to ``target_sum``; of the kind of the input (CSR, CSC, dense, dask).
    counts
        The counts, (n, g), the object that ``X`` is.
    var
        DataFrame (g rows): ``highly_variable`` and, where genes were ranked, ``highly_variable_rank``, ``means``,
        ``variances``, ``variances_norm`` and ``highly_variable_nbatches``.
    """

    X: Any
    counts: Any
    var: pd.DataFrame


def normalize(
    data: Data,
    *,
    n_top_genes: int = 3000,
    target_sum: float | None = None,
    counts_layer: str = _keys.COUNTS,
    library_key: str | None = None,
    table_key: str | None = None,
    copy: bool = False,
) -> Normalized | None:
    """Scale counts to a common total, take the logarithm, and mark the highly variable genes.

    All genes stay: ``var["highly_variable"]`` says which of them the model and the signed graph use. Input that is
    not raw counts is refused, never guessed at. A dask array stays one; its chunks are read once to check it.

    Parameters
    ----------
    data
        AnnData or SpatialData with raw counts in ``X``.
    n_top_genes
        Highly variable genes. Panels of fewer than 1,000 genes keep all of them, as does a table with no more genes
        than this.
    target_sum
        Total of each spot after scaling; None is the median over the spots, as in scanpy. A table that a saved model
        is to be applied to (:func:`s3rl.tl.transfer`) takes the total of the table that it was trained on, which
        ``uns["log1p"]["target_sum"]`` keeps.
    counts_layer
        Layer that keeps the counts. If it is there already, it must equal ``X``.
    library_key
        Column of ``obs`` that names the slice: genes are ranked in each slice and the ranks are joined.
    table_key
        Table of a SpatialData.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``Normalized`` tuple with ``copy=True``. Written otherwise:

    ``X``
        float32 (n, g), ``log1p(counts / total * target_sum)``.
    ``layers[counts_layer]``
        The counts as they were.
    ``var["highly_variable"]``
        bool (g,). Where genes were ranked also ``highly_variable_rank``, ``means``, ``variances``, ``variances_norm``,
        with slices ``highly_variable_nbatches``, and ``uns["hvg"]``, as :func:`scanpy.pp.highly_variable_genes` does.
    ``uns["log1p"]``
        ``{"base": None}``, as :func:`scanpy.pp.log1p` does, and the ``target_sum`` that was used.

    Raises
    ------
    CountsError
        If ``X`` is normalised already, has values that are negative or not whole, has a spot without any count, or
        varies too little for genes to be ranked.
    InputError
        If values are not numbers or not finite, or names are duplicated.
    LabelsError
        If ``library_key`` is no grouping, or a slice varies too little for genes to be ranked in it.
    MissingKeyError
        If there is no ``X`` or no such table or column.
    ParameterError
        If an argument is outside of its range.
    DataTypeError
        If ``data`` is no table, a view, or backed by a file.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 4.1: 3,000 highly variable genes, total counts of 10,000, logarithm. Genes are
    ranked on the counts by ``flavor="seurat_v3"``; genes that do not vary are never marked there. If the trend of the
    variance over the mean cannot be fitted at scanpy's span of 0.3, wider spans are tried and the log says so. scanpy
    1.11 cannot rank genes of a dask array: with it, that step alone reads the counts into memory, as CSR.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> int(adata.var["highly_variable"].sum()), float(adata.layers["counts"].max()) > float(adata.X.max())
    (100, True)
    """
    table = table_of(data, table_key)
    _check_arguments(n_top_genes, target_sum, counts_layer)
    _refuse_normalised(table, counts_layer)
    codes, names = slices_of(table, library_key)
    counts, summary = counts_of(table, codes)
    check_counts_layer(table, counts, counts_layer)
    var = _variable_genes(table, counts, summary, n_top_genes, library_key, codes, names)
    total = float(np.median(summary.totals)) if target_sum is None else float(target_sum)
    result = Normalized(_scaled(table, counts, total), counts, var)
    if copy:
        return result
    _write(table, result, counts_layer, total)
    return None


def _check_arguments(n_top_genes: int, target_sum: float | None, counts_layer: str) -> None:
    if not isinstance(n_top_genes, numbers.Integral) or isinstance(n_top_genes, bool) or n_top_genes < 1:
        raise ParameterError(
            "must be a whole number of at least 1", key="n_top_genes", found=repr(n_top_genes), fix="n_top_genes=3000"
        )
    positive = isinstance(target_sum, numbers.Real) and np.isfinite(target_sum) and target_sum > 0
    if target_sum is not None and not positive:
        raise ParameterError(
            "must be a positive number, or None", key="target_sum", found=repr(target_sum), fix="target_sum=1e4"
        )
    if not isinstance(counts_layer, str) or not counts_layer:
        raise ParameterError(
            "must be the name of a layer", key="counts_layer", found=repr(counts_layer), fix="counts_layer='counts'"
        )


def _refuse_normalised(table: AnnData, counts_layer: str) -> None:
    if "log1p" not in table.uns:
        return
    kept = counts_layer in table.layers
    again = f"adata.X = adata.layers[{counts_layer!r}].copy()" if kept else "set adata.X to the raw counts"
    raise CountsError(
        "is normalised already: its logarithm has been taken",
        key="X",
        found=f"uns['log1p']{f' and the counts in layers[{counts_layer!r}]' if kept else ''}",
        available=[f"layers[{name!r}]" for name in table.layers if name is not None] or None,
        fix=f"nothing if you want it so; to do it again, {again}; del adata.uns['log1p']; s3.pp.normalize(adata)",
    )


def _variable_genes(
    table: AnnData,
    counts: Any,
    summary: CountsSummary,
    n_top_genes: int,
    library_key: str | None,
    codes: np.ndarray,
    names: list[str],
) -> pd.DataFrame:
    """Return the columns for ``var``."""
    import pandas as pd

    panel = table.n_vars < PANEL
    if panel or n_top_genes >= table.n_vars:
        if panel and n_top_genes < table.n_vars:
            note("%d genes are a panel: all are kept, n_top_genes=%d is not used", table.n_vars, n_top_genes)
        return pd.DataFrame({"highly_variable": np.ones(table.n_vars, bool)}, index=table.var_names)
    few = np.flatnonzero(summary.n_variable < FEWEST_FOR_TREND)
    if few.size and library_key is not None:
        raise LabelsError(
            "has slices in which too few genes vary to be ranked",
            key=f"obs[{library_key!r}]",
            found=", ".join(f"{names[i]} ({summary.sizes[i]} spots, {summary.n_variable[i]} genes)" for i in few[:5]),
            fix=f"adata = adata[~adata.obs[{library_key!r}].isin({[names[i] for i in few[:5]]})].copy()",
        )
    if few.size:
        raise _no_trend(table, f"{summary.n_variable[0]} of {table.n_vars} genes vary over {table.n_obs} spots")
    ranked = _ranked(table, counts, n_top_genes, codes if library_key is not None else None)
    ranked["highly_variable"] &= summary.varies
    return ranked


def _ranked(table: AnnData, counts: Any, n_top_genes: int, codes: np.ndarray | None) -> pd.DataFrame:
    """Rank the genes as scanpy does, at the narrowest span at which the trend can be fitted."""
    import pandas as pd
    import scanpy as sc
    from anndata import AnnData

    if hasattr(counts, "dask") and version("scanpy").startswith("1.11."):
        counts = sp.vstack([sp.csr_matrix(block) for _, block in row_blocks(counts)], format="csr")
    counts = _as_scanpy_takes(counts)
    bare = AnnData(counts, obs=pd.DataFrame(index=table.obs_names), var=pd.DataFrame(index=table.var_names))
    if codes is not None:
        bare.obs["slice"] = pd.Categorical(codes)
    reason = ""
    for span in SPANS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                ranked = sc.pp.highly_variable_genes(
                    bare,
                    flavor="seurat_v3",
                    n_top_genes=int(n_top_genes),
                    span=span,
                    batch_key=None if codes is None else "slice",
                    check_values=False,
                    inplace=False,
                )
            except ValueError as error:
                reason = error.args[0] if error.args else ""
                reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
                continue
        if span != SPANS[0]:
            note("the variance of the genes was fitted at a span of %s, since %s failed", span, SPANS[0])
        return ranked.drop(columns="gene_name", errors="ignore")
    raise _no_trend(table, reason)


def _no_trend(table: AnnData, found: str) -> CountsError:
    return CountsError(
        "varies too little for the trend of variance over mean to be fitted, so genes cannot be ranked",
        key="X",
        found=found,
        fix=f"s3.pp.normalize(adata, n_top_genes={table.n_vars}) keeps all genes without ranking them",
    )


def _scaled(table: AnnData, counts: Any, target_sum: float) -> Any:
    """Return log1p of the scaled counts, float32, in a matrix of its own."""
    import pandas as pd
    import scanpy as sc
    from anndata import AnnData

    bare = AnnData(_as_scanpy_takes(counts).astype(np.float32), obs=pd.DataFrame(index=table.obs_names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.normalize_total(bare, target_sum=target_sum)
        sc.pp.log1p(bare)
    return bare.X


def _as_scanpy_takes(counts: Any) -> Any:
    """Return the same values as a matrix class, and a dask array in chunks of whole rows."""
    if hasattr(counts, "dask"):
        return counts.rechunk({1: -1}) if counts.numblocks[1] > 1 else counts
    if isinstance(counts, sp.sparray):
        return sp.csc_matrix(counts) if counts.format == "csc" else sp.csr_matrix(counts)
    return counts


def _write(table: AnnData, result: Normalized, counts_layer: str, total: float) -> None:
    slots: dict[tuple[str, str], Any] = {("layers", counts_layer): result.counts}
    slots |= {("var", str(name)): column for name, column in result.var.items()}
    slots["uns", "log1p"] = {"base": None, "target_sum": total}
    if "highly_variable_rank" in result.var:
        slots["uns", "hvg"] = {"flavor": "seurat_v3"}
    before = table.X
    table.X = result.X
    try:
        write_slots(table, slots)
    except Exception:
        table.X = before
        raise
    variable = int(result.var["highly_variable"].sum())
    wrote("X", f"log-normalised expression at {total:g} counts a spot, {variable} highly variable genes")
