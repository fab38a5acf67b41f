"""From spots and reference to the arrays that the methods of deconvolution take."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._log import note
from s3rl._slots.neighbors import spatial_graph_of
from s3rl._slots.post_denoising import is_denoised, readout_of
from s3rl._slots.table import slot_of
from s3rl.errors import InputError
from s3rl.tl._deconvolve_input import (
    CellTypes,
    Shares,
    cell_types_of,
    checked_reference,
    shared_genes,
    shares_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import pandas as pd
    from anndata import AnnData

    from s3rl.deconvolution.params import DeconvolveParams


class Task(NamedTuple):
    """Spots and cells on one scale.

    Attributes
    ----------
    spots
        float32 (n, g): shares of the genes in each spot, rows sum to one.
    cells
        csr float32 (c, g): shares of the genes in each cell, times the factors of the genes.
    means
        float64 (k, g): mean of the cells of each type.
    types
        Type of each cell.
    genes
        Names (g,).
    graph
        Spatial graph of the spots.
    sizes
        float64 (k,): mean total count of each type around one, or ones.
    unit
        ``"cells"`` or ``"rna"``.
    """

    spots: np.ndarray
    cells: sp.csr_matrix
    means: np.ndarray
    types: CellTypes
    genes: list[str]
    graph: sp.csr_matrix
    sizes: np.ndarray
    unit: str


def task_of(
    table: AnnData,
    reference: AnnData,
    cell_type_key: str,
    layer: str | None,
    connectivity_key: str,
    params: DeconvolveParams,
) -> Task:
    """Check both objects, then match genes and bring spots and cells onto one scale."""
    from s3rl.deconvolution.gene_effects import gene_effects
    from s3rl.deconvolution.reference import signatures, telling_genes

    reference = checked_reference(reference)
    types = cell_types_of(reference, cell_type_key, params.min_cells)
    genes = shared_genes(table, reference)
    graph = spatial_graph_of(table, connectivity_key)
    spots, smooth = _spots_of(table, genes, layer, params.denoise)
    cells = shares_of(reference, genes, owner="reference.")
    means = signatures(cells.values, types.codes, len(types.names))
    seen = (np.asarray(spots.sum(axis=0)).ravel() > 0) & (means.sum(axis=0) > 0)
    _check_genes(seen, len(types.names), len(genes))
    among = means[:, seen] / means[:, seen].sum(axis=1, keepdims=True)
    keep = np.flatnonzero(seen)[telling_genes(among, params.n_genes)]
    chosen_spots = spots[:, keep].toarray() if smooth is None else np.maximum(smooth(spots[:, keep]), 0.0)
    dense = _of_sum_one(table, chosen_spots)
    means, chosen = means[:, keep], sp.csr_matrix(cells.values[:, keep])
    if params.gene_effects:
        effects = gene_effects(dense.mean(axis=0, dtype=np.float64), means)
        means = means * effects
        chosen = sp.csr_matrix(chosen @ sp.diags(effects), dtype=np.float32)
    sizes, unit = _sizes(cells, types, params.unit)
    return Task(dense, chosen, means, types, genes[keep].astype(str).tolist(), graph, sizes, unit)


def _spots_of(
    table: AnnData, genes: pd.Index, layer: str | None, denoise: str
) -> tuple[sp.csr_matrix, Callable[[Any], np.ndarray] | None]:
    """Shares of the genes in the spots (n, g), and what denoises them where the layer is denoised."""
    if denoise == "logarithms" or not is_denoised(table, layer):
        return shares_of(table, genes, layer=layer).values, None
    slot_of(table, "layers", str(layer), fix="s3.tl.s3rl(adata, n_domains), or pass layer=None to use X")
    smooth = readout_of(table, layer).smooth
    record = table.uns.get(layer, {})
    source = record["input"].get("layer") if "input" in record else None
    note("proportions follow the denoised expression: they show regions, and less of single spots than X does")
    return shares_of(table, genes, layer=source).values, smooth


def _check_genes(seen: np.ndarray, n_types: int, n_shared: int) -> None:
    if seen.sum() < n_types:
        raise InputError(
            "leave fewer genes with expression on both sides than there are types",
            key="reference",
            found=f"{seen.sum()} of {n_shared} shared genes for {n_types} types",
            fix="pass a reference with more of the genes, or join types",
        )


def _of_sum_one(table: AnnData, values: np.ndarray) -> np.ndarray:
    total = values.sum(axis=1)
    empty = total <= 0
    if empty.any():
        raise InputError(
            "has spots that show none of the shared genes",
            key="data",
            found=f"{empty.sum()} of {table.n_obs}, first {table.obs_names[empty][0]}",
            fix="adata = adata[numpy.asarray(adata[:, shared].X.sum(axis=1)).ravel() > 0].copy(), with shared = "
            "adata.var_names.intersection(reference.var_names)",
        )
    return (values / total[:, None]).astype(np.float32)


def _sizes(cells: Shares, types: CellTypes, unit: str) -> tuple[np.ndarray, str]:
    """Mean total count of each type, around one, and the unit that the proportions can have."""
    if unit == "cells" and cells.scale != "counts":
        note("the reference holds no raw counts, so proportions are shares of RNA, not of cells")
        unit = "rna"
    if unit == "rna":
        return np.ones(len(types.names)), unit
    sizes = np.bincount(types.codes, weights=cells.totals) / types.sizes
    return sizes / sizes.mean(), unit
