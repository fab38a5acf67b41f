"""Every run as a dot: a panel for each data set, a line for each method, the best on top."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from _domains.data import CELL_TYPES
from _domains.data import GROUPS as SETS
from _domains.methods import ABLATIONS, FLOORS, title_of
from _domains.summary import from_best
from _domains.tissues import TISSUES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, ABLATED, BELOW, OTHERS = "#c1272d", "#e39a54", "#8c8c8c", "#3b6fb6"


def figures(table: pd.DataFrame, output: Path) -> list[Path]:
    """Draw the runs with unlabelled spots kept (dropped, where there are no others) beside ``output``."""
    for protocol in ("kept", "dropped"):
        runs = table[table["protocol"] == protocol]
        if len(runs):
            break
    simulated, ablated = runs["dataset"].isin(TISSUES), runs["method"].isin(ABLATIONS)
    reference = runs["method"] == "s3rl"
    ours_on = runs["dataset"].isin(runs.loc[ablated, "dataset"])
    parts = {
        "real": runs[~simulated & ~ablated],
        "simulated": runs[simulated & ~ablated],
        "ablations": runs[~simulated & (ablated | reference & ours_on)],
        "ablations_simulated": runs[simulated & (ablated | reference & ours_on)],
    }
    made = []
    for name, part in parts.items():
        if len(part) and not (name.startswith("ablations") and not part["method"].isin(ABLATIONS).any()):
            made.append(output.with_name(f"{output.stem}_{name}.png"))
            draw(part, made[-1])
    return made


def draw(runs: pd.DataFrame, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    datasets = [name for name in SETS["all"] if name in set(runs["dataset"])]
    datasets += sorted(set(runs["dataset"]) - set(datasets))
    order = from_best(runs)[::-1]
    n_columns = 4 if len(datasets) in (7, 8) else min(5, len(datasets))
    n_rows = -(-len(datasets) // n_columns)
    size = (2.1 + 2.1 * n_columns, n_rows * (0.7 + 0.2 * len(order)))
    figure, axes = plt.subplots(n_rows, n_columns, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, dataset in zip(axes.flat, datasets, strict=False):
        panel(ax, runs[runs["dataset"] == dataset], order)
        ax.set_title(f"{dataset} (cell types)" if dataset in CELL_TYPES else dataset, fontsize=9)
    for label in (label for ax in axes[:, 0] for label in ax.get_yticklabels()):
        if label.get_text() == "s3rl":
            label.set(color=OURS, fontweight="bold")
    for ax in axes.flat[len(datasets) :]:
        ax.set_visible(False)
    figure.supxlabel("adjusted Rand index, a dot for each seed", fontsize=9)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def panel(ax: Axes, runs: pd.DataFrame, order: list[str]) -> None:
    rng = np.random.default_rng(0)
    for place, method in enumerate(order):
        values = runs.loc[runs["method"] == method, "ari"].to_numpy()
        if not len(values):
            continue
        jitter = rng.uniform(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1)
        ax.scatter(values, place + jitter, s=9, color=colour(method), alpha=0.6, linewidths=0)
        ax.plot([values.mean()] * 2, [place - 0.36, place + 0.36], color=colour(method), linewidth=1.6)
    ax.set_yticks(range(len(order)), [title_of(method) for method in order], fontsize=7.5)
    ax.set_ylim(-0.7, len(order) - 0.3)
    ax.tick_params(axis="x", labelsize=7.5)
    ax.xaxis.get_major_locator().set_params(nbins=5)
    ax.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)


def colour(method: str) -> str:
    if method in ABLATIONS:
        return ABLATED
    if method in FLOORS:
        return BELOW
    return OURS if method in ("s3rl", "s3rl-embedding", "consensus") else OTHERS
