"""Spatially variable genes: how often nothing is called, and what planted patterns are found.

``python benchmarks/variable_genes.py [DATA]``; DATA is a folder with ``dlpfc/151673.h5ad`` and
``cosmx/nsclc_fov.h5ad``, without it the simulated part runs alone.

*null*: genes whose normalised values are permuted over the spots (or within domains), so that nothing is there to
find; the share with a p-value of .05, .01 or .001 at most. Half of the genes of the simulated tissue are such, and the
model is trained on all of them. "unseen" genes are permuted after training and denoised by the linear denoiser on the
embedding. On real slices coordinates are permuted, over all spots or within groups.

*power*: a gradient, a wave or patches in one cell type that lies scattered among others; the share of planted genes
that is called at an fdr of .05, and at the threshold at which 5 % of the other genes are called, which is fair to tests
of any size.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import anndata as ad
import click
import numpy as np
import pandas as pd
import scipy.sparse as sp
import squidpy as sq

import s3rl as s3
from s3rl.statistics.multiple import fdr
from s3rl.statistics.readout import readout

LEVELS = (0.05, 0.01, 0.001)
MODES = ("moran", "geary")


@click.command(help=__doc__)
@click.argument("data", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--seeds", default=3, show_default=True)
@click.option("--output", default=Path("benchmarks/results/variable_genes.csv"), type=click.Path(path_type=Path))
def main(data: Path | None, seeds: int, output: Path) -> None:
    warnings.simplefilter("ignore")
    rows: list[dict] = []
    for seed in range(seeds):
        rows += simulated_null(seed) + power(seed)
    if data is not None:
        rows += real_null(data)
    table = pd.DataFrame(rows)
    table = table.groupby(["part", "data", "mode", "test"], sort=False, dropna=False).mean(numeric_only=True).round(4)
    output.parent.mkdir(parents=True, exist_ok=True)
    table.reset_index().to_csv(output, index=False)
    click.echo(table.to_string())


def sizes(pvalues: pd.Series) -> dict[str, float]:
    kept = pvalues.dropna().to_numpy()
    return {"tests": len(kept)} | {f"p<={level}": float((kept <= level).mean()) for level in LEVELS}


def graph(adata: ad.AnnData) -> None:
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)


def tested(adata: ad.AnnData, **arguments) -> pd.DataFrame:
    return s3.tl.spatially_variable_genes(adata, copy=True, **arguments).results


def of_squidpy(adata: ad.AnnData, mode: str, n_perms: int | None = None) -> pd.DataFrame:
    return sq.gr.spatial_autocorr(
        adata, mode=mode, genes=list(adata.var_names), n_perms=n_perms, corr_method=None, copy=True, seed=0, n_jobs=1,
        show_progress_bar=False,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- nothing


def trained(seed: int) -> tuple[ad.AnnData, np.ndarray, np.ndarray]:
    """Tissue with a model, and which genes were permuted over all spots and within domains."""
    adata = s3.datasets.simulated_cortex(600, 800, n_layers=4, image=False, rng=seed).tables["table"]
    s3.pp.normalize(adata, n_top_genes=800)
    rng, domain = np.random.default_rng(seed), adata.obs["domain"].to_numpy()
    values, kind = adata.X.toarray(), np.arange(adata.n_vars) % 4
    for gene in np.flatnonzero(kind == 1):
        values[:, gene] = rng.permutation(values[:, gene])
    for gene in np.flatnonzero(kind == 3):
        for name in np.unique(domain):
            rows = np.flatnonzero(domain == name)
            values[rows, gene] = rng.permutation(values[rows, gene])
    adata.X = sp.csr_matrix(values)
    graph(adata)
    s3.pp.signed_neighbors(adata)
    s3.tl.s3rl(adata, 4, device="cpu", progress=False, rng=seed)
    return adata, adata.var_names[kind == 1], adata.var_names[kind % 2 == 1]


def unseen(adata: ad.AnnData, genes: np.ndarray, seed: int) -> ad.AnnData:
    """The same tissue and embedding with other permutations of the genes, and the linear denoiser's layer."""
    other, rng = adata[:, genes].copy(), np.random.default_rng(100 + seed)
    values = other.X.toarray()
    other.X = sp.csr_matrix(np.column_stack([rng.permutation(column) for column in values.T]))
    other.layers["s3rl"] = readout(other.obsm["X_s3rl"]).smooth(other.X).astype(np.float32)
    return other


def simulated_null(seed: int) -> list[dict]:
    adata, anywhere, within = trained(seed)
    fresh, rows = unseen(adata, anywhere, seed), []
    for mode in MODES:

        def row(test: str, pvalues: pd.Series, mode: str = mode) -> None:
            rows.append({"part": "null", "data": "simulated", "mode": mode, "test": test} | sizes(pvalues))

        theirs = of_squidpy(adata[:, anywhere].copy(), mode, 199)
        row("squidpy pval_norm", theirs["pval_norm"])
        row("squidpy pval_sim", theirs["pval_sim"])
        for name, groupby, genes in (("overall", None, anywhere), ("within domains", "domain", within)):
            raw = tested(adata, mode=mode, groupby=groupby, genes=genes, n_perms=199)
            row(f"{name}, raw", raw["pvalue"])
            row(f"{name}, raw, permutations", raw["pvalue_permuted"])
            late = tested(adata, mode=mode, groupby=groupby, genes=genes, layer="s3rl", calibrate=True)
            row(f"{name}, denoised, not calibrated", late["pvalue"])
            row(f"{name}, denoised, calibrated", late["pvalue_calibrated"])
            late = tested(fresh, mode=mode, groupby=groupby, layer="s3rl", calibrate=True)
            row(f"{name}, denoised, unseen, not calibrated", late["pvalue"])
            row(f"{name}, denoised, unseen, calibrated", late["pvalue_calibrated"])
    return rows


