"""Domains of annotated slices and of simulated tissue: data sets x methods x seeds, one row for each run.

    python benchmarks/domains.py                                  # floors and the default, every real slice, one seed
    python benchmarks/domains.py real --methods s3rl --seeds 20 --jobs 2
    python benchmarks/domains.py dlpfc H1 --methods ablations --seeds 10
    python benchmarks/domains.py mine.h5ad --groupby layer --methods floors default --seeds 5
    python benchmarks/domains.py --table                          # tables and figures of the rows that are there

Rows are added to a CSV, and those that it has already are not run again, so that a run can be stopped and several can
share a file. Each row holds the command that makes it. Labels are used for their number and for the scores alone.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from _domains.run import one_thread

RESULTS = Path(__file__).resolve().parent / "results"


def main(arguments: list[str] | None = None) -> int:
    one_thread()
    from _domains.data import DataError

    parser = parser_()
    given = parser.parse_args(arguments)
    output = None if given.output == "-" else Path(given.output)
    if given.table:
        return write_tables(output or RESULTS / "domains.csv", given.peers)
    try:
        return run(given, output)
    except DataError as error:
        parser.error(str(error))


def parser_() -> argparse.ArgumentParser:
    from _domains import data, methods

    known = [*methods.GROUPS, *methods.GROUPS["all"]]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    names = f"of {', '.join(data.GROUPS['all'])}; or {', '.join(data.GROUPS)}; or an .h5ad with raw counts in X"
    add("datasets", nargs="*", metavar="DATASET|FILE", help=names)
    add("--methods", nargs="+", choices=known, default=["floors", "default"], metavar="METHOD", help=", ".join(known))
    add("--seeds", type=int, default=1, metavar="N", help="seeds 0 to N - 1")
    add("--seed", type=int, nargs="+", metavar="SEED", help="exactly these seeds")
    add("--protocol", nargs="+", choices=data.PROTOCOLS, default=["kept"], help="what is done with unlabelled spots")
    add("--groupby", default=data.TRUTH, help="column of obs with the labels, in files of your own")
    add("--jobs", type=int, default=1, help="processes side by side, one thread each")
    add("--output", default=str(RESULTS / "domains.csv"), help="rows are added to it; - prints them")
    add("--again", action="store_true", help="run what is there too; the last row of a run counts")
    add("--table", action="store_true", help="run nothing: tables and figures of what is there")
    add("--peers", nargs="*", type=Path, help="rows of other methods; results/peers*.csv by default")
    add("--prepare", type=Path, help=argparse.SUPPRESS)
    add("--prepared", type=Path, help=argparse.SUPPRESS)
    return parser


def run(given: argparse.Namespace, output: Path | None) -> int:
    from _domains import rows
    from _domains.run import measure, run_all, still_to_do

    tasks = tasks_of(given)
    if given.prepare:
        return prepare(tasks[0], given.prepare)
    if output is None and len(tasks) == 1:
        with contextlib.redirect_stdout(sys.stderr):
            made = measure(tasks[0], given.prepared)
        print(rows.as_csv(made), end="")
        return 0
    if output is not None and not given.again:
        tasks = still_to_do(tasks, rows.done(output))
    made, failed = run_all(tasks, output=output, jobs=given.jobs, again=given.again, tell=tell)
    if output is None:
        print(rows.as_csv(made), end="")
    else:
        write_tables(output, given.peers)
    return int(failed > 0)


def tasks_of(given: argparse.Namespace) -> list:
    from _domains import data, methods
    from _domains.run import tasks_of as tasks

    seeds = given.seed if given.seed is not None else range(given.seeds)
    found = []
    for name in data.names_of(given.datasets or ["real"]):
        protocols = given.protocol
        if len(protocols) > 1 and data.everything_labelled(name, given.groupby):
            tell(f"{name}: every spot has a label, both protocols are the same")
            protocols = ["kept"]
        chosen = methods.methods_of(given.methods)
        if "image" in chosen and "image" not in given.methods and name not in methods.WITH_IMAGE:
            chosen.remove("image")
        found += tasks([name], protocols, chosen, seeds, given.groupby)
    return sorted(found, key=lambda task: task.seed)


def prepare(task, path: Path) -> int:
    from _domains.data import load
    from _domains.run import quiet, ready

    quiet()
    ready(load(task.dataset, protocol=task.protocol, groupby=task.groupby)[0]).write_h5ad(path)
    return 0


def write_tables(output: Path, peers: list[Path] | None) -> int:
    from _domains import rows
    from _domains.figure import figures
    from _domains.report import markdown

    beside = sorted(output.parent.glob("peers*.csv")) if peers is None else peers
    table = rows.read(output, *beside)
    versions = rows.read(output)["version"].unique()
    if len(versions) > 1:
        tell(f"warning: rows of several versions are compared: {', '.join(versions)}; --again makes them anew")
    text = markdown(table, rows.failed(output, *beside))
    print(text)
    if len(table):
        output.with_suffix(".md").write_text(text)
        for path in figures(table, output):
            tell(f"wrote {path}")
    return 0


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
