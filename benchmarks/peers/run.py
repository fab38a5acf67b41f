"""Peers of ``benchmarks/domains.py``: other packages for spatial domains, each in an environment of its own.

``python benchmarks/peers/run.py --envs FOLDER [DATA...]`` makes the environments that are not there yet, runs the peers
at their documented defaults on the data sets (names, groups or files as in ``domains.py``) and adds a row for each run
to a CSV; runs that have a row are skipped. Peers whose result does not depend on a seed run with the first seed only.
A run that fails has a row that says so and no scores, and its output stays in the folder of the logs.
"""

from __future__ import annotations

import functools
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import click
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from _domains import data as bench  # noqa: E402
from _domains.scores import scores  # noqa: E402
from _domains.tissues import SPECS  # noqa: E402

COLUMNS = [
    "dataset", "protocol", "method", "seed", "n_domains", "n_found", "ari", "nmi", "chaos", "pas", "seconds", "peak_mb",
    "version", "command", "status",
]  # fmt: skip
KEY = ["dataset", "protocol", "method", "seed", "version"]
KINDS = {"151673": "visium", "151674": "visium", "H1": "st", "A1": "st"}
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Peer:
    """A runner and where it runs.

    Parameters
    ----------
    script
        The runner, beside this file.
    distribution
        Package whose version the table names.
    env
        ``requirements-<env>.txt`` lists its environment.
    seeded
        Whether the seed changes the result.
    """

    script: str
    distribution: str
    env: str = "domains"
    seeded: bool = True


PEERS = {
    "BANKSY": Peer("peer_banksy.py", "pybanksy"),
    "BANKSY (segmentation)": Peer("peer_banksy_segmentation.py", "pybanksy"),
    "SpatialLeiden": Peer("peer_spatialleiden.py", "spatialleiden"),
    "NichePCA": Peer("peer_nichepca.py", "nichepca"),
    "squidpy (utag)": Peer("peer_squidpy_utag.py", "squidpy", seeded=False),
    "squidpy (cellcharter)": Peer("peer_squidpy_cellcharter.py", "squidpy"),
    "CellCharter": Peer("peer_cellcharter.py", "cellcharter"),
    "SpaGCN": Peer("peer_spagcn.py", "SpaGCN"),
    "GraphST": Peer("peer_graphst.py", "GraphST"),
    "Novae": Peer("peer_novae.py", "novae"),
}


class PeerError(Exception):
    """A run of a peer that gave no labels."""


@click.command(help=__doc__)
@click.argument("data", nargs=-1)
@click.option("--envs", type=click.Path(path_type=Path), required=True, help="Folder of the environments.")
@click.option("--python", default="python3.11", show_default=True, help="Interpreter that makes them.")
@click.option("--peer", "chosen", multiple=True, type=click.Choice(list(PEERS)), help="Only these.")
@click.option("--seed", "seeds", multiple=True, type=int, default=(0, 1, 2), show_default=True)
@click.option("--protocol", type=click.Choice(bench.PROTOCOLS), default="kept", show_default=True)
@click.option("--groupby", default=bench.TRUTH, show_default=True, help="Labels, in files that you name.")
@click.option("--kind", type=click.Choice(["visium", "st", "cells"]), help="What files that you name hold.")
@click.option("--threads", default=1, show_default=True)
@click.option("--timeout", default=1800, show_default=True, help="Seconds of one run.")
@click.option("--retry-failed", is_flag=True, help="Run again what has a failed row.")
@click.option("--output", default=Path("benchmarks/results/peers.csv"), type=click.Path(path_type=Path))
@click.option("--logs", type=click.Path(path_type=Path), help="What the runs print; a folder in that of --envs.")
def main(
    data: tuple[str, ...], envs: Path, python: str, chosen: tuple[str, ...], seeds: tuple[int, ...], output: Path,
    retry_failed: bool, logs: Path | None, **settings: object,
) -> None:  # fmt: skip
    peers = {name: PEERS[name] for name in chosen or PEERS}
    interpreters = {env: environment(env, envs, python) for env in dict.fromkeys(one.env for one in peers.values())}
    names = bench.names_of(list(data or ["real"]))
    folder = logs or envs / "logs"
    run_all(names, peers, seeds, interpreters, output=output, logs=folder, retry_failed=retry_failed, **settings)
    click.echo(summary(pd.read_csv(output, dtype={"dataset": str})).to_string())


def environment(env: str, folder: Path, python: str) -> Path:
    """Interpreter of an environment, made or brought up to date first."""
    listed = (HERE / f"requirements-{env}.txt").read_text()
    made = folder / f"peers_{env}"
    interpreter, installed = made / "bin" / "python", made / "installed.txt"
    if not interpreter.exists():
        subprocess.run([python, "-m", "venv", str(made)], check=True)
    if not installed.exists() or installed.read_text() != listed:
        requirements = str(HERE / f"requirements-{env}.txt")
        subprocess.run([str(interpreter), "-m", "pip", "install", "-q", "-r", requirements], check=True)
        installed.write_text(listed)
    return interpreter


# --------------------------------------------------------------------------------------------------------------- rows


