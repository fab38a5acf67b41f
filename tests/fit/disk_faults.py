"""Make the i-th change to the disk kill the process, or fail like a full or a read-only disk."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3rl.fit import atomic

NAMES = ("replace", "rename", "link", "fsync", "unlink", "rmdir", "mkdir")
KILLED = 9

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@contextlib.contextmanager
def fault_at(index: int, fault: Callable[[str], None]) -> Iterator[list[str]]:
    """Call ``fault(name)`` in place of the ``index``-th change to the disk; yields the names of the changes so far."""
    seen: list[str] = []
    numbers = itertools.count()  # its steps are whole in every thread

    def watched(name, call):
        def inner(*args, **kwargs):
            seen.append(name)
            if next(numbers) == index:
                fault(name)
            return call(*args, **kwargs)

        return inner

    def half(path, data, *args, **kwargs):
        seen.append("write")
        stop = next(numbers) == index
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2] if stop else data)
        if stop:
            fault("write")
        return len(data)

    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setattr(os, name, watched(name, getattr(os, name)))
        patch.setattr(Path, "write_bytes", half)
        patch.setattr(Path, "write_text", lambda path, text, **_: half(path, text.encode()))
        patch.setattr(atomic, "_exchange", watched("exchange", atomic._exchange))
        yield seen


def in_child(work: Callable[[], object]) -> int:
    """Run ``work`` in a fork and return the exit status: 0, ``KILLED``, or 1 with the traceback printed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(60)
            work()
            status = 0
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(index: int, work: Callable[[], object]) -> int:
    """Run ``work`` in a child that ends at its ``index``-th change to the disk; the exit status is 0 or ``KILLED``."""

    def run() -> None:
        with fault_at(index, lambda _: os._exit(KILLED)):
            work()

    status = in_child(run)
    assert status in {0, KILLED}
    return status


def kill_at_every_change(work: Callable[[], object], check: Callable[[int], object]) -> int:
    """Run ``work`` in children that end at its 0th, 1st, ... change to the disk, and ``check(i)`` after each.

    Returns the number of kills; it stops once ``work`` ends before the kill.
    """
    for index in itertools.count():
        status = kill_at(index, work)
        check(index)
        if status == 0:
            return index
    raise AssertionError


def leftovers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name.startswith("."))
