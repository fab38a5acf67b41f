"""The running score of sets down one ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.palette import domain_colors
from s3rl.errors import ParameterError
from s3rl.pl import _draw
from s3rl.pl._enrich_dots import fdr_of, pick, short
from s3rl.statistics.running_score import running_score

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MOST = 6
# height of the marks of one set, as a share of the range of the curves
_MARKS = 0.09


def curve(found: Any, terms: Any, groups: Any, ax: Axes | None) -> Axes:
    """Draw the running score of up to six sets in one group, with marks where their genes are."""
    results: pd.DataFrame = found["results"]
    group, shown = _chosen(results, terms, groups)
    ranking, members = found["ranking"], found["sets"].set_index("term")["genes"]
    place = [str(name) for name in ranking["groups"]].index(group)
    scores = np.asarray(ranking["scores"], dtype=np.float64)[:, place]
    order = np.argsort(-scores, kind="stable")
    genes = np.asarray(ranking["genes"], dtype=str)[order]
    weight = found["params"].get("weight")
    weight = 1.0 if weight is None else float(weight)
    longest = max(len(short(term)) for term in shown)
    ax, _ = _draw.axes_or_new(ax, (4.3 + 0.08 * max(longest, 18), 3.2 + 0.16 * len(shown)))
    hits = [np.isin(genes, str(members[term]).split(";")) for term in shown]
    lines = [running_score(scores[order], own, weight) for own in hits]
    low, high = min(0.0, *(line.min() for line in lines)), max(0.0, *(line.max() for line in lines))
    step = _MARKS * (high - low)
    own = results[results["group"].astype(str) == group].set_index("term")
    rate = dict(zip(own.index, fdr_of(own)[0], strict=True))
    for number, (term, hit, line, color) in enumerate(zip(shown, hits, lines, domain_colors(len(shown)), strict=True)):
        text = f"{short(term)}\nNES {own.loc[term, 'nes']:.2f}, FDR {rate[term]:.2g}"
        ax.plot(np.arange(1, len(line) + 1), line, color=color, linewidth=1.4, label=text)
        top = low - step * (number + 0.4)
        ax.vlines(np.flatnonzero(hit) + 1, top - 0.8 * step, top, color=color, linewidth=0.6)
    ax.axhline(0.0, color="0.6", linewidth=0.7)
    ax.set_ylim(low - step * (len(shown) + 0.8), high + 0.06 * (high - low))
    ax.set_yticks([tick for tick in ax.get_yticks() if low - 0.3 * step <= tick <= high])
    ax.set_xlim(0, len(genes) + 1)
    ax.set_xlabel(f"genes, from highest to lowest in {group}", fontsize=9)
    ax.set_ylabel("running score", fontsize=9)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    _draw.make_room(ax)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, labelspacing=1.0)
    return ax


def _chosen(results: pd.DataFrame, terms: Any, groups: Any) -> tuple[str, list[str]]:
    """One group, and the sets: those that are named, or the one furthest from chance."""
    frame = results.assign(group=results["group"].astype(str), far=results["nes"].abs().fillna(0.0))
    shown = None if terms is None else pick(frame["term"], terms, "terms")
    names = pick(frame["group"], groups, "groups")
    if len(names) > 1 and groups is not None:
        raise ParameterError(
            "must be one, since a curve runs down one ranking", key="groups", found=", ".join(names),
            fix=f"groups={names[0]!r}",
        )  # fmt: skip
    if shown is not None and len(shown) > _MOST:
        raise ParameterError(f"are more than {_MOST} curves", key="terms", found=len(shown), fix="pass fewer")
    own = frame[frame["group"].isin(names) & (frame["term"].isin(shown) if shown else True)]
    best = own.loc[own["far"].idxmax()]
    return str(best["group"]), shown or [str(best["term"])]
