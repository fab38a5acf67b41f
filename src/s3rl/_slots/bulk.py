"""Bulk expression beside a table: which way round it is, its genes, and its scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from s3rl.errors import DataTypeError, InputError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from s3rl._slots.layers import Expression

MILLION = 1e6
_LARGEST_LOG = 50.0
_FIX = "pass a pandas DataFrame of genes and samples, named as adata.var_names or as the column gene_key of adata.var"


def oriented(bulk: Any, genes: pd.Index, min_genes: int) -> pd.DataFrame:
    """Float64 frame of genes (rows) and samples from either orientation, with the genes that are in ``genes``.

    Raises
    ------
    DataTypeError
        If it is no DataFrame or Series.
    InputError
        If fewer than ``min_genes`` genes are shared, names are doubled, or values are not finite numbers.
    """
    import pandas as pd

    if isinstance(bulk, pd.Series):
        bulk = bulk.to_frame(str(bulk.name) if bulk.name is not None else "bulk")
    if not isinstance(bulk, pd.DataFrame):
        raise DataTypeError("is no DataFrame", key="bulk", found=type(bulk).__name__, fix=_FIX)
    shared = [pd.Index(axis.astype(str)).isin(genes) for axis in (bulk.index, bulk.columns)]
    if max(mask.sum() for mask in shared) < min_genes:
        raise InputError(
            f"shares fewer than {min_genes} genes with the table", key="bulk",
            found=f"{shared[0].sum()} of {len(bulk.index)} rows and {shared[1].sum()} of {len(bulk.columns)} columns, "
            f"such as {', '.join(map(str, bulk.index[:3]))} and {', '.join(map(str, bulk.columns[:3]))}",
            available=genes, fix=_FIX,
        )  # fmt: skip
    turned = bulk if shared[0].sum() >= shared[1].sum() else bulk.T
    found = turned.loc[max(shared, key=np.sum)]
    names = pd.Index(found.index.astype(str))
    if not names.is_unique:
        raise InputError(
            "has genes more than once", key="bulk", found=", ".join(names[names.duplicated()].unique()[:5]),
            fix="bulk = bulk.groupby(level=0).sum()",
        )  # fmt: skip
    try:
        values = found.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("is not numeric", key="bulk", found=str(error), fix="keep numbers only") from error
    if not np.isfinite(values).all():
        raise InputError(
            "has values that are not finite", key="bulk", found=f"{(~np.isfinite(values)).sum()} values",
            fix="bulk = bulk.dropna()",
        )  # fmt: skip
    return pd.DataFrame(values, index=names, columns=turned.columns.astype(str))


def log_scale(values: np.ndarray, scale: Literal["auto", "linear", "log"]) -> tuple[np.ndarray, str]:
    """Bulk (genes, samples) as log1p of counts per million of these genes, and what it was taken for.

    Raises
    ------
    ParameterError
        If ``scale`` is no scale.
    InputError
        If a linear scale has negative values, or a sample has none above 0.
    """
    if scale not in ("auto", "linear", "log"):
        raise ParameterError(
            "is no scale", key="bulk_scale", found=repr(scale), available=("auto", "linear", "log"),
            fix="bulk_scale='linear' for counts, CPM, TPM or FPKM",
        )  # fmt: skip
    if scale == "auto":
        scale = "linear" if values.max() > _LARGEST_LOG else "log"
    if scale == "log":
        return values, scale
    if values.min() < 0:
        raise InputError("has negative values", key="bulk", found=f"minimum {values.min():.3g}", fix="bulk_scale='log'")
    return per_million(values), scale


def per_million(values: np.ndarray) -> np.ndarray:
    """``log1p`` of each column (genes, samples) scaled to a sum of a million.

    Raises
    ------
    InputError
        If a column has no expression.
    """
    total = values.sum(axis=0)
    if (total <= 0).any():
        raise InputError(
            "has a sample without expression of the shared genes", key="bulk or sample_key",
            found=f"{(total <= 0).sum()} of {total.size} samples", fix="leave these samples out",
        )  # fmt: skip
    return np.asarray(np.log1p(values / total * MILLION))


def pseudobulk(
    expression: Expression, genes: np.ndarray, codes: np.ndarray, n_samples: int, base: float | None, *, logged: bool
) -> np.ndarray:
    """Sum over the spots of each sample, float64 (genes, samples); logarithms are taken back before."""
    import scipy.sparse as sp

    member = sp.csr_matrix(
        (np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(n_samples, len(codes)), dtype=np.float64
    )
    found = np.empty((len(genes), n_samples))
    for start in range(0, len(genes), 512):
        part = slice(start, start + 512)
        values = expression.columns(genes[part])
        if logged:
            values = np.expm1(values * (1.0 if base is None else np.log(base)))
        found[part] = (member @ values).T
    return found
