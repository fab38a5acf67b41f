"""Dots and bars of tests: sets against groups, the most significant of each group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl.errors import MissingKeyError, ParameterError
from s3rl.pl import _draw

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LARGEST, _SMALLEST = 130.0, 8.0
_LONGEST = 44
# significance beyond this is drawn alike
_DEEPEST = 20.0


@dataclass(frozen=True)
class Tests:
    """What is drawn of a table of tests.

    Attributes
    ----------
    frame
        Its rows: ``group``, ``row`` (names), ``size``, ``color``, ``fdr``.
    size, color
        What size and colour mean.
    signed
        Whether the colour goes to both sides of 0.
    max_fdr
        Up to where a test counts as significant; None where nothing was tested.
    """

    frame: pd.DataFrame
    size: str
    color: str
    signed: bool
    max_fdr: float | None


def fdr_of(results: pd.DataFrame) -> tuple[np.ndarray, str]:
    """The column of false discovery rates that holds, and its name in a label."""
    calibrated = "fdr_calibrated" in results
    values = results["fdr_calibrated" if calibrated else "fdr"].to_numpy(dtype=np.float64)
    return np.where(np.isnan(values), 1.0, values), "calibrated FDR" if calibrated else "FDR"


def depth(fdr: np.ndarray) -> np.ndarray:
    """Significance as a colour."""
    return np.minimum(-np.log10(np.maximum(fdr, 1e-300)), _DEEPEST)


def pick(known: Iterable[Any], wanted: Any, key: str) -> list[str]:
    """Names that are asked for, or all of them."""
    names = list(dict.fromkeys(map(str, known)))
    if wanted is None:
        return names
    asked = (
        [wanted] if isinstance(wanted, str) else [str(name) for name in wanted] if hasattr(wanted, "__iter__") else []
    )
    unknown = [name for name in asked if name not in names]
    if unknown or not asked:
        raise MissingKeyError(
            "is not in the result", key=key, found=", ".join(unknown) or repr(wanted), available=names,
            fix=f"pass {key}={names[:1]!r}" if names else "compute it anew",
        )  # fmt: skip
    return asked


def checked(**given: Any) -> None:
    """Refuse numbers of rows that are no whole numbers, and levels that are none."""
    for name, value in given.items():
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1
        level = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1
        if not (level if name == "max_fdr" else whole):
            what = "a number above 0, at most 1" if name == "max_fdr" else "a whole number, 1 or more"
            raise ParameterError(f"must be {what}", key=name, found=repr(value), fix=f"leave out {name}")


def strongest(frame: pd.DataFrame, groups: list[str], count: int) -> list[str]:
    """Rows of the ``count`` smallest rates of each group, by the group where they are smallest."""
    own = frame[frame["group"].isin(groups)]
    ordered = own.assign(far=-own["color"].abs()).sort_values(["fdr", "far"], kind="stable")
    first = ordered.groupby("group", sort=False).head(count)
    first = first[first["fdr"] < 1.0] if (first["fdr"] < 1.0).any() else first
    best = first.drop_duplicates("row").assign(place=lambda rows: rows["group"].map(groups.index))
    return best.sort_values(["place", "fdr", "far"], kind="stable")["row"].tolist()


def short(name: str) -> str:
    """A name of a set as it fits beside a row, its words apart."""
    return cut(name.replace("_", " "))


def cut(name: str) -> str:
    """A name as it fits beside a row; of long ones the end stays, in which families of sets differ."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 17]}…{name[-16:]}"


