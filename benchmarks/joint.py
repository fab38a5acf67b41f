"""Two sections in one model: ``python benchmarks/joint.py 151673.h5ad 151674.h5ad``.

Adjusted Rand index over the labelled spots of each section, default configuration, number of domains given, for

- ``alone``: each section by itself, on the genes that both have;
- ``joint``: both in one model, no edge between them;
- ``aligned``: both in one model, aligned by translation, neighbours across;
- ``cropped``: as ``aligned``, after a random 30 % of each section was cut away, another cut for each seed;
- ``transfer``: a model of the first section applied to the second.

``same_layer`` is the share of spots whose domain has the same most frequent layer in both sections. Labels are used for
the score alone. Resumable: rows that the output has already are not measured again.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import anndata as ad
import click
import numpy as np
import pandas as pd
import squidpy as sq
from sklearn.metrics import adjusted_rand_score

import s3rl as s3

CASES = ("alone", "joint", "aligned", "cropped", "transfer")
QUICK = {"denoise": "none"}


@click.command(help=__doc__)
@click.argument("files", nargs=2, type=click.Path(exists=True, path_type=Path))
@click.option("--label", default="ground_truth", show_default=True)
@click.option("--seeds", default=10, show_default=True)
@click.option("--case", "cases", multiple=True, type=click.Choice(CASES), default=CASES)
@click.option("--output", default=Path("benchmarks/results/joint.csv"), type=click.Path(path_type=Path))
def main(files: tuple[Path, Path], label: str, seeds: int, cases: tuple[str, ...], output: Path) -> None:
    rows = pd.read_csv(output).to_dict("records") if output.exists() else []
    done = {(row["case"], row["seed"]) for row in rows}
    pair = Pair(files, label)
    for seed in range(seeds):
        for case in cases:
            if (case, seed) in done:
                continue
            start = time.perf_counter()
            found = getattr(pair, case)(seed)
            rows.append({"case": case, "seed": seed} | found | {"seconds": round(time.perf_counter() - start, 1)})
            click.echo(rows[-1])
            output.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).to_csv(output, index=False)
    table = pd.DataFrame(rows)
    numbers = table.drop(columns=["seed", "batch"], errors="ignore")
    click.echo(numbers.groupby("case").agg(["mean", "std"]).round(3).T.to_string())


class Pair:
    """Two sections on the genes that both have."""

    def __init__(self, files: tuple[Path, Path], label: str) -> None:
        raw = {file.stem: ad.read_h5ad(file) for file in files}
        self.names, self.label = list(raw), label
        shared = sorted(set.intersection(*(set(one.var_names) for one in raw.values())))
        self.single = {name: one[:, shared].copy() for name, one in raw.items()}
        self.both = ad.concat(self.single, label="slice", index_unique="-")
        self.k = self.both.obs[label].nunique()
        for one in self.single.values():
            s3.pp.normalize(one)
            _graph(one, None)
        s3.pp.normalize(self.both, library_key="slice")

    def alone(self, seed: int) -> dict[str, Any]:
        found = {name: s3.tl.s3rl(one, self.k, rng=seed, params=QUICK, progress=False, copy=True)
                 for name, one in self.single.items()}  # fmt: skip
        return self._scores({name: self._ari(self.single[name], result.domain) for name, result in found.items()})

    def joint(self, seed: int) -> dict[str, Any]:
        both = self.both.copy()
        _graph(both, "slice")
        return self._fit(both, seed)

    def aligned(self, seed: int) -> dict[str, Any]:
        both = self.both.copy()
        _graph_across(both)
        return self._fit(both, seed)

    def cropped(self, seed: int) -> dict[str, Any]:
        both = s3.pp.crop_slices(self.both, "slice", fraction=0.3, rng=seed)
        _graph_across(both)
        return self._fit(both, seed) | {"spots": both.n_obs}

    def transfer(self, seed: int) -> dict[str, Any]:
        first, second = (self.single[name] for name in self.names)
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            s3.tl.s3rl(first.copy(), self.k, rng=seed, params=QUICK, progress=False, model_dir=model)
            start = time.perf_counter()
            found = s3.tl.transfer(second, model, copy=True)
            seconds = time.perf_counter() - start
        return {self.names[1]: self._ari(second, found.domain), "transfer_s": seconds}

    def _fit(self, both: ad.AnnData, seed: int) -> dict[str, Any]:
        found = s3.tl.s3rl(both, self.k, library_key="slice", rng=seed, params=QUICK, progress=False, copy=True)
        parts = {name: (both.obs["slice"] == name).to_numpy() for name in self.names}
        scores = {name: self._ari(both[part], found.domain[part]) for name, part in parts.items()}
        return self._scores(scores) | {
            "together": self._ari(both, found.domain),
            "same_layer": self._same_layer(both, found.domain.to_numpy(), parts),
            "batch": found.record["batch"],
        }

    def _ari(self, adata: ad.AnnData, found: pd.Series) -> float:
        known = adata.obs[self.label].notna().to_numpy()
        return float(adjusted_rand_score(adata.obs[self.label][known], found.to_numpy()[known]))

    def _scores(self, scores: dict[str, float]) -> dict[str, float]:
        return scores | {"mean": float(np.mean(list(scores.values())))}

    def _same_layer(self, both: ad.AnnData, domain: np.ndarray, parts: dict[str, np.ndarray]) -> float:
        layer = both.obs[self.label]
        most = [pd.crosstab(domain[part], layer[part].to_numpy()).idxmax(axis=1) for part in parts.values()]
        agree = {name for name in most[0].index.intersection(most[1].index) if most[0][name] == most[1][name]}
        return float(np.isin(domain, list(agree)).mean())


def _graph(adata: ad.AnnData, library_key: str | None) -> None:
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6, library_key=library_key)
    s3.pp.signed_neighbors(adata, library_key=library_key)


def _graph_across(both: ad.AnnData) -> None:
    s3.pp.align_slices(both, "slice")
    s3.pp.slice_neighbors(both, "slice")
    s3.pp.signed_neighbors(both, library_key="slice")


if __name__ == "__main__":
    main()
