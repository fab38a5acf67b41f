"""Files and folders that hold the whole old or the whole new content, wherever the process is killed.

Everything is written beside its target under ``.<name>.<process>-<number>.partial``, flushed, and moved into place by
one system call. What a killed process leaves behind is removed by the next write of the same target.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from s3rl.errors import StoreError

__all__ = ["recover_folder", "replace_folder", "staged", "write_file_atomically"]

_COUNTER = itertools.count()
_ACTIVE: set[str] = set()
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2


def write_file_atomically(path: str | os.PathLike[str], writer: Callable[[Path], object]) -> None:
    """Replace the file ``path`` by what ``writer`` makes.

    Parameters
    ----------
    path
        File to write; a symbolic link is followed. Its folder must be there.
    writer
        Called once with a path beside ``path`` at which it creates the file.

    Raises
    ------
    StoreError
        If the disk is full or read-only, or the folder is not there; ``path`` is as it was and nothing is left over.
    """
    target = Path(os.path.realpath(path))
    with staged(target) as partial:
        writer(partial)
        _flush(partial)
        os.replace(partial, target)
        _confirm(target)


@contextmanager
def staged(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a free path beside ``target``; whatever lies there when the block ends is removed.

    Leftovers that killed processes made for the same target are removed first.

    Raises
    ------
    StoreError
        In place of every ``OSError`` of the block.
    """
    target = Path(os.path.realpath(target))
    token = _new_token()
    partial = _beside(target, token, "partial")
    try:
        recover_folder(target)
        _remove_leftovers(target)
        yield partial
    except StoreError:
        raise
    except OSError as error:
        raise _failed(target, error) from error
    finally:
        _remove(partial)
        _ACTIVE.discard(token)


def replace_folder(new: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Put the finished folder ``new`` in the place of ``target``, which may or may not be there.

    The two are exchanged by one system call where the machine has it (Linux, macOS), so that ``target`` is never
    absent. Elsewhere two renames do it; a kill between them is repaired by ``recover_folder``, which every reader and
    writer of s3rl calls first.

    Parameters
    ----------
    new
        Folder on the same file system; it is gone afterwards.
    target
        Folder to replace; a symbolic link is followed.

    Raises
    ------
    StoreError
        If the disk is full or read-only; ``target`` is then the whole old or the whole new folder.
    """
    new, target = Path(new), Path(os.path.realpath(target))
    try:
        recover_folder(target)
        _flush_tree(new)
        if not os.path.lexists(target):
            os.rename(new, target)
            _confirm(target)
        elif not target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
        elif _exchange(new, target):
            _confirm(target)
            _remove(new)
        else:
            _swap_by_renames(new, target)
    except StoreError:
        raise
    except OSError as error:
        raise _failed(target, error) from error


def recover_folder(target: str | os.PathLike[str]) -> bool:
    """Finish a swap that was cut between its two renames; True if ``target`` was absent and is there again.

    Raises
    ------
    StoreError
        If the swap can be finished but the folder cannot be written to.
    """
    target = Path(os.path.realpath(target))
    if os.path.lexists(target) or not target.parent.is_dir():
        return False
    try:
        for token in sorted({token for token, kind in _journal(target) if kind == "old"}):
            ready = _beside(target, token, "new")
            if ready.is_dir():
                # Another reader may be finishing the same swap at this moment, and either may win.
                with suppress(FileNotFoundError):
                    os.rename(ready, target)
                _confirm(target)
                return True
    except StoreError:
        raise
    except OSError as error:
        raise _failed(target, error) from error
    return False


def _swap_by_renames(new: Path, target: Path) -> None:
    token = _new_token()
    ready, old = _beside(target, token, "new"), _beside(target, token, "old")
    os.rename(new, ready)
    try:
        _flush(target.parent)
        os.rename(target, old)
        _flush(target.parent)
        recover_folder(target)
    except BaseException:
        if old.is_dir() and not os.path.lexists(target):
            os.rename(old, target)
        raise
    finally:
        if os.path.lexists(target):
            _remove(ready)
            _remove(old)
        _ACTIVE.discard(token)


def _exchange(new: Path, target: Path) -> bool:
    """Exchange two folders by one system call; False where the system or the file system does not offer it."""
    call = _exchange_call()
    return call is not None and call(os.fsencode(new), os.fsencode(target)) == 0


def _exchange_call() -> Callable[[bytes, bytes], int] | None:
    if sys.platform not in {"linux", "darwin"}:
        return None
    library: Any = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        swap = getattr(library, "renamex_np", None)
        return None if swap is None else lambda a, b: swap(a, b, ctypes.c_uint(_RENAME_SWAP))
    rename = getattr(library, "renameat2", None)
    if rename is None:
        return None
    return lambda a, b: rename(_AT_FDCWD, a, _AT_FDCWD, b, ctypes.c_uint(_RENAME_EXCHANGE))


def _new_token() -> str:
    token = f"{os.getpid()}-{next(_COUNTER)}"
    _ACTIVE.add(token)
    return token


def _beside(target: Path, token: str, kind: str) -> Path:
    return target.with_name(f".{target.name}.{token}.{kind}")


def _journal(target: Path) -> list[tuple[str, str]]:
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(\d+(?:-\d+)?)\.(partial|new|old)")
    with os.scandir(target.parent) as entries:
        found = [pattern.fullmatch(entry.name) for entry in entries]
    return [(match[1], match[2]) for match in found if match]


def _remove_leftovers(target: Path) -> None:
    for token, kind in _journal(target):
        if not _is_owned(token):
            _remove(_beside(target, token, kind))


def _is_owned(token: str) -> bool:
    """Whether the process that made a file of this token may still be writing it."""
    process = int(token.partition("-")[0])
    if process == os.getpid():
        return token in _ACTIVE
    if os.name == "nt":  # signal 0 would end the process there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _flush_tree(folder: Path) -> None:
    """Flush thousands of chunks together: a file system commits what several threads ask for at one time."""
    files, folders = [], []
    for place, _, names in os.walk(folder):
        files += [Path(place, name) for name in names]
        folders.append(Path(place))
    with ThreadPoolExecutor(8) as pool:
        for _ in itertools.chain(pool.map(_flush, files), pool.map(_flush, folders)):
            pass


def _flush(path: Path) -> None:
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot flush a folder; its files are flushed all the same.
        if not folder or error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(handle)


def _confirm(target: Path) -> None:
    """Flush the folder of what was just moved into place; only a power cut could undo the move before that."""
    try:
        _flush(target.parent)
    except OSError as error:
        raise StoreError(
            "is written and in place, but the disk did not confirm it",
            key=str(target),
            found=_told(error),
            fix="check the disk, then write again",
        ) from error


def _failed(target: Path, error: OSError) -> StoreError:
    if error.errno in _FULL:
        problem, fix = "cannot be written, the disk is full", "free space there, or pass a path on another disk"
    elif error.errno in _FORBIDDEN:
        problem, fix = "cannot be written to", "pass a path in a folder that you may write to"
    elif not target.parent.is_dir():
        problem, fix = "its folder is not there", f"pathlib.Path({str(target.parent)!r}).mkdir(parents=True)"
    else:
        problem, fix = "cannot be written", "pass another path"
    return StoreError(f"{problem}; nothing was overwritten", key=str(target), found=_told(error), fix=fix)


def _told(error: OSError) -> str:
    return f"{type(error).__name__}: {error}"
