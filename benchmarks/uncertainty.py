"""Is it uncertain where it is wrong, and does it look like domains: ``python benchmarks/uncertainty.py BY3 simulated``.

Names are those of ``benchmarks/domains.py``. Default configuration, number of domains given. Domains are named by the
best one-to-one match with the labels; a spot is wrong if its name is another, and at a border if a neighbour in the
spatial graph has another label. Columns:

- ``wrong``, ``border``: shares of the labelled spots;
- ``<reading>_wrong``, ``<reading>_border``: AUROC of uncertainty, 1 - margin and 1 - agreement for either;
- ``lowest``, ``highest``: share wrong in the quarter of the spots that is least and most uncertain;
- ``near``, ``far``, ``reproducible``, ``cell_types``: from ``s3.tl.contiguity``.

Labels are used for the scores alone. Resumable: rows that the output has already are not measured again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import click
import numpy as np
import pandas as pd
from _domains.data import load, names_of, title_of, without_empty
from _domains.methods import prepare
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, roc_auc_score

import s3rl as s3


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--seeds", default=1, show_default=True)
@click.option("--output", default=Path("benchmarks/results/uncertainty.csv"), type=click.Path(path_type=Path))
def main(names: tuple[str, ...], seeds: int, output: Path) -> None:
    rows = pd.read_csv(output).to_dict("records") if output.exists() else []
    done = {(str(row["dataset"]), row["seed"]) for row in rows}
    for name in names_of(list(names) or ["all"]):
        for seed in range(seeds):
            if (title_of(name), seed) in done:
                continue
            rows.append({"dataset": title_of(name), "seed": seed} | measured(name, seed))
            output.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).round(4).to_csv(output, index=False)
    click.echo(pd.DataFrame(rows).round(3).to_string(index=False))


def measured(name: str, seed: int) -> dict[str, Any]:
    adata, truth = load(name)
    adata = without_empty(adata)
    truth = truth[adata.obs_names]
    prepare(adata)
    s3.pp.signed_neighbors(adata)
    shared = s3.tl.contiguity(adata, rng=seed, copy=True)
    params = {"denoise": "none"}
    s3.tl.s3rl(adata, len(truth.cat.categories), params=params, rng=seed, progress=False, device="cpu")
    known = truth.notna().to_numpy()
    wrong, border = wrong_of(adata, truth)[known], border_of(adata, truth)[known]
    found: dict[str, Any] = {
        "ari": adjusted_rand_score(truth[known], adata.obs["s3rl_domain"][known]),
        "wrong": wrong.mean(),
        "border": border.mean(),
    }
    readings = {name: adata.obs[f"s3rl_{name}"].to_numpy()[known] for name in ("uncertainty", "margin", "agreement")}
    for name, values in readings.items():
        values = values if name == "uncertainty" else -values
        found |= {f"{name}_wrong": roc_auc_score(wrong, values), f"{name}_border": roc_auc_score(border, values)}
    unsure = readings["uncertainty"]
    low, high = np.quantile(unsure, (0.25, 0.75))
    return found | {
        "mean": unsure.mean(),
        "lowest": wrong[unsure <= low].mean(),
        "highest": wrong[unsure >= high].mean(),
        "near": shared.near,
        "far": shared.far,
        "reproducible": shared.reproducible,
        "cell_types": shared.cell_types,
    }


def wrong_of(adata: ad.AnnData, truth: pd.Series) -> np.ndarray:
    """Whether each spot has another name than its label, after the best one-to-one match."""
    known = truth.notna().to_numpy()
    found, labels = adata.obs["s3rl_domain"].cat.codes.to_numpy(), truth.cat.codes.to_numpy()
    together = np.zeros((len(adata.obs["s3rl_domain"].cat.categories), len(truth.cat.categories)))
    np.add.at(together, (found[known], labels[known]), 1)
    name = np.full(len(together), -2)
    rows, columns = linear_sum_assignment(together, maximize=True)
    name[rows] = columns
    return name[found] != labels


def border_of(adata: ad.AnnData, truth: pd.Series) -> np.ndarray:
    """Whether each spot has a neighbour of another label."""
    labels = truth.cat.codes.to_numpy()
    rows, columns = adata.obsp["spatial_connectivities"].nonzero()
    apart = (labels[rows] != labels[columns]) & (labels[rows] >= 0) & (labels[columns] >= 0)
    border = np.zeros(adata.n_obs, dtype=bool)
    border[rows[apart]] = border[columns[apart]] = True
    return border


if __name__ == "__main__":
    main()
