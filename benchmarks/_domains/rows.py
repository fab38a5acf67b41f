"""Rows of the table: their columns, the command that makes one, and a file that several processes append to."""

from __future__ import annotations

import csv
import fcntl
import io
import math
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from _domains.data import TRUTH, title_of

COLUMNS = (
    "dataset", "protocol", "method", "seed", "n_domains", "n_found", "ari", "nmi", "chaos", "pas", "seconds",
    "peak_mb", "version", "command",
)  # fmt: skip
KEY = ["dataset", "protocol", "method", "seed"]
DECIMALS = {"ari": 5, "nmi": 5, "chaos": 5, "pas": 5, "seconds": 2, "peak_mb": 0}


class Task(NamedTuple):
    """What one process measures: methods that share a fit, on one data set, with one seed."""

    dataset: str
    protocol: str
    methods: tuple[str, ...]
    seed: int
    groupby: str = TRUTH

    def arguments(self, methods: Iterable[str] | None = None) -> list[str]:
        """Arguments of ``benchmarks/domains.py`` that measure this and print the rows."""
        chosen = self.methods if methods is None else tuple(methods)
        given = [self.dataset, "--methods", *chosen, "--seed", str(self.seed), "--protocol", self.protocol]
        return [*given, *(["--groupby", self.groupby] if self.groupby != TRUTH else []), "--output", "-"]

    def command(self, method: str) -> str:
        return shlex.join(["python", "benchmarks/domains.py", *self.arguments([method])])

    def keys(self) -> list[tuple[str, str, str, int]]:
        return [(title_of(self.dataset), self.protocol, method, self.seed) for method in self.methods]


def written(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it is written: rounded, empty where a number is missing."""
    made = {}
    for column in COLUMNS:
        value = row[column]
        if column in DECIMALS and value is not None:
            value = "" if math.isnan(value) else f"{value:.{DECIMALS[column]}f}"
        made[column] = value
    return made


def as_csv(rows: Iterable[dict[str, Any]], *, header: bool = True) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(written(row) for row in rows)
    return text.getvalue()


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add rows in one piece, whoever else is adding; a line that was cut off before is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, io.SEEK_END)
        if end:
            file.seek(end - 1)
        broken = end > 0 and file.read(1) != b"\n"
        file.write(("\n" if broken else "").encode() + as_csv(rows, header=end == 0).encode())


def read(*paths: Path) -> pd.DataFrame:
    """Rows with a score of the files that are there; of rows with the same key the last one, none that was cut off."""
    table = _whole(*paths)
    table = table[table["ari"].notna()].drop_duplicates(KEY, keep="last").reset_index(drop=True)
    return table.astype({"n_domains": int, "n_found": int})


def failed(*paths: Path) -> pd.DataFrame:
    """Keys of the runs that have a row and none with a score."""
    scores = _whole(*paths).groupby(KEY, sort=False)["ari"].count()
    return scores[scores == 0].reset_index()[KEY]


def _whole(*paths: Path) -> pd.DataFrame:
    tables = [pd.read_csv(path, dtype=str, on_bad_lines="skip") for path in paths if path.exists()]
    table = pd.concat(tables) if tables else pd.DataFrame(columns=list(COLUMNS))
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(f"no column {missing[0]!r} in {', '.join(map(str, paths))}")
    table = table[list(COLUMNS)]
    numbers = [column for column in COLUMNS if column in DECIMALS or column in ("seed", "n_domains", "n_found")]
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
    whole = table["seed"].notna() & table["command"].notna()
    return table[whole].astype({"seed": int})


def done(path: Path) -> set[tuple[str, str, str, int]]:
    """Keys of the rows that a file has."""
    return set(read(path)[KEY].itertuples(index=False, name=None))
