"""Alignment of slices: error against a known truth, layer purity of real pairs, time and memory.

Run from the repository root: ``python benchmarks/alignment.py DATA`` with the folder that holds ``dlpfc``,
``starmap_mpfc`` and ``st_breast``. PASTE2 takes part where it can be imported.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

RESULTS = Path(__file__).parent / "results" / "alignment.csv"
CENTRE = 2200  # pixels from the middle: about 1,160 spots of each section


def known(folder: Path, overlap: float, asked: float | None, seed: int, cut: str) -> list[dict]:
    """STARmap BZ5 and a copy of it, turned, shifted, jittered and thinned; the copy is cut, or each at another side."""
    import anndata as ad
    import numpy as np

    import s3rl as s3

    rng = np.random.default_rng(seed)
    whole = ad.read_h5ad(folder / "starmap_mpfc" / "BZ5.h5ad")
    xy = np.asarray(whole.obsm["spatial"], dtype=float)[:, :2]
    angle = rng.uniform(0, 2 * np.pi)
    along = xy @ [np.cos(angle), np.sin(angle)]
    part = overlap if cut == "the copy" else 1 / (2 - overlap)
    first = whole.copy() if cut == "the copy" else whole[along <= np.quantile(along, part)].copy()
    second = whole[along >= np.quantile(along, 1 - part)].copy()
    shared = len(first.obs_names.intersection(second.obs_names)) / min(first.n_obs, second.n_obs)
    truth = np.asarray(second.obsm["spatial"], dtype=float)[:, :2]
    spot = np.sqrt(np.prod(np.ptp(xy, axis=0)) / len(xy))
    turn = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    second.obsm["spatial"] = (
        (truth - xy.mean(0)) @ rotation.T
        + rng.normal(scale=10 * spot, size=2)
        + rng.normal(scale=0.1 * spot, size=truth.shape)
    )
    dense = second.X.toarray() if hasattr(second.X, "toarray") else np.asarray(second.X)
    second.X = rng.binomial(dense.astype(int), 0.5).astype(np.float32)
    both = ad.concat([first, second], label="slice", keys=["first", "second"], index_unique="-")
    both = both[np.asarray(both.X.sum(axis=1)).ravel() > 0].copy()
    s3.pp.normalize(both)
    start = time.perf_counter()
    s3.pp.align_slices(both, "slice", overlap=asked, mode="rigid", device="cpu")
    seconds = time.perf_counter() - start
    rows = both.obs_names[both.obs["slice"] == "second"].str.removesuffix("-second")
    where = second.obs_names.get_indexer(rows)
    apart = both.obsm["spatial_aligned"][(both.obs["slice"] == "second").to_numpy()] - truth[where]
    found = both.uns["spatial_aligned"]["pairs"]
    return [
        {
            "what": "STARmap BZ5 with a copy of itself",
            "method": f"s3rl rigid, overlap={asked}",
            "case": f"cut: {cut}, true overlap {shared:.2f}, seed {seed}",
            "spots": both.n_obs,
            "error_spots": float(np.median(np.linalg.norm(apart, axis=1)) / spot),
            "overlap": float(found["overlap"][0]),
            "objective": float(found["objective"][0]),
            "seconds": seconds,
        }
    ]


def sections(folder: Path, central: bool):
    """Both DLPFC sections with their shared genes, whole or the middle of each."""
    import anndata as ad
    import numpy as np

    parts = [ad.read_h5ad(folder / "dlpfc" / f"{name}.h5ad") for name in ("151673", "151674")]
    if central:
        middle = [np.asarray(part.obsm["spatial"], float)[:, :2] for part in parts]
        parts = [
            part[(np.abs(xy - xy.mean(0)) < CENTRE).all(axis=1)].copy() for part, xy in zip(parts, middle, strict=True)
        ]
    for part in parts:
        part.obsm["spatial"] = np.asarray(part.obsm["spatial"], float)[:, :2]
    return ad.concat(parts, label="slice", keys=["151673", "151674"], index_unique="-", join="inner")


def purity(first, second, labels_first, labels_second) -> float:
    """Share of the spots on the other slice, within its spacing, whose nearest one there has the same layer."""
    import numpy as np
    from scipy.spatial import cKDTree

    same = []
    for a, b, la, lb in ((first, second, labels_first, labels_second), (second, first, labels_second, labels_first)):
        far, near = cKDTree(b).query(a)
        inside = far < 137.0
        same.append((la == lb[near])[inside & (la != "nan") & (lb[near] != "nan")])
    return float(np.concatenate(same).mean())


def real(folder: Path, method: str, central: bool, overlap: float | None = 1.0) -> list[dict]:
    """The DLPFC pair by one method: purity of the nearest spots and of the pairs of the plan."""
    import scipy.sparse as sp

    import s3rl as s3

    both = sections(folder, central)
    labels = both.obs["ground_truth"].astype(str).to_numpy()
    is_first = (both.obs["slice"] == "151673").to_numpy()
    counts = both.copy()
    s3.pp.normalize(both)
    xy = both.obsm["spatial"]
    start = time.perf_counter()
    plan, objective = None, float("nan")
    if method in {"translation", "rigid"}:
        s3.pp.align_slices(both, "slice", mode=method, overlap=overlap, keep_plan=True, device="cpu")
        xy = both.obsm["spatial_aligned"]
        plan = sp.csr_array(both.obsp["spatial_aligned_plan"])[is_first][:, ~is_first]
        objective = float(both.uns["spatial_aligned"]["pairs"]["objective"][0])
    elif method.startswith("POT"):
        plan, objective = exact(both, is_first, overlap)
    elif method.startswith("PASTE2"):
        plan = paste2(counts, is_first, overlap)
    if plan is not None and method not in {"translation", "rigid"}:
        xy = placed(xy, is_first, plan, rigid=method.endswith("rigid"))
    seconds = time.perf_counter() - start
    row = {
        "what": "DLPFC 151673 and 151674" + (", middle" if central else ""),
        "method": method if method.startswith(("no", "POT", "PASTE2")) else f"s3rl {method}",
        "case": f"overlap {overlap}" if plan is not None else "",
        "spots": both.n_obs,
        "purity_nearest": purity(xy[is_first], xy[~is_first], labels[is_first], labels[~is_first]),
        "objective": objective,
        "seconds": seconds,
    }
    if plan is not None:
        pairs = sp.coo_array(plan)
        one, other = labels[is_first][pairs.row], labels[~is_first][pairs.col]
        named = (one != "nan") & (other != "nan")
        row["purity_plan"] = float(pairs.data[named & (one == other)].sum() / pairs.data[named].sum())
    return [row]


def _problem(both, is_first):
    from s3rl.transport.features import features_of
    from s3rl.transport.task import Slice, task_of

    xy = both.obsm["spatial"]
    features = features_of(both.X[is_first], both.X[~is_first], xy[is_first], xy[~is_first])
    return task_of(Slice(xy[is_first], features[0]), Slice(xy[~is_first], features[1]), rigid=True)


def exact(both, is_first, overlap: float):
    """POT's whole problem on the features, masses and weights of s3rl."""
    import numpy as np

    from s3rl.transport.features import dissimilarity
    from s3rl.transport.fused import Problem, coupled, objective_of
    from s3rl.transport.search import ALPHA

    task = _problem(both, is_first)
    within = [np.linalg.norm(p.xy[:, None] - p.xy, axis=-1) / task.length for p in (task.first, task.second)]
    cost = dissimilarity(task.first.features, task.second.features)
    problem = Problem(cost, *within, task.first.mass, task.second.mass, task.mass(overlap), ALPHA)
    plan = coupled(problem)
    return plan, objective_of(problem, plan)


