"""Ligands and receptors where there are some and where there are none: ``python benchmarks/communication.py``.

Simulated cortex with half of its pairs planted between layers and half without any pattern; shuffled tissue has its
coordinates exchanged before the graph is made and the model trained. Clusters are the true layers, or the domains that
the model found. Written are, for raw, denoised and calibrated tests, the share of tests of pairs without a pattern with
a p-value of at most .05, the share of such pairs among what has an FDR of at most .05, and how many planted ones do.
"""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import click
import numpy as np
import pandas as pd
import squidpy as sq

import s3rl as s3

LEVEL = 0.05
TESTS = {"raw": ("X", "pvalue", "fdr"), "denoised": ("s3rl", "pvalue", "fdr"),
         "calibrated": ("s3rl", "pvalue_calibrated", "fdr_calibrated")}  # fmt: skip


@click.command(help=__doc__)
@click.option("--seeds", default=6, show_default=True)
@click.option("--sizes", default="300x800,1500x1000", show_default=True, help="genes x spots, with commas between")
@click.option("--pairs", default=24, show_default=True, help="planted; as many have no pattern")
@click.option("--epochs", default=60, show_default=True)
@click.option("--output", default=Path("benchmarks/results/communication.csv"), type=click.Path(path_type=Path))
def main(seeds: int, sizes: str, pairs: int, epochs: int, output: Path) -> None:
    rows = []
    for size in sizes.split(","):
        genes, spots = (int(part) for part in size.split("x"))
        for seed in range(seeds):
            for shuffled in (False, True):
                adata = trained(genes, spots, pairs, epochs, seed, shuffled=shuffled)
                case = {"genes": genes, "spots": spots, "seed": seed, "shuffled": shuffled}
                rows += [case | row for row in rates(adata, seed)]
                output.parent.mkdir(parents=True, exist_ok=True)
                pd.DataFrame(rows).to_csv(output, index=False, float_format="%.5g")
    table = pd.DataFrame(rows).groupby(["genes", "shuffled", "clusters", "test"], sort=False)
    click.echo(table[["false_positives", "false_discoveries", "found"]].mean().round(3).to_string())


def trained(genes: int, spots: int, pairs: int, epochs: int, seed: int, *, shuffled: bool) -> ad.AnnData:
    """Simulated cortex with planted pairs, a denoised layer and domains."""
    sdata = s3.datasets.simulated_cortex(spots, genes, n_layers=5, image=False, params={"n_pairs": pairs}, rng=seed)
    adata = sdata.tables["table"]
    if shuffled:
        adata.obsm["spatial"] = np.random.default_rng(seed).permutation(adata.obsm["spatial"])
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    s3.tl.s3rl(adata, n_domains=5, params={"max_epochs": epochs}, rng=seed, progress=False, device="cpu")
    return adata


def rates(adata: ad.AnnData, seed: int) -> list[dict[str, object]]:
    planted = adata.uns["simulation"]["pairs"]
    real = set(planted["source"][planted["planted"]])
    places = {
        (row.source, row.target, row.source_domain, row.target_domain)
        for row in planted.itertuples()
        if row.source in real
    }
    rows = []
    for clusters in ("domain", "s3rl_domain"):
        results = {
            "X": s3.tl.ligrec(adata, clusters, resource=planted, rng=seed, copy=True).results,
            "s3rl": s3.tl.ligrec(
                adata, clusters, resource=planted, layer="s3rl", calibrate=True, rng=seed, copy=True
            ).results,
        }
        for test, (layer, pvalue, fdr) in TESTS.items():
            own = results[layer]
            without = ~own["ligand"].isin(real)
            called = own[fdr] <= LEVEL
            there = own.loc[called, ["ligand", "receptor", "source", "target"]].itertuples(index=False, name=None)
            found = len(places & set(there)) / len(places) if clusters == "domain" else np.nan
            rows.append(
                {
                    "clusters": clusters,
                    "test": test,
                    "tests_without_pattern": int(without.sum()),
                    "false_positives": float((own.loc[without, pvalue] <= LEVEL).mean()),
                    "false_discoveries": float((called & without).sum() / max(called.sum(), 1)),
                    "found": found,
                }
            )
    return rows


if __name__ == "__main__":
    main()
