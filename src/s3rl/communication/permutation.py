"""Is a pair expressed higher in two clusters than in as many spots drawn at random? CellPhoneDB's and squidpy's test.

The statistic is the sum of two group means, so every group mean is a row of weights times the expression, and permuted
groups are permuted rows; other arrangements come with rows of their own. Permutations are multiplied many at once, in
batches of bounded memory. The number of hits does not depend on the batches: each permutation is named by its number,
and values that agree to ten digits are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl.statistics.readout import Readout

_MEMORY = 2**26
# a product with a sparse matrix takes this many times longer for each entry than one with a dense matrix
_SPARSE_COST = 20
_EQUAL = 1e-10


class Part(NamedTuple):
    """Some genes, and how their group means are taken.

    Attributes
    ----------
    values
        Float (n, g), dense or sparse.
    weights
        Float64 (c, n): rows that give the means of the groups.
    """

    values: np.ndarray | sp.spmatrix
    weights: np.ndarray


class Trials(NamedTuple):
    """Which pairs of genes are tested between which clusters.

    Attributes
    ----------
    ligand, receptor
        Int64 (p,): columns of the two genes.
    source, target
        Int64 (k,): clusters of the two genes.
    chosen
        Bool (k, p).
    """

    ligand: np.ndarray
    receptor: np.ndarray
    source: np.ndarray
    target: np.ndarray
    chosen: np.ndarray


def group_weights(codes: np.ndarray, n_groups: int, denoiser: Readout | None = None) -> np.ndarray:
    """Float64 (c, n): rows that give the mean over a group, after ``denoiser`` if there is one.

    Parameters
    ----------
    codes
        Int (n,): group of each spot, -1 for none.
    """
    weights = np.zeros((n_groups, codes.size))
    inside = np.flatnonzero(codes >= 0)
    weights[codes[inside], inside] = 1.0 / np.bincount(codes[inside], minlength=n_groups)[codes[inside]]
    return weights if denoiser is None else denoiser.smooth(weights.T).T


def group_means(
    values: np.ndarray | sp.spmatrix, weights: np.ndarray, *, memory: int = _MEMORY, above_zero: bool = False
) -> np.ndarray:
    """Float64 (c, g): ``weights @ values``, or the same of whether values are above zero.

    Parameters
    ----------
    values
        Float (n, g), dense or sparse.
    weights
        Float64 (c, n).
    """
    found = []
    for block in _batches(values.shape[1], max(memory // (8 * weights.shape[1]), 1)):
        part = values[:, block.start : block.stop]
        part = (part > 0 if above_zero else part).astype(np.float64)
        found.append(np.asarray((part.T @ weights.T).T))
    return np.concatenate(found, axis=1)


def expressed(means: np.ndarray, shares: np.ndarray, threshold: float) -> np.ndarray:
    """Bool (c, g): where a mean is above zero and at least a share ``threshold`` of the spots are."""
    return (means > 0) & (shares >= threshold)


def observed(means: np.ndarray, tests: Trials) -> np.ndarray:
    """Float64 (k, p): ``(mean of the ligand in the source + mean of the receptor in the target) / 2``."""
    return (means[tests.source][:, tests.ligand] + means[tests.target][:, tests.receptor]) / 2


def count_hits(
    parts: Sequence[Part],
    tests: Trials,
    order_of: Callable[[int], np.ndarray],
    n_perms: int,
    *,
    memory: int = _MEMORY,
) -> np.ndarray:
    """Permutations in which a pair reaches what was observed, int64 (k, p); 0 where it is not tested.

    Parameters
    ----------
    order_of
        Permutation of ``range(n)``, of the columns of the weights, by its number.
    parts, tests, n_perms, memory
        As in :func:`count_hits_of`.
    """

    def exchanged(numbers: range) -> list[Callable[[int], np.ndarray]]:
        orders = np.stack([order_of(number) for number in numbers], axis=1)
        return [partial(_permuted, part.weights, orders) for part in parts]

    return _count(parts, tests, exchanged, n_perms, memory, parts[0].weights.shape[1])


def _permuted(weights: np.ndarray, orders: np.ndarray, group: int) -> np.ndarray:
    """Weights (n, b) of a group, out of (c, n), in the orders (n, b)."""
    return np.asarray(weights[group][orders])


def count_hits_of(
    parts: Sequence[Part],
    tests: Trials,
    weights_of: Callable[[int], Sequence[np.ndarray]],
    n_perms: int,
    *,
    memory: int = _MEMORY,
) -> np.ndarray:
    """Arrangements in which a pair reaches what was observed, int64 (k, p); 0 where it is not tested.

    Parameters
    ----------
    parts
        The genes; the columns of ``tests`` count through the parts.
    tests
        What is tested.
    weights_of
        Weights (c, n) of each part in an arrangement, by its number, where they are more than permuted columns.
    n_perms
        Number of arrangements.
    memory
        Bytes that one of the larger arrays may take.
    """
    shape = parts[0].weights.shape

    def arranged(numbers: range) -> list[Callable[[int], np.ndarray]]:
        found = [np.empty((*shape, len(numbers))) for _ in parts]
        for place, number in enumerate(numbers):
            for own, weights in zip(found, weights_of(number), strict=True):
                own[..., place] = weights
        return [own.__getitem__ for own in found]

    return _count(parts, tests, arranged, n_perms, memory, len(parts) * shape[0] * shape[1])


def _count(
    parts: Sequence[Part],
    tests: Trials,
    arrange: Callable[[range], Sequence[Callable[[int], np.ndarray]]],
    n_perms: int,
    memory: int,
    width: int,
) -> np.ndarray:
    """Hits of arrangements, of which ``arrange`` makes the weights (n, b) of each part and then each group.

    ``width`` is how many numbers it keeps for one of them.
    """
    n_groups = len(parts[0].weights)
    seen = np.concatenate([group_means(*part, memory=memory) for part in parts], axis=1)
    # equal up to rounding is reached: a gene with one value everywhere would else be a finding
    limit = 2 * observed(seen, tests)
    limit -= _EQUAL * np.abs(limit)
    hits = np.zeros(tests.chosen.shape, dtype=np.int64)
    rows = [np.flatnonzero(chosen) for chosen in tests.chosen]
    widest = max(width, seen.shape[1] * n_groups, tests.ligand.size)
    products = [_Product(part.values, memory) for part in parts]
    for numbers in _batches(n_perms, max(memory // (8 * widest), 1)):
        weights = arrange(numbers)
        # (g, b) of each group
        means = [
            np.concatenate([product(own(group)) for product, own in zip(products, weights, strict=True)])
            for group in range(n_groups)
        ]
        for place, (source, target) in enumerate(zip(tests.source, tests.target, strict=True)):
            own = rows[place]
            reached = means[source][tests.ligand[own]] + means[target][tests.receptor[own]] >= limit[place, own, None]
            hits[place, own] += reached.sum(axis=1)
    return hits


def _batches(n: int, size: int) -> Iterator[range]:
    for start in range(0, n, size):
        yield range(start, min(start + size, n))


class _Product:
    """``values.T @ right`` for many ``right`` (n, m), genes a block at a time where they would not fit densely."""

    def __init__(self, values: Any, memory: int) -> None:
        n, n_genes = values.shape
        if sp.issparse(values) and values.nnz * _SPARSE_COST < n * n_genes:
            self._blocks = [sp.csr_matrix(values.T, dtype=np.float64)]
            return
        across = values.T.tocsr() if sp.issparse(values) else values.T
        self._blocks = [across[block.start : block.stop] for block in _batches(n_genes, max(memory // (8 * n), 1))]
        if len(self._blocks) == 1:
            self._blocks = [_dense(self._blocks[0])]

    def __call__(self, right: np.ndarray) -> np.ndarray:
        if len(self._blocks) == 1:
            return np.asarray(self._blocks[0] @ right)
        return np.concatenate([_dense(block) @ right for block in self._blocks])


def _dense(block: Any) -> np.ndarray:
    return np.ascontiguousarray(block.toarray() if sp.issparse(block) else block, dtype=np.float64)