def run_all(
    names: list[str], peers: Mapping[str, Peer], seeds: tuple[int, ...], interpreters: Mapping[str, Path], *,
    output: Path, logs: Path, protocol: str = "kept", groupby: str = bench.TRUTH, kind: str | None = None,
    threads: int = 1, timeout: float = 1800, retry_failed: bool = False,
) -> None:  # fmt: skip
    """Add a row to ``output`` for each run that has none."""
    for folder in (output.parent, logs):
        folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        adata, truth = bench.load(name, protocol=protocol, groupby=groupby)
        about = {"dataset": bench.title_of(name), "protocol": protocol}
        for method, peer in peers.items():
            for seed in seeds if peer.seeded else seeds[:1]:
                python = interpreters[peer.env]
                row = about | {"method": method, "seed": seed, "version": version_of(peer.distribution, python)}
                if is_done(row, output, retry_failed=retry_failed):
                    continue
                asked = {"kind": kind_of(name, kind), "threads": threads, "timeout": timeout}
                row |= {"n_domains": truth.nunique(), "command": command_of(name, row, groupby, kind)}
                row |= outcome(adata, truth, peer, python, seed, log=log_of(row, logs), **asked)
                add(row, output)
                click.echo(f"{row['dataset']} {method} seed {seed}: {row['status']} {row.get('ari', '')}", err=True)


def outcome(
    adata: ad.AnnData, truth: pd.Series, peer: Peer, python: Path, seed: int, *, log: Path, kind: str, threads: int,
    timeout: float,
) -> dict[str, object]:  # fmt: skip
    """Scores and costs of one run, or that it failed."""
    try:
        made = labels(adata, peer, python, truth.nunique(), seed, log=log, kind=kind, threads=threads, timeout=timeout)
    except PeerError as error:
        click.echo(str(error), err=True)
        return {"status": "failed"}
    scored = scores(pd.Series(made.pop("labels"), index=adata.obs_names), truth, adata.obsm["spatial"])
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in scored.items()}
    return rounded | made | {"status": "ok"}


def labels(
    adata: ad.AnnData, peer: Peer, python: Path, n_domains: int, seed: int, *, log: Path, kind: str, threads: int,
    timeout: float,
) -> dict[str, object]:  # fmt: skip
    """Labels, seconds and peak memory, from the runner of the peer in its own interpreter."""
    with tempfile.TemporaryDirectory() as scratch:
        given, answer = Path(scratch) / "data.h5ad", Path(scratch) / "answer.json"
        bare = ad.AnnData(adata.X, obs=adata.obs[[]], var=adata.var[[]], obsm={"spatial": adata.obsm["spatial"]})
        bare.write_h5ad(given)
        arguments = [str(given), str(answer), "--n-domains", str(n_domains), "--seed", str(seed), "--kind", kind]
        with log.open("w") as written:
            try:
                ended = subprocess.run(
                    [str(python), str(HERE / peer.script), *arguments], stdout=written, stderr=subprocess.STDOUT,
                    env=surroundings(threads), cwd=scratch, timeout=timeout, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired as error:
                written.write(f"\nstopped after {timeout} seconds\n")
                raise PeerError(f"{peer.script}: stopped after {timeout} seconds, see {log}") from error
        if ended.returncode or not answer.exists():
            raise PeerError(f"{peer.script}: exit status {ended.returncode}, see {log}")
        made = json.loads(answer.read_text())
    if len(made["labels"]) != adata.n_obs:
        raise PeerError(f"{peer.script}: {len(made['labels'])} labels for {adata.n_obs} spots, see {log}")
    return made


def surroundings(threads: int) -> dict[str, str]:
    """Environment variables of a run: few threads, no window, no download."""
    fixed = {"PYTHONPATH": str(HERE), "MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    return os.environ | fixed | dict.fromkeys(LIMITS, str(threads))


def kind_of(name: str, asked: str | None) -> str:
    """Array of Visium, square array of spots, or single cells."""
    if name in KINDS:
        return KINDS[name]
    if name in SPECS:
        return "visium" if SPECS[name].cells > 1 else "cells"
    return asked or "cells"


@functools.cache
def version_of(distribution: str, python: Path) -> str:
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    asked = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "not installed"


def command_of(name: str, row: Mapping[str, object], groupby: str, kind: str | None) -> str:
    words = ["python", "benchmarks/peers/run.py", name, "--envs", "FOLDER"]
    words += ["--peer", row["method"], "--seed", row["seed"]]
    words += ["--protocol", "dropped"] if row["protocol"] == "dropped" else []
    words += ["--groupby", groupby] if groupby != bench.TRUTH else []
    words += ["--kind", kind] if kind else []
    return shlex.join(str(word) for word in words)


def log_of(row: Mapping[str, object], logs: Path) -> Path:
    named = "_".join(str(row[key]) for key in KEY[:-1])
    return logs / f"{''.join(letter if letter.isalnum() else '_' for letter in named)}.log"


def is_done(row: Mapping[str, object], output: Path, *, retry_failed: bool) -> bool:
    """Whether ``output`` has a row of this run; with ``retry_failed`` a failed one is taken out of it."""
    if not output.exists():
        return False
    table = pd.read_csv(output, dtype=str, keep_default_na=False)
    same = (table[KEY] == [str(row[key]) for key in KEY]).all(axis=1)
    again = same & (table["status"] == "failed") & retry_failed
    if again.any():
        table[~again].to_csv(output, index=False)
    return bool((same & ~again).any())


def add(row: Mapping[str, object], output: Path) -> None:
    line = pd.DataFrame([row]).reindex(columns=COLUMNS)
    line.to_csv(output, mode="a", header=not output.exists(), index=False)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean ARI of each method on each data set, and ``failed`` where no run gave labels."""
    order = {"index": list(dict.fromkeys(table["method"])), "columns": list(dict.fromkeys(table["dataset"]))}
    means = table.pivot_table(index="method", columns="dataset", values="ari", dropna=False).reindex(**order)
    tried = table.groupby(["method", "dataset"]).size().unstack().reindex(**order).notna()
    return means.map("{:.3f}".format).where(means.notna(), "").mask(means.isna() & tried, "failed")


if __name__ == "__main__":
    main()
