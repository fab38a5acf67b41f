"""The most and the least similar rows of a feature matrix, exact, by products of tiles.

Peak memory beside the features is two blocks of ``TILE`` dense rows, (2000, d) float32 each, and two tiles of
similarities, (2000, 2000) float32 = 16 MB each, whatever n is; an n x n matrix never exists. One core of a laptop does
n = 50,000 at d = 50 in seconds, which is why there is no approximate index: on the farthest rows those are useless.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp

# Not a power of two: at such a stride the transposed copy of a tile misses the cache ten times as often.
TILE = 2000
# Similarities are whole multiples of 2**-20 before they are compared: rows that are equal stay equal whatever the order
# in which a processor adds, so that ties fall to the lowest index and not to the noise of the last bit.
_STEPS = 2.0**20

Features: TypeAlias = sp.csr_matrix | np.ndarray


class Extremes(NamedTuple):
    """The most and the least similar rows of each row, best first.

    Attributes
    ----------
    nearest
        int64 (n, k) row numbers, most similar first; ties go to the lower number.
    farthest
        int64 (n, f) row numbers, least similar first; ties go to the lower number.
    farthest_similarity
        float32 (n, f) cosines of ``farthest``.
    """

    nearest: np.ndarray
    farthest: np.ndarray
    farthest_similarity: np.ndarray


class Directions:
    """Rows of a feature matrix as unit vectors, made dense one block at a time.

    Parameters
    ----------
    features
        (n, d), finite; scipy CSR or dense.
    codes
        Slice of each row, integers (n,) from 0.
    centered
        Subtract the mean of its slice from each row first, so that the direction is that of the deviation from the
        average row. The differences are never stored, so that sparse features stay sparse.

    Attributes
    ----------
    has_one
        boolean (n,): False for rows of zeros, or equal to their mean, which point nowhere; they come out as zeros.
    """

    def __init__(self, features: Features, codes: np.ndarray, *, centered: bool = False) -> None:
        self._features = features
        self._codes = codes
        self._means = _means(features, codes) if centered else None
        self._inverse = np.ones(len(codes), dtype=np.float32)
        lengths, scales = np.empty(len(codes)), np.empty(len(codes))
        for first in range(0, len(codes), TILE):
            rows = np.arange(first, min(first + TILE, len(codes)))
            lengths[rows] = _lengths(self.take(rows))
            scales[rows] = lengths[rows]
            if self._means is not None:
                scales[rows] += _lengths(self._means)[codes[rows]]
        # what is left of a row that equals its mean is rounding
        self.has_one = lengths > 1e-6 * scales
        self._inverse = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=self.has_one).astype(np.float32)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors of some rows, float32 (m, d)."""
        block = self._features[rows]
        block = block.astype(np.float32) if isinstance(block, np.ndarray) else block.astype(np.float32).toarray()
        if self._means is not None:
            block -= self._means[self._codes[rows]]
        block *= self._inverse[rows, None]
        return block

    def cosines(self, rows: np.ndarray, columns: np.ndarray, *, chunk: int = 1024) -> np.ndarray:
        """Cosine of the pairs ``(rows[k], columns[k])``, float32 (m,)."""
        result = np.empty(len(rows), dtype=np.float32)
        for first in range(0, len(rows), chunk):
            part = slice(first, first + chunk)
            result[part] = np.einsum("ij,ij->i", self.take(rows[part]), self.take(columns[part]))
        return result


def _means(features: Features, codes: np.ndarray) -> np.ndarray:
    """Mean row of each slice, float32 (s, d)."""
    sizes = np.bincount(codes)
    member = sp.csr_matrix((1.0 / sizes[codes], (codes, np.arange(len(codes)))), shape=(len(sizes), len(codes)))
    means = member @ features
    return np.asarray(means.toarray() if sp.issparse(means) else means, dtype=np.float32)


def _lengths(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))


def extremes(
    directions: Directions, members: np.ndarray, n_nearest: int, n_farthest: int, *, tile: int = TILE
) -> Extremes:
    """Find the most and the least similar other rows of each row by cosine, exactly and in one pass.

    Each pair of blocks is multiplied once; the tile serves the rows of the one block and, transposed, those of the
    other.

    Parameters
    ----------
    directions
        Unit vectors of n rows.
    members
        The m rows to compare, ascending integers (m,); the result has a row for each of them, in this order.
    n_nearest, n_farthest
        How many to keep of each, both below m.
    tile
        Rows in a block.
    """
    near, far = _Best(len(members), n_nearest), _Best(len(members), n_farthest)
    for rows, columns, similarity, transposed in _tiles(directions, members, tile):
        for best in (near, far):
            if rows == columns:
                np.fill_diagonal(similarity, -np.inf)
            best.update(rows, columns, similarity)
            if rows != columns:
                best.update(columns, rows, transposed)
            # the least similar rows are the most similar ones of the opposite sign
            np.negative(similarity, out=similarity)
            np.negative(transposed, out=transposed)
    return Extremes(members[near.indices], members[far.indices], -far.values / np.float32(_STEPS))


def _tiles(
    directions: Directions, members: np.ndarray, tile: int
) -> Iterator[tuple[slice, slice, np.ndarray, np.ndarray]]:
    """Yield the tiles on and above the diagonal with their transposes; for every row, columns come in ascending order.

    The two arrays are overwritten by the next tile: fresh ones would cost more than the product that fills them.
    """
    m = len(members)
    blocks = [slice(first, min(first + tile, m)) for first in range(0, m, tile)]
    buffers = np.empty((2, min(tile, m) ** 2), dtype=np.float32)
    for position, rows in enumerate(blocks):
        left = directions.take(members[rows]) * np.float32(_STEPS)
        for columns in blocks[position:]:
            shape = rows.stop - rows.start, columns.stop - columns.start
            size = shape[0] * shape[1]
            similarity, transposed = buffers[0, :size].reshape(shape), buffers[1, :size].reshape(shape[::-1])
            np.matmul(left, directions.take(members[columns]).T, out=similarity)
            np.rint(similarity, out=similarity)
            np.copyto(transposed, similarity.T)
            yield rows, columns, similarity, transposed


class _Best:
    """Running list of the k largest values of each row."""

    def __init__(self, n: int, k: int) -> None:
        self.values = np.full((n, k), -np.inf, dtype=np.float32)
        self.indices = np.full((n, k), -1, dtype=np.int64)

    def update(self, rows: slice, columns: slice, tile: np.ndarray) -> None:
        """Merge a tile: the largest value of each row, then the next, as long as one of them counts."""
        local, targets = np.arange(len(tile)), np.arange(rows.start, rows.stop)
        taken = []
        for _ in range(self.values.shape[1]):
            where = tile.argmax(axis=1)
            found = tile[local, where]
            better = found > self.values[rows, -1]
            if not better.any():
                break
            self._insert(targets[better], where[better] + columns.start, found[better])
            tile[local, where] = -np.inf
            taken.append((where, found))
        for where, found in reversed(taken):
            tile[local, where] = found

    def _insert(self, rows: np.ndarray, indices: np.ndarray, values: np.ndarray) -> None:
        """Insert one value into the list of each row, behind equal ones: those have a lower index."""
        all_values = np.column_stack([self.values[rows], values])
        all_indices = np.column_stack([self.indices[rows], indices])
        order = np.argsort(-all_values, axis=1, kind="stable")[:, :-1]
        self.values[rows] = np.take_along_axis(all_values, order, axis=1)
        self.indices[rows] = np.take_along_axis(all_indices, order, axis=1)
