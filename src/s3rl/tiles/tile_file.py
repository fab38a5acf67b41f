"""Tiles on disk, for those who want them in an order that the image cannot be read in.

Plain reads and no memory map: the pages of a map count as resident memory of the process, and grow with what was read.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from s3rl.errors import ParameterError, S3RLError, StoreError
from s3rl.tiles.batches import Group

__all__ = ["TileFile"]


class TileFile:
    """n tiles of one shape in a file, one after the other; made by ``TileFile.write``.

    A context manager: it closes the file, and deletes it if ``write`` chose its path. It can be pickled and forked, so
    that worker processes read the same file; only the object that ``write`` returned deletes it.

    Parameters
    ----------
    path
        The file: the bytes of the tiles and nothing else.
    n
        Number of tiles.
    tile_shape
        (C, P, P) of each tile.
    dtype
        Of the pixels.

    Raises
    ------
    StoreError
        If the file is not there or not as long as such tiles are.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.tiles.tile_file import TileFile
    >>> stream = [(np.array([2, 0]), np.full((2, 1, 4, 4), 7)), (np.array([1]), np.zeros((1, 1, 4, 4), dtype=int))]
    >>> with TileFile.write(None, stream, 3, (1, 4, 4), int) as tiles:
    ...     tiles.take(np.array([1, 2]))[:, 0, 0, 0].tolist()
    [0, 7]
    """

    def __init__(
        self, path: str | os.PathLike[str], n: int, tile_shape: Sequence[int], dtype: np.typing.DTypeLike
    ) -> None:
        self.path = Path(path)
        self.tile_shape = tuple(int(side) for side in tile_shape)
        self.dtype = np.dtype(dtype)
        self._n = int(n)
        self._bytes = prod(self.tile_shape) * self.dtype.itemsize
        self._remove: weakref.finalize | None = None
        self._lock = threading.Lock()
        try:
            # Unbuffered: reads at a place of their own leave nothing that threads or forked processes share.
            self._file: BinaryIO = open(self.path, "rb", buffering=0)  # noqa: SIM115
            found = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise self._unreadable(f"{type(error).__name__}: {error}") from error
        if found != self._n * self._bytes:
            self._file.close()
            raise self._unreadable(f"{found} bytes instead of {self._n * self._bytes}")

    @classmethod
    def write(
        cls,
        path: str | os.PathLike[str] | None,
        stream: Iterable[Group],
        n: int,
        tile_shape: Sequence[int],
        dtype: np.typing.DTypeLike,
    ) -> TileFile:
        """Write the tiles of a stream, each at its position.

        Parameters
        ----------
        path
            File to write, replaced if it is there; its folder must be. None: a file of its own in the folder of
            temporary files (``TMPDIR``), which goes when the returned object is closed.
        stream
            Pairs of positions int64 (k,) and tiles (k, C, P, P), all positions below ``n`` once, in any order.
        n
            Number of tiles.
        tile_shape
            (C, P, P) of each tile.
        dtype
            Of the pixels.

        Returns
        -------
        The open file.

        Raises
        ------
        ParameterError
            If the stream misses a position, has one twice or beyond ``n``, or tiles of another shape or dtype.
        StoreError
            If the file cannot be written, for example on a full disk. It is deleted then, and after any other error.
        """
        shape, kind = tuple(int(side) for side in tile_shape), np.dtype(dtype)
        target = None if path is None else Path(path)
        try:
            if target is None:
                handle, name = tempfile.mkstemp(prefix="s3rl-tiles-", suffix=".raw")
                os.close(handle)
                target = Path(name)
            opened = open(target, "wb")  # noqa: SIM115
            with _deleted_on_error(target), opened as file:
                _fill(file, stream, int(n), shape, kind)
        except S3RLError:
            raise
        except OSError as error:
            raise StoreError(
                "cannot be written",
                key="temporary file" if target is None else str(target),
                found=f"{type(error).__name__}: {error}",
                fix=f"free {n * prod(shape) * kind.itemsize / 1e9:.1f} GB there, or "
                + ("set TMPDIR to a folder on another disk" if path is None else "pass a path on another disk"),
            ) from error
        tiles = cls(target, n, shape, kind)
        if path is None:
            tiles._remove = weakref.finalize(tiles, _delete, target, os.getpid())
        return tiles

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Read tiles in any order, also one several times.

        Parameters
        ----------
        positions
            int (b,) from 0 to below ``len(self)``.

        Returns
        -------
        (b, C, P, P) of ``dtype``, writable.

        Raises
        ------
        ParameterError
            If a position is no integer or not in the file.
        StoreError
            If the file is closed or cannot be read.
        """
        positions = _checked(positions, self._n)
        out = np.empty((len(positions), *self.tile_shape), dtype=self.dtype)
        rows = out.reshape(len(positions), -1).view(np.uint8) if out.size else out
        try:
            for row, position in enumerate(positions.tolist() if out.size else []):
                rows[row] = np.frombuffer(self._read(position * self._bytes), dtype=np.uint8)
        except (OSError, ValueError) as error:
            raise self._unreadable(f"{type(error).__name__}: {error}") from error
        return out

    def close(self) -> None:
        """Close the file, and delete it if ``write`` chose its path; once closed, nothing can be read."""
        self._file.close()
        if self._remove is not None:
            self._remove()

    def __len__(self) -> int:
        return self._n

    def __enter__(self) -> TileFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[TileFile], tuple[object, ...]]:
        return TileFile, (self.path, self._n, self.tile_shape, self.dtype)

    def __repr__(self) -> str:
        state = "closed, " if self._file.closed else ""
        return f"TileFile({str(self.path)!r}, {state}{self._n} tiles {self.tile_shape} {self.dtype})"

    def _read(self, offset: int) -> bytes:
        if hasattr(os, "pread"):
            raw = os.pread(self._file.fileno(), self._bytes, offset)
        else:
            with self._lock:
                self._file.seek(offset)
                raw = self._file.read(self._bytes)
        if len(raw) != self._bytes:
            raise OSError(f"{len(raw)} of {self._bytes} bytes at {offset}")
        return raw

    def _unreadable(self, found: str) -> StoreError:
        return StoreError(
            "is no file of these tiles, or closed", key=str(self.path), found=found, fix="TileFile.write(...)"
        )


