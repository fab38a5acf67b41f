"""Groups of tiles of any number, as batches of one number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from s3rl.errors import ParameterError

__all__ = ["in_batches"]

Group = tuple[np.ndarray, np.ndarray]


def in_batches(stream: Iterable[Group], batch_size: int) -> Iterator[Group]:
    """Regroup a stream of tiles without changing their order.

    Parameters
    ----------
    stream
        Pairs of positions int64 (k,) and tiles (k, C, P, P), k different each time and 0 too.
    batch_size
        Tiles of each batch; the last one holds what is left.

    Returns
    -------
    Iterator of pairs of positions int64 (batch_size,) and tiles (batch_size, C, P, P). A group of the stream is held
    until it is used up, so a batch may be a view of it.

    Raises
    ------
    ParameterError
        If ``batch_size`` is no positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.tiles.batches import in_batches
    >>> groups = [(np.arange(3), np.zeros((3, 1, 2, 2))), (np.arange(3, 5), np.ones((2, 1, 2, 2)))]
    >>> [positions.tolist() for positions, tiles in in_batches(groups, 2)]
    [[0, 1], [2, 3], [4]]
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ParameterError(
            "must be a positive number of tiles", key="batch_size", found=repr(batch_size), fix="batch_size=256"
        )
    return _batches(stream, int(batch_size))


def _batches(stream: Iterable[Group], batch_size: int) -> Iterator[Group]:
    waiting: list[Group] = []
    n_waiting = 0
    for positions, tiles in stream:
        first = min(batch_size - n_waiting, len(positions))
        waiting.append((positions[:first], tiles[:first]))
        n_waiting += first
        if n_waiting < batch_size:
            continue
        yield _joined(waiting)
        while first + batch_size <= len(positions):
            yield positions[first : first + batch_size], tiles[first : first + batch_size]
            first += batch_size
        waiting, n_waiting = [(positions[first:], tiles[first:])], len(positions) - first
    if n_waiting:
        yield _joined(waiting)


def _joined(groups: list[Group]) -> Group:
    groups = [group for group in groups if len(group[0])]
    if len(groups) == 1:
        return groups[0]
    return np.concatenate([positions for positions, _ in groups]), np.concatenate([tiles for _, tiles in groups])
