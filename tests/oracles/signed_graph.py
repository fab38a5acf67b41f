"""The signed graph as plain loops over all pairs: section 4.3 of Fu et al. with the rules of this package."""

from __future__ import annotations

import math


def cosine(a, b):
    """Cosine of two vectors, 0 where one is zero."""
    norm = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norm if norm else 0.0


def centered(features, slices):
    """Each row less the mean of the rows of its slice."""
    rows = []
    for i, row in enumerate(features):
        peers = [features[j] for j in range(len(features)) if slices[j] == slices[i]]
        rows.append([x - sum(peer[k] for peer in peers) / len(peers) for k, x in enumerate(row)])
    return rows


def ranked(features, slices, i):
    """Other rows of the slice of row i, most similar first; equal ones by number."""
    others = [j for j in range(len(features)) if j != i and slices[j] == slices[i]]
    return sorted(others, key=lambda j: (-round(cosine(features[i], features[j]), 9), j))


def positive_pairs(features, slices, k):
    """Pairs of which each is among the k most similar of the other."""
    nearest = [set(ranked(features, slices, i)[:k]) for i in range(len(features))]
    return {(i, j) for i in range(len(features)) for j in range(i) if j in nearest[i] and i in nearest[j]}


def negative_pairs(features, slices, f, cap):
    """Pairs of which one is among the f least similar of the other, each the farthest of at most ``cap`` others."""
    incoming = {}
    for i in range(len(features)):
        order = sorted(ranked(features, slices, i), key=lambda j: (round(cosine(features[i], features[j]), 9), j))
        for j in order[:f]:
            incoming.setdefault(j, []).append(i)
    pairs = set()
    for j, sources in incoming.items():
        sources.sort(key=lambda i: (round(cosine(features[i], features[j]), 9), i))
        pairs |= {(max(i, j), min(i, j)) for i in (sources if cap is None else sources[:cap])}
    return pairs


def signed_pairs(spatial, spaces, slices, k, f, cap):
    """Attracting and repelling pairs of a spatial graph and several feature spaces."""
    attraction = {(max(i, j), min(i, j)) for i, j in spatial if i != j}
    repulsion = set()
    for features in spaces:
        attraction |= positive_pairs(features, slices, k)
        repulsion |= negative_pairs(features, slices, f, cap)
    return attraction, repulsion - attraction


def pairs_of(graph):
    """Pairs (i, j), j < i, of a sparse matrix."""
    entries = graph.tocoo()
    return {(int(i), int(j)) for i, j in zip(entries.row, entries.col, strict=True) if j < i}
