"""Parts of ``pl.spatially_variable_genes``: the tests as they are stored, and a dot for each group and gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._slots.table import slot_of
from s3rl.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CALL = "s3.tl.spatially_variable_genes(adata)"
LEVEL = 0.05
_COLUMNS = {"group", "gene", "statistic", "pvalue", "fdr"}
# a larger dot would touch the next one
_MOST = 10.0


class Tests(NamedTuple):
    """The table, the statistic's name, and which p-values count."""

    frame: pd.DataFrame
    params: dict[str, Any]
    pvalue: str
    fdr: str

    @property
    def letter(self) -> str:
        """Letter of the statistic."""
        return "C" if self.params.get("mode") == "geary" else "I"

    @property
    def statistic(self) -> str:
        """Name of the statistic."""
        return "Geary's C" if self.letter == "C" else "Moran's I"

    @property
    def note(self) -> str:
        """What a reader must know of the p-values."""
        if self.pvalue != "pvalue":
            return " (calibrated)"
        return " (denoised, not calibrated)" if self.params.get("post_denoising") else ""


def tests_of(table: AnnData, key: str) -> Tests:
    """Tests in ``uns[key]``, the smallest p-value first; calibrated ones count where there are some.

    Raises
    ------
    MissingKeyError
        If there is nothing.
    InputError
        If it is no table of tests.
    """
    stored = slot_of(table, "uns", key, fix=f"{CALL}, or pass key=")
    frame = stored.get("results") if hasattr(stored, "get") else None
    if frame is None or not set(getattr(frame, "columns", ())) >= _COLUMNS or not len(frame):
        raise InputError("is no table of tests", key=f"uns[{key!r}]", found=type(stored).__name__, fix=CALL)
    kind = "_calibrated" if "pvalue_calibrated" in frame else ""
    frame = frame.sort_values(f"pvalue{kind}", kind="stable")
    return Tests(frame, dict(stored.get("params", {})), f"pvalue{kind}", f"fdr{kind}")


def groups_of(frame: pd.DataFrame) -> list[str]:
    """Names of the groups, in the order of their categories where they have one."""
    found = frame["group"]
    order = found.cat.categories if hasattr(found, "cat") else found.unique()
    return [str(name) for name in order if (found == name).any()]


def dots(tests: Tests, groups: list[str], n_genes: int, cmap: str) -> Figure:
    """Draw a dot for each group and each of the ``n_genes`` first genes of all groups."""
    import matplotlib.pyplot as plt

    frame = tests.frame.assign(group=tests.frame["group"].astype(str), gene=tests.frame["gene"].astype(str))
    called = frame[(frame[tests.fdr] <= LEVEL).to_numpy()]
    shown = called if len(called) else frame
    genes = list(dict.fromkeys(gene for name in groups for gene in shown[shown["group"] == name]["gene"].head(n_genes)))
    frame = frame[frame["gene"].isin(genes)].dropna(subset=["statistic", tests.fdr])
    x = np.array([genes.index(gene) for gene in frame["gene"]])
    y = np.array([groups.index(name) for name in frame["group"]])
    strength = np.minimum(-np.log10(frame[tests.fdr].to_numpy(np.float64)), _MOST)
    edge = np.where(frame[tests.fdr].to_numpy(np.float64) <= LEVEL, 0.7, 0.0)
    wide = 0.26 * len(genes) + 0.075 * max(map(len, groups)) + 2.2
    figure = plt.figure(
        figsize=(max(wide, 4.2), 0.28 * len(groups) + 0.08 * max(map(len, genes)) + 0.9), layout="constrained"
    )
    ax = figure.add_subplot(label="dots")
    colors = cmap if tests.letter == "I" else plt.get_cmap(cmap).reversed()
    drawn = ax.scatter(
        x, y, s=4 + 14 * strength, c=frame["statistic"], cmap=colors, edgecolors="black", linewidths=edge.tolist()
    )
    ax.set_xticks(range(len(genes)), genes, rotation=90, fontsize=8)
    ax.set_yticks(range(len(groups)), groups, fontsize=8)
    ax.set(xlim=(-0.7, len(genes) - 0.3), ylim=(len(groups) - 0.4, -0.6))
    ax.set_axisbelow(True)
    ax.grid(color="0.92", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    _sizes(ax, tests.note)
    figure.colorbar(drawn, ax=ax, shrink=0.8, pad=0.02, label=tests.statistic)
    return figure


def _sizes(ax: Axes, note: str) -> None:
    marks = [
        ax.scatter([], [], s=4 + 14 * value, color="0.6", edgecolors="black", linewidths=0.7 * (value >= 1.3))
        for value in (1.0, 2.0, 5.0, _MOST)
    ]
    ax.legend(
        marks,
        ["1", "2", "5", "≥ 10"],
        title=f"-log10 FDR{note}",
        ncols=4,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        frameon=False,
        fontsize=7.5,
        title_fontsize=8,
        handletextpad=0.1,
        columnspacing=0.8,
    )