@contextmanager
def _deleted_on_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _delete(path, os.getpid())
        raise


def _delete(path: Path, owner: int) -> None:
    """Delete ``path``, unless in a forked copy of the process that made it."""
    if os.getpid() == owner:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _fill(file: BinaryIO, stream: Iterable[Group], n: int, tile_shape: tuple[int, ...], dtype: np.dtype) -> None:
    written = np.zeros(n, dtype=bool)
    n_bytes, end = prod(tile_shape) * dtype.itemsize, 0
    for positions, tiles in stream:
        if tiles.dtype != dtype or tiles.shape != (len(positions), *tile_shape):
            raise ParameterError(
                "has tiles of another kind",
                key="stream",
                found=f"{tiles.dtype} of shape {tiles.shape}",
                fix=f"give {len(positions)} tiles of {dtype} of shape {tile_shape}",
            )
        _mark(written, positions)
        for position, tile in zip(positions.tolist(), np.ascontiguousarray(tiles), strict=True):
            if position != end:
                file.seek(position * n_bytes)
            file.write(tile.data)
            end = position + 1
    if not written.all():
        missing = np.flatnonzero(~written)
        raise ParameterError(
            "ended without all tiles",
            key="stream",
            found=f"{len(missing)} of {n} are missing, first {missing[0]}",
            fix="pass the stream of one whole pass, and its number of tiles as n",
        )


def _mark(written: np.ndarray, positions: np.ndarray) -> None:
    """Set what is written now, and refuse positions beyond the end and those that came before."""
    inside = (positions >= 0) & (positions < len(written))
    if inside.all():
        if len(np.unique(positions)) == len(positions) and not written[positions].any():
            written[positions] = True
            return
        problem, found = "has a position twice", f"among {len(positions)} tiles"
    else:
        problem, found = "has positions that are not in the file", f"first {positions[~inside][0]}"
    raise ParameterError(
        problem, key="stream", found=found, fix=f"give each position from 0 to {len(written) - 1} once"
    )


def _checked(positions: np.ndarray, n: int) -> np.ndarray:
    positions = np.asarray(positions)
    if positions.ndim != 1 or (len(positions) and positions.dtype.kind not in "iu"):
        raise ParameterError(
            "must be integers (b,)",
            key="positions",
            found=f"{positions.dtype} of shape {positions.shape}",
            fix="numpy.flatnonzero(mask)",
        )
    if len(positions) and not 0 <= int(positions.min()) <= int(positions.max()) < n:
        raise ParameterError(
            "has positions that are not in the file",
            key="positions",
            found=f"{positions.min()} to {positions.max()}",
            fix=f"pass numbers from 0 to {n - 1}",
        )
    return positions
