"""Write results again and again while being killed: a program of its own, since a fork must come before any thread.

Usage: ``kill_writer.py FOLDER NAME KILLS`` ends the write of ``FOLDER/NAME`` at changes to the disk, KILLS of them
spread over the writing and more around the moment at which the results are put in place, and prints the outcomes
and the number of leftovers before and after the next write;
``kill_writer.py FOLDER NAME loop`` prints "ready" after the first write and never ends.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import anndata  # noqa: E402
import dask  # noqa: E402
import h5py  # noqa: E402, F401
import spatialdata  # noqa: E402, F401
from _slots.store_samples import digest_of, make_spatialdata, make_table  # noqa: E402
from fit.disk_faults import KILLED, fault_at, in_child, kill_at, leftovers  # noqa: E402

from s3rl._slots.read import read_input  # noqa: E402
from s3rl._slots.store import verify_store, write_results  # noqa: E402
from s3rl._slots.table import table_of  # noqa: E402
from s3rl._slots.verify import read_all  # noqa: E402
from s3rl.fit import atomic  # noqa: E402

dask.config.set(scheduler="synchronous")


def prepare(source: Path, target: Path) -> None:
    if target.suffix == ".h5ad":
        make_table().write_h5ad(source)
    elif "spatial" in target.name:
        make_spatialdata().write(source)
    else:
        make_table().write_zarr(source)
    write(source, target, "old")


def write(source: Path, target: Path, run: str) -> None:
    data = read_input(source)
    table_of(data).uns["run"] = run
    write_results(data, target, overwrite=True)


def run_of(source: Path, target: Path, before: str) -> None:
    """Fail unless the input is untouched and the results are whole; end with 9 for the new results."""
    assert digest_of(source) == before, "the input store changed"
    data = read_input(target)
    read_all(data)
    run = table_of(data).uns["run"]
    assert run in {"old", "new"}, run
    if run == "new":
        os._exit(9)


def changes_of(source: Path, target: Path) -> list[str]:
    """Names of the changes to the disk of one write."""
    names = source.with_name("names.json")

    def run() -> None:
        with fault_at(-1, lambda _: None) as seen:
            write(source, target, "old")
        names.write_text(json.dumps(seen))

    assert in_child(run) == 0
    return json.loads(names.read_text())


def kill_all(source: Path, target: Path, kills: int) -> None:
    before = digest_of(source)
    names = changes_of(source, target)
    placed = max(index for index, name in enumerate(names) if name in {"exchange", "replace"})
    spread = {round(step * (len(names) - 1) / kills) for step in range(kills + 1)}
    outcomes = set()
    for index in sorted(spread | {placed, placed + 1}):
        assert kill_at(index, lambda: write(source, target, "new")) in ({0, KILLED} if index >= placed else {KILLED})
        status = in_child(lambda: run_of(source, target, before))
        assert status in {0, 9}, (index, status)
        outcomes.add("new" if status == 9 else "old")
        assert (status == 9) == (index > placed), (index, placed)
        for name in leftovers(target.parent):  # the next write would remove them too, and shift the count
            atomic._remove(target.with_name(name))
        if status == 9:
            assert in_child(lambda: write(source, target, "old")) == 0
    kill_at(placed, lambda: write(source, target, "new"))
    left = leftovers(target.parent)
    assert in_child(lambda: write(source, target, "old")) == 0
    assert in_child(lambda: (verify_store(source), verify_store(target))) == 0
    print(*sorted(outcomes), len(left), len(leftovers(target.parent)))  # noqa: T201


def main() -> None:
    folder, name, kills = sys.argv[1:]
    target = Path(folder, name)
    source = Path(folder, f"input{target.suffix}")
    make_spatialdata()  # so that every library is imported before the first fork
    if not source.exists():
        assert in_child(lambda: prepare(source, target)) == 0
    if kills != "loop":
        kill_all(source, target, int(kills))
        return
    anndata.settings.zarr_write_format = 3
    for run in range(10**9):
        write(source, target, "old" if run % 2 else "new")
        if run == 0:
            print("ready", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
