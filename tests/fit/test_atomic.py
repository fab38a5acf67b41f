from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys

import pytest
from fit.disk_faults import fault_at, kill_at_every_change, leftovers, needs_fork
from hypothesis import given, settings
from hypothesis import strategies as st

from s3rl.errors import StoreError
from s3rl.fit import atomic
from s3rl.fit.atomic import recover_folder, replace_folder, staged, write_file_atomically

OLD = {"a.bin": b"old" * 50, "sub/b.bin": b"old b"}
NEW = {"a.bin": b"new" * 70, "sub/c.bin": b"new c"}


def fill(folder, content):
    for name, data in content.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def content_of(folder):
    return {
        str(place.relative_to(folder)): place.read_bytes() for place in sorted(folder.rglob("*")) if place.is_file()
    }


def write_folder(target, content):
    with staged(target) as partial:
        fill(partial, content)
        replace_folder(partial, target)


@pytest.fixture(params=["exchange", "renames"])
def swap(request, monkeypatch):
    if request.param == "renames":
        monkeypatch.setattr(atomic, "_exchange_call", lambda: None)
    elif sys.platform not in {"linux", "darwin"}:
        pytest.skip("the system cannot exchange folders")
    return request.param


@given(before=st.none() | st.binary(max_size=40), after=st.binary(max_size=40))
@settings(max_examples=25, deadline=None)
def test_file_is_replaced(tmp_path_factory, before, after):
    folder = tmp_path_factory.mktemp("file")
    target = folder / "x.bin"
    if before is not None:
        target.write_bytes(before)
    write_file_atomically(target, lambda partial: partial.write_bytes(after))
    assert target.read_bytes() == after
    assert os.listdir(folder) == ["x.bin"]


def test_a_link_to_a_file_is_followed(tmp_path):
    (tmp_path / "real.bin").write_bytes(b"old")
    (tmp_path / "link.bin").symlink_to(tmp_path / "real.bin")
    write_file_atomically(tmp_path / "link.bin", lambda partial: partial.write_bytes(b"new"))
    assert (tmp_path / "link.bin").is_symlink()
    assert (tmp_path / "real.bin").read_bytes() == b"new"


def test_the_file_and_its_folder_are_flushed_before_and_after_the_move(tmp_path):
    with fault_at(-1, lambda _: None) as seen:
        write_file_atomically(tmp_path / "x.bin", lambda partial: partial.write_bytes(b"new"))
    assert seen == ["write", "fsync", "replace", "fsync", "unlink"]


def test_an_error_of_the_writer_passes_and_leaves_nothing(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"old")

    def writer(partial):
        partial.write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_file_atomically(tmp_path / "x.bin", writer)
    assert content_of(tmp_path) == {"x.bin": b"old"}