def real_null(data: Path) -> list[dict]:
    rows = []
    for name, file, groupby in (
        ("DLPFC 151673", "dlpfc/151673.h5ad", "ground_truth"),
        ("CosMx lung", "cosmx/nsclc_fov.h5ad", "cell_type"),
    ):
        adata = ad.read_h5ad(data / file)
        s3.pp.normalize(adata)
        anywhere, inside, rng = adata.copy(), adata.copy(), np.random.default_rng(0)
        anywhere.obsm["spatial"] = rng.permutation(np.asarray(adata.obsm["spatial"]))
        graph(anywhere)
        xy, labels = np.asarray(adata.obsm["spatial"]).copy(), adata.obs[groupby].astype(str).to_numpy()
        for label in np.unique(labels):
            own = np.flatnonzero(labels == label)
            xy[own] = xy[rng.permutation(own)]
        inside.obsm["spatial"] = xy
        for mode in MODES:
            here = {"part": "null", "data": name, "mode": mode}
            rows.append(here | {"test": "squidpy pval_norm"} | sizes(of_squidpy(anywhere, mode)["pval_norm"]))
            start = time.perf_counter()
            found = tested(anywhere, mode=mode)["pvalue"]
            rows.append(here | {"test": "overall, raw", "s": time.perf_counter() - start} | sizes(found))
            start = time.perf_counter()
            found = tested(inside, mode=mode, groupby=groupby)["pvalue"]
            rows.append(here | {"test": f"within {groupby}, raw", "s": time.perf_counter() - start} | sizes(found))
    return rows


# ------------------------------------------------------------------------------------------------------------ something


def planted(seed: int) -> tuple[ad.AnnData, dict[str, np.ndarray]]:
    """1,200 cells of four types mixed over a square; 400 genes, markers among them; patterns in the 300 of type a."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(size=(1200, 2))
    types = rng.permutation(np.repeat(["a", "b", "c", "d"], [300, 500, 350, 50]))
    rates = np.exp(rng.normal(-0.5, 1.0, size=400))[None, :] * np.ones((1200, 1))
    for number, name in enumerate("abcd"):
        rates[np.ix_(types == name, np.arange(300 + 10 * number, 310 + 10 * number))] *= 4
    inside, x, y = types == "a", *xy.T
    spots = xy[rng.choice(np.flatnonzero(inside), 8, replace=False)]
    shapes = {
        "gradient": np.exp(1.4 * (x - 0.5)),
        "wave": np.exp(0.7 * np.sin(6 * np.pi * y)),
        "patches": np.where((np.linalg.norm(xy[:, None] - spots, axis=2) < 0.08).any(axis=1), 3.0, 1.0),
    }
    genes = {name: np.arange(20 * number, 20 * number + 20) for number, name in enumerate(shapes)}
    for name, shape in shapes.items():
        rates[np.ix_(inside, genes[name])] *= shape[inside][:, None]
    counts = rng.poisson(rates * rng.gamma(4, 0.25, size=rates.shape) * rng.lognormal(sigma=0.3, size=(1200, 1)))
    adata = ad.AnnData(sp.csr_matrix(counts.astype(np.float32)), obs=pd.DataFrame({"type": pd.Categorical(types)}))
    adata.obs_names, adata.var_names = adata.obs_names.astype(str), [f"G{i}" for i in range(400)]
    adata.obsm["spatial"] = xy
    s3.pp.normalize(adata)
    return adata, {name: np.array([f"G{i}" for i in numbers]) for name, numbers in genes.items()}


def power(seed: int) -> list[dict]:
    adata, genes = planted(seed)
    subset = adata[(adata.obs["type"] == "a").to_numpy()].copy()
    graph(subset)
    rows = []
    for mode in MODES:
        theirs = of_squidpy(subset, mode)
        found = {"squidpy on the subset": pd.Series(theirs["pval_norm"].to_numpy(), theirs.index)}
        own = tested(adata, mode=mode, groupby="type")
        own = own[(own["group"] == "a").to_numpy()]
        found["within type a"] = pd.Series(own["pvalue"].to_numpy(), own["gene"])
        flat = [name for name in adata.var_names if name not in set(np.concatenate(list(genes.values())))]
        for test, pvalues in found.items():
            pvalues = pvalues[pvalues.index.isin(adata.var_names)]
            adjusted = pd.Series(fdr(pvalues.to_numpy()), pvalues.index)
            fair = np.nanquantile(pvalues.reindex(flat), 0.05)
            row = {"part": "power", "data": "simulated", "mode": mode, "test": test, "tests": len(pvalues)}
            row["p<=0.05"] = float((pvalues.reindex(flat) <= 0.05).mean())
            row["flat, fdr"] = float((adjusted.reindex(flat) <= 0.05).mean())
            for name, planted_genes in genes.items():
                row[f"{name}, fdr"] = float((adjusted.reindex(planted_genes) <= 0.05).mean())
                row[f"{name}, fair"] = float((pvalues.reindex(planted_genes) <= fair).mean())
            rows.append(row)
    return rows


if __name__ == "__main__":
    main()
