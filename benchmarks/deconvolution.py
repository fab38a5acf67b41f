"""Planted proportions: ``python benchmarks/deconvolution.py DATA`` with the folder that holds ``deconvolution``.

Spots are sums of single cells, simulated or real (lymph node), that are not in the reference. For each tissue and
method: root mean squared error of the proportions and correlation over the spots, the mean over the types, with the
cells that were drawn; and the error against the proportions that they were drawn from, which is what a region holds.
RCTD and Tangram take part where they can be imported (``benchmarks/peers/deconvolution.txt``). Resumable: what the
table holds is not computed again. ``--only size`` measures time and memory at 3,600 spots x 20 types, with 4,000 and
with 80,000 reference cells.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import resource
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import anndata as ad
import click
import numpy as np
import pandas as pd
import scipy.sparse as sp
from _mixtures import Mixture, array, fields, neighbours, of_real_cells, simulated
from scipy.optimize import nnls

import s3rl as s3

TISSUES = [
    {"depth": 500, "platform": 0.3, "scattered": False},
    {"depth": 3000, "platform": 0.3, "scattered": False},
    {"depth": 1000, "platform": 0.8, "scattered": False},
    {"depth": 1000, "platform": 0.3, "scattered": True},
]
OURS = {
    "contrastive": {},
    "contrastive, contrast=0": {"params": {"contrast": 0.0}},
    "contrastive, layer=s3rl": {"layer": "s3rl"},
    "contrastive, layer=s3rl, logarithms": {"layer": "s3rl", "params": {"denoise": "logarithms"}},
    "car": {"method": "car"},
    "car, gaussian": {"method": "car", "params": {"noise": "gaussian"}},
    "car, layer=s3rl": {"method": "car", "layer": "s3rl"},
}


@click.command(help=__doc__)
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--spots", default=300, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--only", type=click.Choice(["truth", "size"]))
@click.option("--output", default=Path("benchmarks/results"), type=click.Path(path_type=Path))
def main(data: Path, spots: int, seeds: int, only: str | None, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    logging.getLogger("s3rl").setLevel(logging.WARNING)
    warnings.simplefilter("ignore")
    if only in (None, "truth"):
        truth(data, spots, seeds, output / "deconvolution.csv")
    if only in (None, "size"):
        sizes(output / "deconvolution_size.csv")


def truth(data: Path, spots: int, seeds: int, path: Path) -> None:
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    for cells in ("simulated", "lymph node"):
        for tissue in TISSUES:
            for seed in range(seeds):
                where = {"cells": cells, **tissue, "seed": seed}
                done = {row["method"] for row in rows if where.items() <= row.items()}
                wanted = [method for method in methods(seed) if method not in done]
                if not wanted:
                    continue
                rng = np.random.default_rng(seed)
                how = {"n": spots, **tissue}
                made = simulated(rng, **how) if cells == "simulated" else of_real_cells(data, rng, **how)
                for method, values, seconds in estimates(made, wanted):
                    rows.append(where | {"method": method} | scores(values, made) | {"seconds": round(seconds, 2)})
                pd.DataFrame(rows).to_csv(path, index=False, float_format="%.4f")
                click.echo(where)
    table = pd.DataFrame(rows)
    for cells, part in table.groupby("cells", sort=False):
        click.echo(cells)
        for value in ("rmse", "correlation", "rmse_expected"):
            click.echo(f"{value}, mean over the seeds, by depth, platform, scattered")
            wide = part.pivot_table(value, "method", ["depth", "platform", "scattered"], sort=False)
            click.echo(wide.assign(mean=wide.mean(axis=1)).round(3).to_string())


def methods(seed: int) -> list[str]:
    """Names of what runs for a seed: the others' packages, which take a minute each, for the first one only."""
    peers = [name for name, module in (("RCTD", "rctd"), ("Tangram", "tangram")) if find_spec(module) and seed == 0]
    return [*OURS, "NNLS", "NNLS, weighted", "nearest mean", *peers]