def test_absent_folder_names_the_call_that_makes_it(tmp_path):
    with pytest.raises(StoreError, match="its folder is not there") as caught:
        write_file_atomically(tmp_path / "no" / "x.bin", lambda partial: partial.write_bytes(b"new"))
    exec("import pathlib\n" + caught.value.fix)
    write_file_atomically(tmp_path / "no" / "x.bin", lambda partial: partial.write_bytes(b"new"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_file_on_a_failing_disk(tmp_path, code):
    target = tmp_path / "x.bin"

    def fail(name):
        raise OSError(code, os.strerror(code))

    for index in itertools.count():
        target.write_bytes(b"old" * 9)
        with fault_at(index, fail) as seen:
            failed = None
            try:
                write_file_atomically(target, lambda partial: partial.write_bytes(b"new" * 9))
            except StoreError as error:
                failed = error
        assert failed is None or (str(target) in str(failed) and failed.fix)
        moved = "replace" in seen[:index]
        assert target.read_bytes() == (b"new" * 9 if moved or failed is None else b"old" * 9)
        assert leftovers(tmp_path) == []
        if index >= len(seen):
            assert failed is None
            break
    assert index == 5


def test_folder_is_replaced(tmp_path, swap):
    write_folder(tmp_path / "x", OLD)
    assert content_of(tmp_path / "x") == OLD
    write_folder(tmp_path / "x", NEW)
    assert content_of(tmp_path / "x") == NEW
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="the system cannot exchange folders")
def test_the_system_call_exchanges(tmp_path):
    fill(tmp_path / "a", OLD)
    fill(tmp_path / "b", NEW)
    if not atomic._exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("the file system cannot exchange folders")
    assert (content_of(tmp_path / "a"), content_of(tmp_path / "b")) == (NEW, OLD)
    assert not atomic._exchange(tmp_path / "a", tmp_path / "absent")


def test_a_file_in_the_place_of_the_folder_stays(tmp_path, swap):
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(StoreError):
        write_folder(tmp_path / "x", NEW)
    assert content_of(tmp_path) == {"x": b"mine"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_folder_on_a_failing_disk(tmp_path, swap, code):
    target = tmp_path / "x"

    def fail(name):
        raise OSError(code, os.strerror(code))

    outcomes = set()
    for index in itertools.count():
        if target.exists():
            write_folder(target, OLD)
        else:
            fill(target, OLD)
        with fault_at(index, fail) as seen:
            try:
                write_folder(target, NEW)
                outcome = "new"
            except StoreError as error:
                outcome = "in place" if "in place" in error.problem else "old"
        assert content_of(target) == (OLD if outcome == "old" else NEW), (index, seen)
        outcomes.add(outcome)
        if index >= len(seen):
            break
    assert outcomes == {"old", "in place", "new"}
    write_folder(target, NEW)
    assert leftovers(tmp_path) == []


@needs_fork
def test_file_survives_a_kill_at_every_change(tmp_path):
    target = tmp_path / "x.bin"
    target.write_bytes(b"old" * 99)
    seen = set()

    def check(index):
        seen.add(target.read_bytes())
        target.write_bytes(b"old" * 99)

    kills = kill_at_every_change(
        lambda: write_file_atomically(target, lambda partial: partial.write_bytes(b"new" * 99)), check
    )
    assert seen == {b"old" * 99, b"new" * 99}
    assert kills >= 4
    write_file_atomically(target, lambda partial: partial.write_bytes(b"x"))
    assert leftovers(tmp_path) == []


@needs_fork
def test_folder_survives_a_kill_at_every_change(tmp_path, swap):
    target = tmp_path / "x"
    write_folder(target, OLD)
    seen = []

    def check(index):
        absent = not target.exists()
        assert not (absent and swap == "exchange")
        assert recover_folder(target) == absent
        content = content_of(target)
        assert content in (OLD, NEW)
        seen.append((content == NEW, absent))
        write_folder(target, OLD)
        assert leftovers(tmp_path) == []

    kills = kill_at_every_change(lambda: write_folder(target, NEW), check)
    assert kills > 12
    assert {new for new, _ in seen} == {True, False}
    assert any(absent for _, absent in seen) == (swap == "renames")


@needs_fork
def test_first_folder_survives_a_kill_at_every_change(tmp_path, swap):
    target = tmp_path / "x"
    seen = []

    def check(index):
        seen.append(target.exists())
        if target.exists():
            assert content_of(target) == NEW
            atomic._remove(target)

    kill_at_every_change(lambda: write_folder(target, NEW), check)
    assert set(seen) == {True, False}


def test_the_next_writer_finishes_a_cut_swap(tmp_path):
    target = tmp_path / "x"
    fill(tmp_path / ".x.999999999-0.new", NEW)
    fill(tmp_path / ".x.999999999-0.old", OLD)
    with staged(target):
        assert content_of(target) == NEW
    assert leftovers(tmp_path) == []


def test_a_reader_may_finish_the_swap_of_a_living_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_exchange_call", lambda: None)
    target, rename, found = tmp_path / "x", os.rename, []
    write_folder(target, OLD)

    def rename_and_read(source, goal):
        rename(source, goal)
        if str(goal).endswith(".old"):
            found.append(recover_folder(target))

    monkeypatch.setattr(os, "rename", rename_and_read)
    write_folder(target, NEW)
    assert found == [True]
    assert content_of(target) == NEW
    assert leftovers(tmp_path) == []


def test_a_cut_swap_is_not_finished_over_a_folder_that_is_there(tmp_path):
    fill(tmp_path / "x", OLD)
    fill(tmp_path / ".x.999999999.new", NEW)
    fill(tmp_path / ".x.999999999.old", NEW)
    assert not recover_folder(tmp_path / "x")
    assert content_of(tmp_path / "x") == OLD


def test_leftovers_of_dead_processes_only_are_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f".x.{dead.pid}.partial", f".x.{dead.pid}-3.new", f".x.{os.getpid()}-0999.partial"):
        (tmp_path / name).write_bytes(b"left")
    kept = [f".x.{os.getppid()}.partial", f".xy.{dead.pid}.partial", f".x.{dead.pid}.other", ".x.partial"]
    for name in kept:
        (tmp_path / name).write_bytes(b"kept")
    write_file_atomically(tmp_path / "x", lambda partial: partial.write_bytes(b"new"))
    assert leftovers(tmp_path) == sorted(kept)


def test_two_writes_of_one_process_do_not_remove_each_other(tmp_path):
    with staged(tmp_path / "x") as one:
        one.write_bytes(b"one")
        with staged(tmp_path / "x") as other:
            assert other != one
            assert one.read_bytes() == b"one"
    assert leftovers(tmp_path) == []
