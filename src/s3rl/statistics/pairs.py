"""Correlation of every pair of a few variables, and permutation tests of it, raw or denoised."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from s3rl.statistics.multiple import permutation_pvalue
from s3rl.statistics.permutations import permutation
from s3rl.statistics.rank_correlation import unit, unit_ranks
from s3rl.statistics.readout import Readout


def correlations(values: np.ndarray, *, ranks: bool) -> np.ndarray:
    """Pearson or Spearman correlation (m, m) of the columns of values (n, m); nan for one without variation."""
    columns = unit_ranks(values) if ranks else unit(values)
    return np.asarray(np.clip(columns.T @ columns, -1, 1))


def modules_of(weights: np.ndarray) -> np.ndarray:
    """Number of the module of each variable, 0 the largest, -1 for one alone; int64 (m,).

    Modules are the communities of greedy modularity (Clauset, Newman and Moore, Phys. Rev. E 2004) of a graph with
    these weights (m, m), symmetric and 0 for no edge; of modules of one size that with the first variable is first.
    """
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(range(len(weights)))
    first, second = (part.tolist() for part in np.nonzero(np.triu(weights, 1)))
    graph.add_weighted_edges_from(zip(first, second, weights[first, second].tolist(), strict=True))
    found = nx.community.greedy_modularity_communities(graph, weight="weight") if first else []
    module = np.full(len(weights), -1, dtype=np.int64)
    large = sorted((sorted(part) for part in found if len(part) > 1), key=lambda part: (-len(part), part[0]))
    for number, part in enumerate(large):
        module[part] = number
    return module


def pair_pvalues(
    values: sp.csc_matrix,
    rows: np.ndarray,
    strata: np.ndarray,
    denoiser: Readout | None,
    *,
    seed: int,
    count: int,
) -> np.ndarray:
    """Two-sided p-values (m, m) of the correlation of H x_a and H x_b against those with one of both permuted.

    The larger one of permuting either is returned: it is enough that one gene has nothing to do with the tissue.

    Parameters
    ----------
    values
        csc_matrix (n, m): expression, or its ranks, before denoising.
    rows
        Spots over which the correlation is taken; they fill whole strata.
    strata
        Int codes (n,) of the spots that are exchanged among each other.
    denoiser
        H, over all spots; None is one.
    seed, count
        Permutations.

    Returns
    -------
    Symmetric; one on the diagonal, nan for a gene without variation.
    """
    n = values.shape[0]
    if denoiser is None:
        fixed = unit(values[rows].toarray())
        within = np.full(n, -1)
        within[rows] = np.arange(len(rows))

        def moved(order: np.ndarray) -> np.ndarray:
            return fixed[within[order[rows]]]

    else:
        # a correlation over rows needs only the triangle of their part of the basis: r numbers for a gene
        triangle = np.linalg.qr(denoiser.basis[rows] - denoiser.basis[rows].mean(axis=0), mode="r")
        across = sp.csr_matrix(values.T)

        def moved(order: np.ndarray) -> np.ndarray:
            scores = denoiser.gain[:, None] * (across @ denoiser.basis[order]).T
            return _unit_length(triangle @ scores)

        fixed = moved(np.arange(n))
    observed = np.abs(fixed.T @ fixed)
    hits = np.zeros(observed.shape, dtype=np.int64)
    for number in range(count):
        hits += np.abs(fixed.T @ moved(permutation(seed, number, n, strata))) >= observed - 1e-9
    pvalues = permutation_pvalue(np.maximum(hits, hits.T), count)
    np.fill_diagonal(pvalues, 1.0)
    return np.where(np.isnan(observed), np.nan, pvalues)


def _unit_length(columns: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(columns, axis=0)
    return np.asarray(columns / np.where(length > 1e-12, length, np.nan))
