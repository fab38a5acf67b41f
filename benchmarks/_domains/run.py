"""One process for each row, so that its seconds and its memory are its own; any number of them side by side."""

from __future__ import annotations

import csv
import io
import logging
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd

from _domains import rows
from _domains.data import UNASSIGNED, load, without_empty
from _domains.rows import Task

TOGETHER = ("s3rl", "s3rl-embedding")  # one fit serves both
SCRIPT = Path(__file__).resolve().parents[1] / "domains.py"


def tasks_of(
    datasets: list[str], protocols: list[str], methods: list[str], seeds: Iterable[int], groupby: str
) -> list[Task]:
    """All tasks, seed by seed, so that whatever is there when a run is stopped is balanced."""
    together = tuple(method for method in methods if method in TOGETHER)
    groups = [(method,) for method in methods if method not in TOGETHER] + ([together] if together else [])
    return [
        Task(dataset, protocol, group, seed, groupby)
        for seed in seeds
        for protocol in protocols
        for dataset in datasets
        for group in groups
    ]


def still_to_do(tasks: list[Task], done: set[tuple[str, str, str, int]]) -> list[Task]:
    left = []
    for task in tasks:
        methods = tuple(m for m, key in zip(task.methods, task.keys(), strict=True) if key not in done)
        if methods:
            left.append(task._replace(methods=methods))
    return left


def measure(task: Task, prepared: Path | None = None) -> list[dict[str, Any]]:
    """Run the methods of a task in this process."""
    from _domains.methods import labels_of, load_libraries
    from _domains.scores import scores

    quiet()
    adata, truth = load(task.dataset, protocol=task.protocol, groupby=task.groupby)
    xy, names = adata.obsm["spatial"], adata.obs_names
    adata = ad.read_h5ad(prepared) if prepared else ready(adata)
    made, fitted, before = [], None, 0.0
    for method in task.methods:
        table = fitted if fitted is not None and method in TOGETHER else adata.copy()
        load_libraries(method)
        reset_peak()
        start = time.perf_counter()
        found = labels_of(method, table, int(truth.nunique()), task.seed)
        seconds = time.perf_counter() - start
        if method in TOGETHER:
            fitted, before = table, before + seconds
            seconds = before
        domain = pd.Series(found, index=table.obs_names).astype(str).reindex(names).fillna(UNASSIGNED)
        dataset, protocol, _, seed = task.keys()[0]
        row = {"dataset": dataset, "protocol": protocol, "method": method, "seed": seed}
        row |= scores(domain, truth, xy) | {"seconds": seconds, "peak_mb": peak_mb()}
        made.append(row | {"version": version(), "command": task.command(method)})
    return made


def quiet() -> None:
    warnings.simplefilter("ignore")
    for name in ("s3rl", "squidpy", "scanpy", "spatialdata", "spatialdata._logging"):
        logging.getLogger(name).setLevel(logging.ERROR)


def ready(adata: ad.AnnData) -> ad.AnnData:
    from _domains.methods import prepare

    adata = without_empty(adata)
    prepare(adata)
    return adata


def version() -> str:
    """Version of the package, with the commit of its sources where they are a checkout; ``*`` where they differ."""
    import s3rl as s3

    folder = Path(s3.__file__).parent
    ask = ["git", "-C", str(folder)]
    commit = subprocess.run([*ask, "log", "-1", "--format=%h", "--", "."], capture_output=True, text=True, check=False)
    if commit.returncode or not commit.stdout.strip():
        return s3.__version__
    changed = subprocess.run([*ask, "status", "--porcelain", "--", "."], capture_output=True, text=True, check=False)
    return f"{s3.__version__}+{commit.stdout.strip()}{'*' if changed.stdout.strip() else ''}"


def reset_peak() -> None:
    """Let the peak of this process start anew, where the system can: what made the data ready is not the method's."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_mb() -> float:
    """Largest memory of this process since then, its libraries and data with it."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Prepared:
    """Files of the normalised tables, each made once, by whoever needs it first."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files, self.locks, self.lock = folder, {}, {}, threading.Lock()

    def file(self, task: Task) -> Path:
        key = (task.dataset, task.protocol)
        with self.lock:
            mine = self.locks.setdefault(key, threading.Lock())
        with mine:
            if key not in self.files:
                path = self.folder / f"{uuid.uuid4().hex}.h5ad"
                call([*task.arguments(), "--prepare", str(path)])
                self.files[key] = path
        return self.files[key]


def call(arguments: list[str]) -> str:
    """Standard output of the script in a process of its own."""
    ran = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError("\n".join(ran.stderr.strip().splitlines()[-5:]) or f"exit {ran.returncode}")
    return ran.stdout


def run_all(
    tasks: list[Task], *, output: Path | None, jobs: int, tell: Callable[[str], None], again: bool = False
) -> tuple[list[dict[str, Any]], int]:
    """Measure each task in a process of its own, ``jobs`` at a time.

    Returns
    -------
    The rows, and how many tasks failed: what they said is told, and the others go on.
    """
    made: list[dict[str, Any]] = []
    failed = 0
    with tempfile.TemporaryDirectory(prefix="domains-") as folder:
        prepared = Prepared(Path(folder))
        pool = ThreadPoolExecutor(jobs)
        try:
            waiting = {pool.submit(_one, task, prepared, output, again): task for task in tasks}
            for number, future in enumerate(as_completed(waiting), start=1):
                task = waiting[future]
                try:
                    rows_ = future.result()
                except Exception as error:  # noqa: BLE001 - one method that fails must not end the others
                    failed += 1
                    tell(f"[{number}/{len(tasks)}] failed: {task.dataset} {task.methods} {task.seed}: {error}")
                    continue
                made += rows_
                for row in rows_:
                    tell(f"[{number}/{len(tasks)}] {_line(row)}")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return made, failed


def _one(task: Task, prepared: Prepared, output: Path | None, again: bool) -> list[dict[str, Any]]:
    if output is not None and not again:
        left = still_to_do([task], rows.done(output))
        if not left:
            return []
        task = left[0]
    text = call([*task.arguments(), "--prepared", str(prepared.file(task))])
    table = text[text.index(",".join(rows.COLUMNS)) :]
    made = [
        row | {name: float(row[name] or "nan") for name in rows.DECIMALS} for row in csv.DictReader(io.StringIO(table))
    ]
    if output is not None:
        rows.append(output, made)
    return made


def _line(row: dict[str, Any]) -> str:
    where = " ".join(str(row[name]) for name in ("dataset", "protocol", "method", "seed"))
    return f"{where}: ARI {row['ari']:.3f}, {row['seconds']:.1f} s, {row['peak_mb']:.0f} MB"


def one_thread() -> None:
    """Rows side by side must not wait for each other's threads; set before the libraries that read it are loaded."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