def dots(tests: Tests, groups: list[str], rows: list[str], ax: Axes | None) -> tuple[Axes, bool]:
    """Draw dots, rows from above; those within ``max_fdr`` have a dark edge."""
    longest = max(len(short(name)) for name in rows)
    below = max(map(len, groups))
    size = (1.9 + 0.075 * longest + 0.34 * len(groups), max(2.9, 0.4 + 0.25 * len(rows)) + 0.075 * below)
    ax, new = _draw.axes_or_new(ax, size)
    own = tests.frame[tests.frame["group"].isin(groups) & tests.frame["row"].isin(rows)]
    top = max(float(own["size"].max()), 1e-9)
    significant = np.zeros(len(own), dtype=bool) if tests.max_fdr is None else (own["fdr"] <= tests.max_fdr).to_numpy()
    limit = max(float(own["color"].abs().max()), 1e-9)
    drawn = ax.scatter(
        own["group"].map(groups.index), own["row"].map(rows.index),
        s=np.where(own["size"] > 0, np.maximum(_LARGEST * own["size"] / top, _SMALLEST), 0.0),
        c=own["color"], cmap="RdBu_r" if tests.signed else "viridis",
        vmin=-limit if tests.signed else min(0.0, float(own["color"].min())), vmax=limit if tests.signed else None,
        linewidths=[1.0 if one else 0.2 for one in significant],
        edgecolors=["black" if one else "0.6" for one in significant],
    )  # fmt: skip
    ax.set_xticks(range(len(groups)), groups, rotation=90 if below > 2 else 0, fontsize=8)
    ax.set_yticks(range(len(rows)), [short(name) for name in rows], fontsize=8)
    ax.set_xlim(-0.6, len(groups) - 0.4)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_axisbelow(True)
    ax.grid(color="0.93", linewidth=0.6)
    _legends(ax, drawn, tests, top)
    return ax, new


def _legends(ax: Axes, drawn: Any, tests: Tests, top: float) -> None:
    from matplotlib.lines import Line2D

    _draw.make_room(ax)
    # below the legend of the sizes, so that both take one column
    bar = ax.figure.colorbar(drawn, cax=ax.inset_axes((1.04, 0.02, 0.045, 0.4)))
    bar.set_label(tests.color, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    steps = sorted({_rounded(top * share) for share in (0.25, 0.5, 1.0)} - {0.0})
    marks = [
        Line2D(
            [], [], marker="o", linestyle="", color="0.55", markersize=np.sqrt(max(_LARGEST * step / top, _SMALLEST))
        )
        for step in steps
    ]
    texts = [f"{step:g}" for step in steps]
    if tests.max_fdr is not None:
        marks.append(Line2D([], [], marker="o", linestyle="", markersize=7, markerfacecolor="none", color="black"))
        texts.append(f"FDR ≤ {tests.max_fdr:g}")
    ax.legend(
        marks, texts, title=tests.size, loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, fontsize=7,
        title_fontsize=8, handletextpad=0.3, labelspacing=0.7,
    )  # fmt: skip


def _rounded(value: float) -> float:
    return float(round(value)) if value >= 3 else float(f"{value:.1g}")


def bars(tests: Tests, rows: list[str], ax: Axes | None, label: str) -> tuple[Axes, bool]:
    """Draw one group as bars, rows from above."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    longest = max(len(short(name)) for name in rows)
    ax, new = _draw.axes_or_new(ax, (3.6 + 0.075 * longest, max(2.2, 0.8 + 0.26 * len(rows))))
    own = tests.frame.set_index("row").loc[rows]
    norm = Normalize(0.0, max(float(own["color"].max()), 1.0))
    ax.barh(range(len(rows)), own["size"], color=colormaps["viridis"](norm(own["color"].to_numpy())), height=0.75)
    ax.set_yticks(range(len(rows)), [short(name) for name in rows], fontsize=8)
    ax.set_ylim(max(len(rows), 3) - 0.4, -0.6)
    ax.set_xlabel(label, fontsize=9)
    ax.tick_params(axis="x", labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    figure: Figure | Any = ax.get_figure()
    if figure is not None:
        bar = figure.colorbar(ScalarMappable(norm, "viridis"), ax=ax, shrink=0.7, aspect=14, pad=0.03)
        bar.set_label(tests.color, fontsize=8)
        bar.ax.tick_params(labelsize=7)
    return ax, new