def paste2(counts, is_first, overlap: float):
    """PASTE2's reference implementation with its defaults but for the dissimilarity: components instead of GLM-PCA."""
    from paste2.PASTE2 import partial_pairwise_align

    first, second = counts[is_first].copy(), counts[~is_first].copy()
    # at 1 it ends with an error of the solver's
    return partial_pairwise_align(first, second, s=min(overlap, 0.99), dissimilarity="pca", verbose=False)


def placed(xy, is_first, plan, *, rigid: bool):
    import scipy.sparse as sp

    from s3rl.transport.placement import placement_of

    moved = xy.copy()
    moved[~is_first] = placement_of(sp.csr_array(plan), xy[is_first], xy[~is_first], rigid=rigid)(xy[~is_first])
    return moved


def chain(folder: Path) -> list[dict]:
    """Four sections of a breast tumour, each onto the one before, overlap estimated; no truth is known."""
    import anndata as ad

    import s3rl as s3

    parts = {f"slice{k}": ad.read_h5ad(folder / "st_breast" / f"slice{k}.h5ad") for k in range(1, 5)}
    both = ad.concat(parts, label="slice", index_unique="-", join="outer", fill_value=0)
    s3.pp.normalize(both)
    rows = []
    for mode, overlap in (("translation", 1.0), ("rigid", 1.0), ("rigid", None)):
        start = time.perf_counter()
        s3.pp.align_slices(both, "slice", mode=mode, overlap=overlap, device="cpu")
        seconds = time.perf_counter() - start
        pairs = both.uns["spatial_aligned"]["pairs"]
        rows += [
            {
                "what": "four breast sections",
                "method": f"s3rl {mode}, overlap={overlap}",
                "case": f"{pairs['second'][k]} onto {pairs['first'][k]}, {pairs['rotation'][k]:.1f} degrees",
                "spots": both.n_obs,
                "overlap": float(pairs["overlap"][k]),
                "objective": float(pairs["objective"][k]),
                "distance_spots": float(pairs["distance"][k]),
                "seconds": seconds / 3,
            }
            for k in range(3)
        ]
    return rows


def _measured(queue, function, arguments) -> None:
    rows = function(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    queue.put([row | {"peak_gb": peak} for row in rows])


def apart(function, *arguments) -> list[dict]:
    """Run in a process of its own, for its peak memory."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measured, args=(queue, function, arguments))
    process.start()
    while process.is_alive() and queue.empty():
        process.join(0.5)
    rows = [] if process.exitcode else queue.get(timeout=30)
    process.join()
    for row in rows:
        print({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}, flush=True)
    return rows


def main() -> None:
    import importlib.util

    import pandas as pd

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=["known", "pair", "chain"], action="append")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    parts = given.only or ["known", "pair", "chain"]
    rows = []
    if "known" in parts:
        for seed in range(given.seeds):
            rows += apart(known, given.folder, 0.7, 0.7, seed, "the copy")
            for overlap in (0.4, 0.55, 0.7, 0.85, 1.0):
                rows += apart(known, given.folder, overlap, None, seed, "both")
    if "pair" in parts:
        for mode in ("none", "translation", "rigid"):
            rows += apart(real, given.folder, "no alignment" if mode == "none" else mode, False)
        methods = ["no alignment", "translation", "rigid", "POT translation", "POT rigid"]
        methods += ["PASTE2 translation", "PASTE2 rigid"] if importlib.util.find_spec("paste2") else []
        for method in methods:
            for overlap in (1.0,) if method.startswith("no") else (1.0, 0.7):
                rows += apart(real, given.folder, method, True, overlap)
    if "chain" in parts:
        rows += apart(chain, given.folder)
    pd.DataFrame(rows).to_csv(RESULTS, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
