"""Pseudo-bulk of slices against bulk RNA sequencing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import note
from s3rl._params import whole_number
from s3rl._slots.bulk import log_scale, oriented, per_million, pseudobulk
from s3rl._slots.calibration import frame_of
from s3rl._slots.layers import PAIR, RAW, Expression, expressions_of
from s3rl._slots.table import slices_of, slot_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import CountsError, InputError
from s3rl.statistics.rank_correlation import unit, unit_ranks

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import Data

MEAN = "mean"
_WORDS = ("sample", "layer")


class BulkCorrelationResult(NamedTuple):
    """Result of :func:`s3rl.tl.bulk_correlation` with ``copy=True``.

    Attributes
    ----------
    results
        One row for each sample of the table, layer, and ``bulk`` sample, of which the first is their ``"mean"``:
        ``sample`` (``"all"`` without ``sample_key``), ``layer``, ``bulk``, ``n_genes``, ``pearson`` and ``spearman``.
    genes
        One row for each shared gene, sample and layer: ``gene``, ``pseudobulk``, and ``bulk``, the mean.
    """

    results: pd.DataFrame
    genes: pd.DataFrame


def bulk_correlation(
    data: Data,
    bulk: pd.DataFrame,
    *,
    sample_key: str | None = None,
    layers: str | Sequence[str | None] | None = PAIR,
    counts_layer: str | None = _keys.COUNTS,
    gene_key: str | None = None,
    bulk_scale: Literal["auto", "linear", "log"] = "auto",
    min_genes: int = 20,
    table_key: str | None = None,
    key_added: str = "bulk_correlation",
    copy: bool = False,
) -> BulkCorrelationResult | None:
    """Correlate the sum over the spots of each slice with bulk expression, over genes, raw beside denoised.

    All are compared on one scale, ``log1p`` of counts per million of the shared genes: raw counts are summed, and
    denoised values taken back from the logarithm before they are. A mean of logarithms would correlate with bulk on
    another curve, whatever the denoiser does.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    bulk
        Genes and samples, either way round; the axis that shares more names with the table holds the genes.
    sample_key
        Column of ``obs`` that names the slice or sample; None is one.
    layers
        Layers to compare; None is the sum of ``counts_layer``, others are log-normalised.
    counts_layer
        Layer with raw counts; None takes ``X`` back from the logarithm instead.
    gene_key
        Column of ``var`` with the names that bulk uses, such as Ensembl ids; None is ``var_names``.
    bulk_scale
        ``"linear"`` for counts, CPM, TPM or FPKM; ``"log"`` for values that stay as they are; ``"auto"`` takes values
        above 50 for linear.
    min_genes
        Fewer shared genes are refused.
    table_key
        Table of a SpatialData.
    key_added
        Name in ``uns`` of the result.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.BulkCorrelationResult` with ``copy=True``. Written otherwise:

    ``uns[key_added]``
        ``results`` and ``genes`` as above, and ``params``.

    Raises
    ------
    MissingKeyError
        If a column or a layer is not there.
    InputError
        If bulk shares too few genes, has them more than once, or has values that are not finite or negative.
    DataTypeError
        If bulk is no DataFrame.
    LabelsError
        If ``sample_key`` holds no names.
    CountsError
        If counts are negative, or another layer is not log-normalised.
    ParameterError
        If an argument is out of its range.

    Notes
    -----
    Genes are not independent, so there is no p-value. A correlation over genes is high whatever the tissue, since some
    genes are high everywhere: compare samples and layers, not one number with 0. Fu et al., Adv. Sci. 2025,
    section 2.4.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> bulk = pd.DataFrame({"patient": 1000.0 * adata.var["base"]}, index=adata.var_names)
    >>> s3.tl.bulk_correlation(adata, bulk.T, layers=(None,))
    >>> bool(adata.uns["bulk_correlation"]["results"]["pearson"][0] > 0.9)
    True
    """
    from s3rl import __version__

    table = table_of(data, table_key)
    min_genes = whole_number(min_genes, "min_genes", 3)
    codes, samples = slices_of(table, sample_key)
    names = _names(table, gene_key)
    found = oriented(bulk, names, min_genes)
    expressions = [_counts(table, counts_layer) if one.layer is None and counts_layer else one
                   for one in expressions_of(table, layers)]  # fmt: skip
    places = names.get_indexer(found.index)
    whole = np.logical_and.reduce([expression.finite()[places] for expression in expressions])
    if whole.sum() < min_genes:
        raise InputError("has too few genes with finite values", key="layers", found=f"{whole.sum()} genes",
                         fix="leave out the layer of a transferred model")  # fmt: skip
    found, places = found[whole], places[whole]
    note("%d genes are shared by bulk and the table", len(places))
    logged, scale = log_scale(found.to_numpy(), bulk_scale)
    targets = np.column_stack([logged.mean(axis=1), logged]) if logged.shape[1] > 1 else logged
    words = [MEAN, *found.columns] if logged.shape[1] > 1 else [MEAN]
    base = _base(table)
    values = []
    for one in expressions:
        is_counts = one.layer == counts_layer and one.name == RAW
        values.append(per_million(pseudobulk(one, places, codes, len(samples), base, logged=not is_counts)))
    result = _result(np.stack(values), targets, words, samples, [one.name for one in expressions], found.index)
    if copy:
        return result
    params: dict[str, Any] = {"bulk_scale": scale, "n_genes": len(places), "n_bulk": logged.shape[1]}
    params |= {"layers": [one.name for one in expressions], "version": __version__}
    given = {"sample_key": sample_key, "gene_key": gene_key, "counts_layer": counts_layer}
    params |= {key: value for key, value in given.items() if value is not None}
    write_slots(table, {("uns", key_added): {**result._asdict(), "params": params}})
    return None


def _names(table: AnnData, gene_key: str | None) -> pd.Index:
    import pandas as pd

    if gene_key is None:
        return pd.Index(table.var_names.astype(str))
    column = slot_of(table, "var", gene_key, fix="pass a column of adata.var, or None for var_names")
    names = pd.Index(column.astype(str))
    if not names.is_unique:
        raise InputError(
            "has names more than once", key=f"var[{gene_key!r}]", found=", ".join(names[names.duplicated()][:5]),
            fix="pass a column with a name of its own for every gene",
        )  # fmt: skip
    return names


def _base(table: AnnData) -> float | None:
    logged = table.uns.get("log1p", {})
    base = logged.get("base") if hasattr(logged, "get") else None
    return None if base is None else float(base)


def _counts(table: AnnData, layer: str) -> Expression:
    fix = "pass the layer with raw counts, or counts_layer=None to take X back from the logarithm"
    values = slot_of(table, "layers", layer, fix=fix)
    values = values.compute() if hasattr(values, "compute") else values
    values = sp.csc_matrix(values)
    if values.dtype.kind not in "fiub" or (values.nnz and not values.data.min() >= 0):
        raise CountsError(
            "holds no counts", key=f"layers[{layer!r}]", found="values that are negative, not finite or no numbers",
            fix=fix,
        )  # fmt: skip
    return Expression(RAW, layer, values, denoised=False)


def _result(
    values: np.ndarray, targets: np.ndarray, words: list[str], samples: list[str], layers: list[str], genes: pd.Index
) -> BulkCorrelationResult:
    """Correlations of values (layers, genes, samples) with targets (genes, bulk samples), and the genes behind them."""
    shape = len(layers), len(samples), len(words)
    found = {}
    for name, standardised in (("pearson", unit), ("spearman", unit_ranks)):
        right = standardised(targets)
        found[name] = np.clip([standardised(part).T @ right for part in values], -1, 1)
    layer, sample, word = (part.ravel() for part in np.indices(shape))
    results = {
        "sample": np.asarray(samples, dtype=object)[sample],
        "layer": np.asarray(layers, dtype=object)[layer],
        "bulk": np.asarray(words, dtype=object)[word],
        "n_genes": np.full(layer.size, len(genes), dtype=np.int64),
        **{name: part.ravel() for name, part in found.items()},
    }
    layer, sample, gene = (part.ravel() for part in np.indices((len(layers), len(samples), len(genes))))
    of_genes = {
        "gene": genes.to_numpy(dtype=object)[gene],
        "sample": np.asarray(samples, dtype=object)[sample],
        "layer": np.asarray(layers, dtype=object)[layer],
        "pseudobulk": values.transpose(0, 2, 1).ravel(),
        "bulk": targets[gene, 0],
    }
    return BulkCorrelationResult(frame_of(results, (*_WORDS, "bulk")), frame_of(of_genes, ("gene", *_WORDS)))