def scores(values: np.ndarray, made: Mixture) -> dict[str, float]:
    def error(against: np.ndarray) -> float:
        return float(np.sqrt(((values - against) ** 2).mean()))

    both = zip(values.T, made.drawn.T, strict=True)
    each = [np.corrcoef(one, other)[0, 1] if one.std() > 0 else 0.0 for one, other in both]
    return {"rmse": error(made.drawn), "correlation": float(np.mean(each)), "rmse_expected": error(made.expected)}


def estimates(made: Mixture, wanted: list[str]) -> Iterator[tuple[str, np.ndarray, float]]:
    """Yield the name, the proportions (n, k) and the seconds of each method."""
    spots = made.spots.copy()
    spots.obsp["spatial_connectivities"] = neighbours(spots.obsm["spatial"])
    s3.pp.normalize(spots)
    if any("layer" in OURS.get(name, {}) for name in wanted):
        s3.pp.signed_neighbors(spots)
        s3.tl.s3rl(spots, 5, progress=False, device="cpu")
    others = {
        "NNLS": least_squares,
        "NNLS, weighted": weighted_least_squares,
        "nearest mean": nearest,
        "RCTD": rctd,
        "Tangram": tangram,
    }
    for name in wanted:
        start = time.perf_counter()
        if name in OURS:
            given = {"cell_type_key": "cell_type", "progress": False, "device": "cpu", "copy": True} | OURS[name]
            values = s3.tl.deconvolve(spots, made.reference, **given).proportions.to_numpy()
        else:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                values = others[name](made)
        yield name, values, time.perf_counter() - start


# ------------------------------------------------------------------------------------------------------- other ways


def shares(made: Mixture) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of the shared genes in the spots (n, g) and in each type (k, g), and mean counts (k,) of the types."""
    genes = made.spots.var_names
    counts = made.reference.X.toarray()
    total = counts.sum(axis=1)
    codes = made.reference.obs["cell_type"].cat.codes.to_numpy()
    cells = made.reference[:, genes].X.toarray() / total[:, None]
    kinds = range(codes.max() + 1)
    spots = made.spots.X.toarray()
    return (
        spots / spots.sum(axis=1, keepdims=True),
        np.stack([cells[codes == kind].mean(axis=0) for kind in kinds]),
        np.array([total[codes == kind].mean() for kind in kinds]),
    )


def per_cell(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    values = np.maximum(values, 0) / sizes
    return values / np.maximum(values.sum(axis=1, keepdims=True), 1e-12)


def least_squares(made: Mixture) -> np.ndarray:
    spots, means, sizes = shares(made)
    return per_cell(np.stack([nnls(means.T, spot)[0] for spot in spots]), sizes)


def weighted_least_squares(made: Mixture) -> np.ndarray:
    """Residuals over the square root of the mean, the noise of counts."""
    spots, means, sizes = shares(made)
    weights = 1 / np.sqrt(spots.mean(axis=0) + 1e-7)
    return per_cell(np.stack([nnls((means * weights).T, spot * weights)[0] for spot in spots]), sizes)


def nearest(made: Mixture) -> np.ndarray:
    """The type of largest cosine, of logarithms, has all of the spot."""
    spots, means, _ = shares(made)
    spots, means = np.log1p(1e4 * spots), np.log1p(1e4 * means)
    cosine = (spots / np.linalg.norm(spots, axis=1, keepdims=True)) @ (
        means / np.linalg.norm(means, axis=1, keepdims=True)
    ).T
    return np.eye(len(means))[cosine.argmax(axis=1)]


def rctd(made: Mixture) -> np.ndarray:
    """Full mode; needs its tables, or those that ``rctd_tables`` makes, named by ``RCTD_Q_MATRICES``.

    Its weights are of normalised profiles, so they are divided by the mean counts of the
    types too.
    """
    from rctd import RCTDConfig, Reference, run_rctd

    config = RCTDConfig(UMI_min=1, UMI_min_sigma=100, counts_MIN=1, K_val=300, compile=False)
    found = run_rctd(made.spots.copy(), Reference(made.reference.copy(), cell_min=5), mode="full", config=config)
    weights = pd.DataFrame(np.asarray(found.weights), columns=list(found.cell_type_names))
    values = weights[list(made.reference.obs["cell_type"].cat.categories)].to_numpy()
    whole = np.full((made.spots.n_obs, values.shape[1]), values.mean(axis=0))
    whole[np.asarray(found.pixel_mask)] = values
    return per_cell(whole, shares(made)[2])


def rctd_tables(path: Path) -> None:
    """Likelihoods of 14 noise levels up to 300 counts, by RCTD's own integration, where it cannot download them."""
    from rctd._likelihood import build_x_vals, compute_q_matrix

    grid = build_x_vals()
    levels = (100, 90, 80, 72, 66, 60, 54, 48, 42, 36, 30, 24, 18, 12)
    np.savez(path, X_vals=grid, **{f"Q_{level}": compute_q_matrix(level / 100, grid, 300) for level in levels})


