"""Time of ``s3.tl.ligrec`` beside ``squidpy.gr.ligrec``: ``python benchmarks/ligrec.py``.

Both test the same pairs of genes between the same clusters with the same number of permutations, in turn, in one
process with one thread; the first round, in which squidpy compiles its loop, is not counted. Seconds of the processor
are given beside seconds of the clock, which other programs lengthen. ``difference`` is the largest difference of the
p-values, ``chance`` that of two runs of squidpy with different seeds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import click
import numpy as np
import pandas as pd
import scipy.sparse as sp
import squidpy as sq
from threadpoolctl import threadpool_limits

import s3rl as s3

THRESHOLD = 0.01


@click.command(help=__doc__)
@click.option("--spots", default=3600, show_default=True)
@click.option("--pairs", default=1000, show_default=True)
@click.option("--clusters", default=7, show_default=True)
@click.option("--permutations", default=1000, show_default=True)
@click.option("--density", default=0.12, show_default=True, help="Share of the expression above zero.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--output", default=Path("benchmarks/results/ligrec.csv"), type=click.Path(path_type=Path))
def main(spots: int, pairs: int, clusters: int, permutations: int, density: float, rounds: int, output: Path) -> None:
    logging.getLogger("s3rl").setLevel(logging.WARNING)
    adata, listed = tissue(spots, pairs, clusters, density)
    rows, found = [], {}
    for number in range(rounds + 1):
        for tool, call in (("s3rl", ours), ("squidpy", theirs)):
            seconds, cpu, found[tool, number] = timed(
                lambda call=call, seed=number: call(adata, listed, permutations, seed)
            )
            rows.append({"tool": tool, "round": number, "seconds": seconds, "cpu_seconds": cpu})
            click.echo(rows[-1])
    table = pd.DataFrame(rows).query("round > 0")
    medians = table.groupby("tool")[["seconds", "cpu_seconds"]].median()
    place = ["source", "target", "ligand", "receptor"]
    aligned = pd.DataFrame({key: frame.set_index(place)["pvalue"] for key, frame in found.items()})
    medians["tests"] = len(aligned)
    medians["difference"] = (aligned["s3rl", rounds] - aligned["squidpy", rounds]).abs().max()
    medians["chance"] = (aligned["squidpy", rounds] - aligned["squidpy", rounds - 1]).abs().max()
    medians["seconds_ratio"] = medians["seconds"] / medians.loc["squidpy", "seconds"]
    medians["cpu_ratio"] = medians["cpu_seconds"] / medians.loc["squidpy", "cpu_seconds"]
    shape = {"spots": spots, "pairs": pairs, "clusters": clusters, "permutations": permutations, "density": density}
    output.parent.mkdir(parents=True, exist_ok=True)
    medians.assign(**shape).round(4).to_csv(output)
    click.echo(medians.round(3).to_string())


def tissue(spots: int, pairs: int, clusters: int, density: float) -> tuple[ad.AnnData, pd.DataFrame]:
    """Expression of two genes for each pair, all above the threshold in every cluster."""
    rng = np.random.default_rng(0)
    values = sp.random(
        spots, 2 * pairs, density, format="csr", random_state=rng, data_rvs=lambda n: rng.gamma(2.0, size=n)
    )
    obs = pd.DataFrame({"cluster": pd.Categorical(rng.integers(0, clusters, spots).astype(str))})
    adata = ad.AnnData(values.astype(np.float32), obs=obs.set_index(obs.index.astype(str)))
    adata.var_names = [f"L{i}" for i in range(pairs)] + [f"R{i}" for i in range(pairs)]
    listed = pd.DataFrame({"source": adata.var_names[:pairs], "target": adata.var_names[pairs:]})
    return adata, listed


def ours(adata: ad.AnnData, listed: pd.DataFrame, permutations: int, seed: int) -> pd.DataFrame:
    params = {"threshold": THRESHOLD}
    return s3.tl.ligrec(
        adata, "cluster", resource=listed, n_perms=permutations, params=params, rng=seed, copy=True
    ).results.astype(dict.fromkeys(["source", "target", "ligand", "receptor"], str))


def theirs(adata: ad.AnnData, listed: pd.DataFrame, permutations: int, seed: int) -> pd.DataFrame:
    found: Any = sq.gr.ligrec(
        adata, "cluster", interactions=listed, n_perms=permutations, threshold=THRESHOLD, use_raw=False, copy=True,
        seed=seed, n_jobs=1, show_progress_bar=False,
    )  # fmt: skip
    long = found["pvalues"].astype(float).rename_axis(columns=["a", "b"]).stack(["a", "b"], future_stack=True).dropna()
    return long.rename("pvalue").rename_axis(["ligand", "receptor", "source", "target"]).reset_index()


def timed(call: Callable[[], pd.DataFrame]) -> tuple[float, float, pd.DataFrame]:
    start, cpu = time.perf_counter(), time.process_time()
    with threadpool_limits(1):
        result = call()
    return time.perf_counter() - start, time.process_time() - cpu, result


if __name__ == "__main__":
    main()
