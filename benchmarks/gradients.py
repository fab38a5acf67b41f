"""False and true gradients around a structure: ``python benchmarks/gradients.py``.

Simulated cortex with an embedding and a denoised layer trained on it. The target is the white matter, or twelve points
drawn at random for each repetition; genes are those planted without a pattern, those with a slope along the depth, and
markers of layers; beside them pairs of genes without a pattern, and such genes between neighbouring layers. Shuffled
tissue has its coordinates exchanged before the graph is made and the model trained. The share of tests with p below .05
is written for the plain p-value, that for autocorrelated spots, and that of permutations, raw and denoised.
"""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import click
import numpy as np
import pandas as pd
import squidpy as sq

import s3rl as s3

TESTS = ("pvalue", "pvalue_spatial", "pvalue_calibrated")


@click.command(help=__doc__)
@click.option("--seeds", default=5, show_default=True)
@click.option("--spots", default=600, show_default=True)
@click.option("--genes", default=400, show_default=True)
@click.option("--epochs", default=200, show_default=True)
@click.option("--permutations", default=499, show_default=True)
@click.option("--output", default=Path("benchmarks/results/gradients.csv"), type=click.Path(path_type=Path))
def main(seeds: int, spots: int, genes: int, epochs: int, permutations: int, output: Path) -> None:
    rows = []
    for seed in range(seeds):
        for tissue in ("tissue", "shuffled"):
            adata = trained(seed, spots, genes, epochs, shuffled=tissue == "shuffled")
            found = shares(adata, seed, permutations) + others(adata, seed, permutations)
            rows += [{"seed": seed, "tissue": tissue} | row for row in found]
            output.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).to_csv(output, index=False)
    table = pd.DataFrame(rows).groupby(["tissue", "target", "kind", "layer"], sort=False)
    click.echo(table[["genes", *TESTS]].mean().round(3).to_string())


def trained(seed: int, spots: int, genes: int, epochs: int, *, shuffled: bool) -> ad.AnnData:
    """Simulated cortex with a denoised layer; its genes are named by what was planted."""
    params = {"gradient": 2.0, "counts_per_gene": 1.0}
    sdata = s3.datasets.simulated_cortex(spots, genes, image=False, params=params, rng=seed)
    adata = sdata.tables["table"]
    if shuffled:
        adata.obsm["spatial"] = np.random.default_rng(seed).permutation(adata.obsm["spatial"])
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    s3.tl.s3rl(adata, n_domains=5, params={"max_epochs": epochs}, rng=seed, progress=False, device="cpu")
    return adata


def shares(adata: ad.AnnData, seed: int, permutations: int) -> list[dict[str, object]]:
    low, high = adata.obsm["spatial"].min(axis=0), adata.obsm["spatial"].max(axis=0)
    points = np.random.default_rng(100 + seed).uniform(low, high, size=(12, 2))
    rows = []
    for target, structure in (("white matter", ("domain", "WM")), ("points", points)):
        if target == "white matter" and not has_layers(adata):
            target, structure = "one point", points[:1]
        results = s3.tl.distance_gradient(adata, structure, calibrate=permutations, rng=seed, copy=True).results
        for kind, chosen in kinds(adata).items():
            for layer in ("X", "s3rl"):
                own = results[results["gene"].isin(chosen) & (results["layer"] == layer)]
                rows.append({"target": target, "kind": kind, "layer": layer, "genes": len(chosen)}
                            | {test: float((own[test] < 0.05).mean()) for test in TESTS})  # fmt: skip
    return rows


def has_layers(adata: ad.AnnData) -> bool:
    """Whether the depth still follows the coordinates."""
    return bool(abs(np.corrcoef(adata.obs["depth"], adata.obsm["spatial"][:, 1])[0, 1]) > 0.5)


def kinds(adata: ad.AnnData) -> dict[str, pd.Index]:
    """Genes by what was planted."""
    var = adata.var
    return {
        "without a pattern": var.index[var["kind"] == "null"],
        "markers of layers": var.index[var["kind"] == "marker"],
        "slope along depth": var.index[(var["kind"] == "gradient") & (var["depth_slope"] != 0)],
    }


def others(adata: ad.AnnData, seed: int, permutations: int) -> list[dict[str, object]]:
    """The same for pairs of genes without a pattern, and for such genes between neighbouring layers."""
    null = kinds(adata)["without a pattern"]
    rows = []
    pairs = s3.tl.coexpression(adata, null[:60], threshold=0.0, calibrate=permutations, rng=seed, copy=True).results
    for layer in ("X", "s3rl"):
        arguments = {"layer": None if layer == "X" else layer, "calibrate": permutations, "rng": seed, "copy": True}
        found = {"pairs of genes": pairs[pairs["layer"] == layer]}
        for groupby in ("domain", "s3rl_domain") if has_layers(adata) else ():
            ranked = s3.tl.rank_domains(adata, groupby=groupby, **arguments).results
            found[groupby] = ranked[ranked["gene"].isin(null)]
        rows += [
            {"target": target, "kind": "without a pattern", "layer": layer, "genes": len(own)}
            | {test: float((own[test] < 0.05).mean()) for test in (TESTS[0], TESTS[2])}
            for target, own in found.items()
        ]
    return rows


if __name__ == "__main__":
    main()
