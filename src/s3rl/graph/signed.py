"""From similarities to a signed graph: mutual neighbours attract, the least similar spots repel.

Source: Fu et al., Adv. Sci. 2025, section 4.3: the semantic graph is the union of the spatial edges and of the positive
edges of every feature space, the negative graph the union of their negative edges. Mutual nearest neighbours, the cap
on hubs and the rule that an attracting pair never repels are this package's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl.graph.edges import from_pairs
from s3rl.graph.similar import Directions, extremes


class Report(NamedTuple):
    """What the pairs of one feature space look like.

    Attributes
    ----------
    positives, negatives
        Number of undirected pairs.
    without_mutual
        Share of spots that no other spot chose back.
    max_far_degree, far_degree_99
        Largest number, and 99 % quantile of the number, of spots that have one and the same spot among their least
        similar, before the cap.
    capped
        Directed farthest pairs that the cap dropped.
    without_features
        Spots that have no direction, because their features are zero or those of the average spot; they get no pair.
    """

    positives: int
    negatives: int
    without_mutual: float
    max_far_degree: int
    far_degree_99: float
    capped: int
    without_features: int


class SimilarPairs(NamedTuple):
    """Pairs of one feature space, float32 (n, n) csr_matrix each: symmetric, ones, zero diagonal."""

    positive: sp.csr_matrix
    negative: sp.csr_matrix
    report: Report


class SignedGraph(NamedTuple):
    """Union of all kinds of edges.

    Attributes
    ----------
    attraction, repulsion
        csr_matrix float32 (n, n): symmetric, ones, zero diagonal, no pair in both.
    kinds
        csr_matrix of unsigned integers (n, n): bit k of an entry says that the pair is an edge of ``names[k]``.
    names
        ``["spatial", "<space>+", "<space>-", ...]``.
    conflicts
        Pairs that were found to repel but attract as well; they attract.
    """

    attraction: sp.csr_matrix
    repulsion: sp.csr_matrix
    kinds: sp.csr_matrix
    names: list[str]
    conflicts: int


def similar_pairs(
    directions: Directions, codes: np.ndarray, *, n_nearest: int, n_farthest: int, max_far_degree: int | None
) -> SimilarPairs:
    """Find the mutual nearest and the farthest pairs by cosine, within each slice.

    Parameters
    ----------
    directions
        Unit vectors of n spots; those that have none get no pair.
    codes
        Slice of each spot, integers (n,); no pair joins two slices.
    n_nearest
        A pair is positive if each is among the ``n_nearest`` most similar spots of the other.
    n_farthest
        A pair is negative if one is among the ``n_farthest`` least similar spots of the other.
    max_far_degree
        At most so many spots keep one and the same spot as their farthest: those least similar to it, ties to the
        lower number. None keeps all.

    Notes
    -----
    Every slice must hold more than ``n_nearest`` and ``n_farthest`` spots that have a direction.
    """
    n = len(codes)
    near, far, cosine = [], [], []
    for code in np.unique(codes):
        members = np.flatnonzero((codes == code) & directions.has_one)
        found = extremes(directions, members, n_nearest, n_farthest)
        near.append((np.repeat(members, n_nearest), found.nearest.ravel()))
        far.append((np.repeat(members, n_farthest), found.farthest.ravel()))
        cosine.append(found.farthest_similarity.ravel())
    positive = _mutual(n, *(np.concatenate(part) for part in zip(*near, strict=True)))
    sources, targets = (np.concatenate(part) for part in zip(*far, strict=True))
    degrees = np.bincount(targets, minlength=n)
    kept = _least_similar(sources, targets, np.concatenate(cosine), max_far_degree)
    negative = from_pairs(sources[kept], targets[kept], n)
    report = Report(
        positives=positive.nnz // 2,
        negatives=negative.nnz // 2,
        without_mutual=float((np.diff(positive.indptr) == 0).mean()),
        max_far_degree=int(degrees.max()),
        far_degree_99=float(np.percentile(degrees, 99)),
        capped=int(len(kept) - kept.sum()),
        without_features=int(n - directions.has_one.sum()),
    )
    return SimilarPairs(positive, negative, report)


def _mutual(n: int, sources: np.ndarray, targets: np.ndarray) -> sp.csr_matrix:
    """Keep the pairs that are there in both directions."""
    chosen = sp.csr_matrix((np.ones(len(sources), np.float32), (sources, targets)), shape=(n, n))
    both = sp.csr_matrix(chosen.multiply(chosen.T))
    both.sort_indices()
    return both


def _least_similar(sources: np.ndarray, targets: np.ndarray, cosine: np.ndarray, cap: int | None) -> np.ndarray:
    """Mark, for each target, the ``cap`` incoming pairs of lowest cosine."""
    kept = np.ones(len(sources), dtype=bool)
    if cap is not None:
        order = np.lexsort((sources, cosine, targets))
        first = np.searchsorted(targets[order], targets[order], side="left")
        kept[order] = np.arange(len(order)) - first < cap
    return kept


def combine(spatial: sp.csr_matrix, spaces: Mapping[str, SimilarPairs]) -> SignedGraph:
    """Join spatial edges and the pairs of all feature spaces to one signed graph.

    A pair that is a spatial neighbour, or positive in one space, and negative in another attracts: adjacency in the
    tissue is observed, dissimilarity is inferred.

    Parameters
    ----------
    spatial
        float32 (n, n), undirected, ones.
    spaces
        Name of each feature space to its pairs; at most 31.
    """
    parts = {"spatial": spatial}
    for name, pairs in spaces.items():
        parts |= {f"{name}+": pairs.positive, f"{name}-": pairs.negative}
    names = list(parts)
    kinds = sp.csr_matrix(spatial.shape, dtype=np.int64)
    for bit, graph in enumerate(parts.values()):
        kinds = kinds + graph.astype(np.int64) * (1 << bit)
    kinds = sp.csr_matrix(kinds)
    kinds.sort_indices()
    repelling = sum(1 << bit for bit in range(2, len(names), 2))
    attracts = (kinds.data & ~repelling) > 0
    conflicts = attracts & ((kinds.data & repelling) > 0)
    kinds.data = kinds.data.astype(np.min_scalar_type((1 << len(names)) - 1))
    return SignedGraph(_where(kinds, attracts), _where(kinds, ~attracts), kinds, names, int(conflicts.sum()) // 2)


def _where(graph: sp.csr_matrix, kept: np.ndarray) -> sp.csr_matrix:
    """Return the edges of ``graph`` that are marked, with weight 1."""
    marked = sp.csr_matrix((kept.astype(np.float32), graph.indices.copy(), graph.indptr.copy()), shape=graph.shape)
    marked.eliminate_zeros()
    return marked