def tangram(made: Mixture) -> np.ndarray:
    """Cells mode, 300 epochs, the genes that differ most between the types; sums of each type's cells."""
    import scanpy as sc
    import tangram as tg

    spots, cells = made.spots.copy(), made.reference.copy()
    for table in (spots, cells):
        sc.pp.normalize_total(table, target_sum=1e4)
        sc.pp.log1p(table)
    sc.tl.rank_genes_groups(cells, "cell_type", method="t-test")
    ranked = pd.DataFrame(cells.uns["rank_genes_groups"]["names"]).iloc[:100]
    tg.pp_adatas(cells, spots, genes=list(np.unique(ranked.to_numpy())))
    mapped = tg.map_cells_to_space(
        cells, spots, mode="cells", device="cpu", num_epochs=300, random_state=0, verbose=False
    )
    tg.project_cell_annotations(mapped, spots, annotation="cell_type")
    values = spots.obsm["tangram_ct_pred"][list(made.reference.obs["cell_type"].cat.categories)].to_numpy()
    return per_cell(values, np.ones(values.shape[1]))


# ------------------------------------------------------------------------------------------------------------- size


def sizes(path: Path) -> None:
    rows = []
    for n, k, cells, genes in ((3600, 20, 4000, 2000), (3600, 20, 80_000, 2000)):
        spots, reference = large(n, k, cells, genes)
        for method in ("contrastive", "car"):
            start, busy = time.perf_counter(), time.process_time()
            s3.tl.deconvolve(spots, reference, cell_type_key="cell_type", method=method, progress=False, device="cpu")
            used = len(spots.uns["proportions"]["genes"])
            row = {"spots": n, "types": k, "cells": cells, "genes": used, "method": method}
            row |= {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - busy}
            rows.append(row | {"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20})
            click.echo(rows[-1])
            pd.DataFrame(rows).round(2).to_csv(path, index=False)


def large(n: int, k: int, cells: int, genes: int) -> tuple[ad.AnnData, ad.AnnData]:
    """Spots and a sparse reference, tenth of it non-zero, in blocks so that neither is ever dense in one piece."""
    rng = np.random.default_rng(0)
    profiles = rng.lognormal(0, 1.5, genes) * np.exp(rng.normal(0, 1, (k, genes)))
    profiles /= profiles.sum(axis=1, keepdims=True)
    codes = np.arange(cells) % k
    blocks = [
        sp.csr_matrix(rng.poisson(300 * profiles[codes[first : first + 4000]]).astype(np.float32))
        for first in range(0, cells, 4000)
    ]
    names = pd.DataFrame(index=[f"GENE{i}" for i in range(genes)])
    reference = ad.AnnData(sp.vstack(blocks).tocsr(), var=names)
    reference.obs["cell_type"] = pd.Categorical([f"type{code:02d}" for code in codes])
    xy = array(n)
    counts = rng.poisson(2000 * fields(xy, k, rng) @ profiles).astype(np.float32)
    spots = ad.AnnData(sp.csr_matrix(counts), var=names.copy())
    spots.obsm["spatial"] = xy
    spots.obsp["spatial_connectivities"] = neighbours(xy)
    s3.pp.normalize(spots)
    return spots, reference


if __name__ == "__main__":
    main()
