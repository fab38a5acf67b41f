"""Which genes several slices are joined by: shared ones, ranked in each slice."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from s3rl.errors import CountsError, InputError

if TYPE_CHECKING:
    import pandas as pd

PANEL = 1000
SPANS = (0.3, 0.6, 1.0)
# loess on fewer points than this fails, and on fewer than four it ends the process
FEWEST_FOR_TREND = 20


def joined_genes(names: Mapping[str, pd.Index], genes: str) -> pd.Index:
    """Genes of all slices (``"shared"``) or of any (``"all"``), in the order of the first slice.

    Raises
    ------
    InputError
        If there is a gene that no other slice has and none that all have.
    """
    first, *others = names.values()
    shared = first[np.logical_and.reduce([first.isin(other) for other in others])]
    if not len(shared):
        raise InputError(
            "have no gene in common",
            key="slices",
            found="; ".join(f"{name}: {', '.join(map(str, index[:2]))}" for name, index in names.items()),
            fix="name the genes of every slice the same way: symbols or Ensembl ids, one species, the same case, "
            "for example adata.var_names = adata.var['gene_ids']",
        )
    if genes == "shared":
        return shared
    union = first
    for other in others:
        union = union.append(other[~other.isin(union)])
    return union


def normalised_variances(counts: sp.csr_matrix, n_varying: int, span: float) -> np.ndarray | None:
    """Variance of each gene over what its mean lets expect, float64 (g,); None where the trend cannot be fitted.

    Parameters
    ----------
    counts
        Raw counts (n, g) of one slice.
    n_varying
        How many of its genes are not constant.
    span
        Share of the genes that each local fit looks at.
    """
    import pandas as pd
    import scanpy as sc
    from anndata import AnnData

    if n_varying < FEWEST_FOR_TREND:
        raise CountsError(
            "varies too little for genes to be ranked",
            key="X",
            found=f"{n_varying} of {counts.shape[1]} genes vary over {counts.shape[0]} spots",
            fix=f"leave this slice out, or pass n_top_genes={counts.shape[1]}, which keeps all genes",
        )
    index = np.arange(counts.shape[0]).astype(str)
    bare = AnnData(counts, obs=pd.DataFrame({"slice": pd.Categorical(["0"] * len(index))}, index=index))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # with a batch of one, the sums are those that scanpy has of a slice among others
            ranked = sc.pp.highly_variable_genes(
                bare, flavor="seurat_v3", n_top_genes=1, span=span, batch_key="slice", check_values=False, inplace=False
            )
        except ValueError:
            return None
    return ranked.loc[bare.var_names, "variances_norm"].to_numpy(np.float64)


def merged_ranks(variances: Sequence[np.ndarray], n_top_genes: int, genes: pd.Index) -> pd.DataFrame:
    """Join the ranks of the slices as :func:`scanpy.pp.highly_variable_genes` does with ``batch_key``.

    Parameters
    ----------
    variances
        Normalised variances (g,) of each slice.

    Returns
    -------
    DataFrame (g rows) with ``highly_variable``, ``highly_variable_nbatches``, ``highly_variable_rank`` (median over
    the slices in which a gene is among the first) and ``variances_norm`` (mean).
    """
    import pandas as pd

    stacked = np.stack(variances)
    ranks = np.argsort(np.argsort(-stacked, axis=1), axis=1).astype(np.float32)
    among = ranks < n_top_genes
    median = np.ma.median(np.ma.masked_array(ranks, ~among), axis=0).filled(np.nan)
    frame = pd.DataFrame(
        {
            "highly_variable": False,
            "highly_variable_nbatches": among.sum(axis=0),
            "highly_variable_rank": median,
            "variances_norm": stacked.mean(axis=0),
        },
        index=genes,
    )
    by = ["highly_variable_rank", "highly_variable_nbatches"]
    best = frame[by].sort_values(by, ascending=[True, False], na_position="last").index
    frame.loc[best[:n_top_genes], "highly_variable"] = True
    return frame


def columns_of(values: Any, names: pd.Index, wanted: pd.Index) -> sp.csr_matrix:
    """Columns of a matrix (n, g) under the names wanted, CSR; zeros where it has none of that name."""
    at = names.get_indexer(wanted)
    found = values[:, at[at >= 0]]
    found = found.compute() if hasattr(found, "compute") else found
    found = sp.csr_matrix(found)
    if (at >= 0).all():
        return found
    place = sp.csr_matrix(
        (np.ones(found.shape[1], found.dtype), (np.arange(found.shape[1]), np.flatnonzero(at >= 0))),
        shape=(found.shape[1], len(wanted)),
    )
    return sp.csr_matrix(found @ place)
