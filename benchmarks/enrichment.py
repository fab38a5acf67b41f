"""Gene sets where there is nothing to find: ``python benchmarks/enrichment.py``.

Genes of a set vary together and have no pattern on the tissue, which is what makes tests on denoised expression find
them. ``ridge`` has a denoised layer of ridge regression on smooth waves over the tissue, which have not seen the genes;
``model`` has one of a model that was trained on them. Written is the share of sets and groups with a p-value of at most
.05, plain and calibrated.
"""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import click
import numpy as np
import pandas as pd
import scipy.sparse as sp
import squidpy as sq

import s3rl as s3
from s3rl.statistics.readout import readout

N_SETS, SIZE = 20, 20
LEVEL = 0.05
QUICK = {"min_log2fc": 0.0, "n_markers": 60, "n_random_sets": 200}


@click.command(help=__doc__)
@click.option("--seeds", default=6, show_default=True)
@click.option("--permutations", default=150, show_default=True)
@click.option("--output", default=Path("benchmarks/results/enrichment.csv"), type=click.Path(path_type=Path))
def main(seeds: int, permutations: int, output: Path) -> None:
    rows = []
    for seed in range(seeds):
        for denoiser in ("ridge", "model"):
            adata = tissue(seed, denoiser)
            names = adata.var_names.to_numpy()
            sets = {f"set{k}": names[k * SIZE : (k + 1) * SIZE].tolist() for k in range(N_SETS)}
            for method in ("ora", "gsea"):
                found = s3.tl.enrich(
                    adata, sets, method=method, groupby="third", layer="s3rl", calibrate=True, copy=True, rng=seed,
                    params=QUICK | {"n_perms": permutations},
                ).results  # fmt: skip
                shares = {name: float((found[name] <= LEVEL).mean()) for name in ("pvalue", "pvalue_calibrated")}
                rows.append({"seed": seed, "denoiser": denoiser, "method": method} | shares)
    output.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    table.to_csv(output, index=False, float_format="%.4g")
    columns = ["pvalue", "pvalue_calibrated"]
    click.echo(table.groupby(["denoiser", "method"], sort=False)[columns].mean().round(3).to_string())


def tissue(seed: int, denoiser: str, n_side: int = 18) -> ad.AnnData:
    """Square tissue in three parts that nothing tells apart; sets of genes share factors of the spots."""
    rng = np.random.default_rng(seed)
    n, g = n_side**2, N_SETS * SIZE
    factors = np.repeat(rng.gamma(1.0, 1.0, (n, N_SETS)), SIZE, axis=1)
    counts = rng.poisson(rng.gamma(2.0, 0.5, g) * factors)
    adata = ad.AnnData(sp.csr_matrix(counts, dtype=np.float32))
    adata.var_names = [f"GENE{k}" for k in range(g)]
    adata.obsm["spatial"] = np.stack(np.meshgrid(*[np.arange(n_side, dtype=float)] * 2), axis=-1).reshape(n, 2)
    adata.obs["third"] = pd.Categorical(
        np.array(["a", "b", "c"])[(3 * adata.obsm["spatial"][:, 0] // n_side).astype(int)]
    )
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=4)
    s3.pp.signed_neighbors(adata)
    if denoiser == "model":
        s3.tl.s3rl(adata, n_domains=3, params={"max_epochs": 100}, rng=seed, progress=False, device="cpu")
        return adata
    xy = adata.obsm["spatial"] / n_side
    waves = np.column_stack([np.cos(np.pi * k * xy[:, axis]) for k in (1, 2, 3) for axis in (0, 1)])
    adata.obsm["X_s3rl"] = waves.astype(np.float32)
    adata.layers["s3rl"] = np.maximum(readout(waves).smooth(adata.X), 1e-6).astype(np.float32)
    return adata


if __name__ == "__main__":
    main()
