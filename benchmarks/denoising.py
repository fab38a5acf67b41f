"""The denoised layer on real sections, measured as users can: ``python benchmarks/denoising.py FILE...``.

Each file is an h5ad with raw counts in ``layers["counts"]``, the signed graph, and labels in the column ``--labels``,
of which only the number is used. Written are the tables of ``s3.tl.denoising_report`` to ``denoising_*.csv`` in the
folder of ``--output``, with seconds, and a figure for each file.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import anndata as ad
import click
import matplotlib as mpl
import pandas as pd

import s3rl as s3

TABLES = ("held_out", "markers", "false_discoveries")


@click.command(help=__doc__)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--labels", default="ground_truth", show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--output", default=Path("benchmarks/results"), show_default=True, type=click.Path(path_type=Path))
def main(files: tuple[Path, ...], labels: str, seed: int, output: Path) -> None:
    mpl.use("Agg")
    logging.getLogger("s3rl").setLevel(logging.WARNING)
    output.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for file in files:
        adata, start = ad.read_h5ad(file), time.perf_counter()
        s3.tl.denoising_report(adata, adata.obs[labels].nunique(), rng=seed, device="cpu", progress=False)
        seconds = time.perf_counter() - start
        report = adata.uns["denoising_report"]
        for name in TABLES:
            frame = report[name]
            if name == "markers":
                columns = ["auc", "log2_fold_change", "held_out_log2_fold_change"]
                frame = frame.groupby("method", sort=False)[columns].mean().reset_index()
            found[name].append(frame.assign(data=file.stem, seconds=round(seconds, 1)))
            pd.concat(found[name]).to_csv(output / f"denoising_{name}.csv", index=False, float_format="%.5g")
        s3.pl.denoising_report(adata, save=output / f"denoising_{file.stem}.png", show=False)
        click.echo(f"{file.stem}, {seconds:.0f} s\n{report['held_out'].round(4).to_string()}")


if __name__ == "__main__":
    main()
