"""Domains of real slices by the defaults, beside the untrained floor: ``python benchmarks/slices.py FILE...``.

For each slice and seed: ARI of ``obs["s3rl_domain"]``, ARI of a tied Gaussian mixture on the embedding, and ARI of the
floor (15 principal components of scaled expression, diffused over the spatial graph with strength 1, tied Gaussian
mixture). Labels are used for the score alone; spots without a label are kept.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import anndata as ad
import click
import numpy as np
import pandas as pd
import scipy.sparse as sp
import squidpy as sq
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

import s3rl as s3
from s3rl.fit.views import anchors, principal_components

FLOOR_VIEW = 3  # 15 components, strength 1


@click.command(help=__doc__)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--label", default="ground_truth", show_default=True)
@click.option("--seeds", default=10, show_default=True)
@click.option("--output", default=Path("benchmarks/results/slices.csv"), type=click.Path(path_type=Path))
def main(files: tuple[Path, ...], label: str, seeds: int, output: Path) -> None:
    rows = []
    for file in files:
        adata = prepare(file)
        for seed in range(seeds):
            rows.append({"slice": file.stem, "seed": seed} | measure(adata, label, seed))
            click.echo(rows[-1])
            output.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).to_csv(output, index=False)
    table = pd.DataFrame(rows)
    scores = table.groupby("slice")[["floor", "mixture", "domain", "seconds"]].agg(["mean", "std", "min"]).round(3)
    click.echo(scores.to_string())
    click.echo(table[["floor", "mixture", "domain"]].mean().round(3).to_string())
    click.echo(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


def prepare(file: Path) -> ad.AnnData:
    adata = ad.read_h5ad(file)
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    return adata


def measure(adata: ad.AnnData, label: str, seed: int) -> dict[str, float]:
    n_domains = adata.obs[label].nunique()
    start = time.perf_counter()
    s3.tl.s3rl(adata, n_domains, rng=seed, progress=False)
    seconds = time.perf_counter() - start
    return {
        "floor": score(adata, label, mixture(floor_view(adata), n_domains, seed)),
        "mixture": score(adata, label, mixture(adata.obsm["X_s3rl"], n_domains, seed)),
        "domain": score(adata, label, adata.obs["s3rl_domain"].to_numpy()),
        "used": adata.obs["s3rl_domain"].nunique(),
        "epochs": len(adata.uns["s3rl"]["history"]["loss"]),
        "seconds": round(seconds, 1),
    }


def floor_view(adata: ad.AnnData) -> np.ndarray:
    x = sp.csr_matrix(adata.X)[:, adata.var["highly_variable"].to_numpy()]
    graph = sp.csr_matrix(adata.obsp["spatial_connectivities"])
    spatial = sp.csr_matrix(((graph + graph.T) > 0).astype(np.float32))
    return anchors(principal_components(x, 20, seed=0), spatial)[FLOOR_VIEW]


def mixture(view: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    return GaussianMixture(n_domains, covariance_type="tied", reg_covar=1e-4, random_state=seed).fit_predict(view)


def score(adata: ad.AnnData, label: str, found: np.ndarray) -> float:
    known = adata.obs[label].notna().to_numpy()
    return adjusted_rand_score(adata.obs[label][known], found[known])


if __name__ == "__main__":
    main()
