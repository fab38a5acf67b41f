"""The tables as markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from _domains.methods import ABLATIONS, title_of
from _domains.summary import BASELINE, from_best, over_sets, paired, summary
from _domains.tissues import TISSUES


def markdown(table: pd.DataFrame, failed: pd.DataFrame | None = None) -> str:
    """Every table, one protocol after the other, and the runs that failed."""
    if table.empty:
        return "\n".join(["No scores.", "", *_failed(failed)])
    parts = []
    sets, scopes, tests = summary(table), over_sets(table), paired(table)
    for protocol in ("kept", "dropped"):
        lines = sets[sets["protocol"] == protocol]
        if lines.empty:
            continue
        parts += [f"## Unlabelled spots {protocol}", ""]
        for title, chosen in tables_of(lines):
            parts += [f"Mean ARI over the seeds, {title}:", "", wide(chosen), ""]
        for title, frame, columns in (
            ("Over data sets:", scopes, OVER_SETS),
            ("Each data set:", sets, EACH_SET),
            ("Tests of the default against each method:", tests, TESTS),
        ):
            chosen = frame[frame["protocol"] == protocol] if len(frame) else frame
            if len(chosen):
                parts += [title, "", listed(chosen, columns), ""]
    return "\n".join([*parts, *_failed(failed)])


def _failed(failed: pd.DataFrame | None) -> list[str]:
    """A line for each method and protocol."""
    if failed is None or failed.empty:
        return []
    lines = []
    for (method, protocol), part in failed.groupby(["method", "protocol"], sort=False):
        runs = ", ".join(f"{row.dataset} (seed {row.seed})" for row in part.itertuples())
        lines.append(f"- {title_of(method)}, unlabelled spots {protocol}: {runs}")
    return ["Runs that failed:", "", *lines, ""]


def tables_of(lines: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Real slices and simulated tissue, methods and changes of the default."""
    simulated, ablated = lines["dataset"].isin(TISSUES), lines["method"].isin(ABLATIONS)
    for place, here in (("real slices", ~simulated), ("simulated tissue", simulated)):
        if (here & ~ablated).any():
            yield place, lines[here & ~ablated]
        if (here & ablated).any():
            yield f"{place}, changes of the default", lines[here & (ablated | (lines["method"] == BASELINE))]


def score(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}".replace("0.", ".", 1)


def whole(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.0f}"


def short(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.1f}"


def pvalue(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2g}"


Format = Callable[[float], str]
SPREAD: dict[str, tuple[str, Format]] = {
    "ari": ("ARI", score), "median": ("median", score), "p5": ("P5", score), "cv": ("CV %", short),
}  # fmt: skip
OVER_SETS = {"scope": ("scope", str), "method": ("method", title_of), "sets": ("sets", whole)} | {
    "seeds": ("seeds", whole)
} | SPREAD  # fmt: skip
EACH_SET = {"dataset": ("data set", str), "method": ("method", title_of), "seeds": ("seeds", whole)} | SPREAD | {
    "nmi": ("NMI", score), "chaos": ("CHAOS", score), "pas": ("PAS", score), "n_found": ("domains", short),
    "seconds": ("s", short), "peak_mb": ("MB", whole),
}  # fmt: skip
TESTS = {
    "scope": ("scope", str), "method": ("method", title_of), "difference": ("difference", score),
    "wins": ("won", whole), "sets": ("sets", whole), "p_sets": ("p, sets", pvalue), "p_t": ("p, t-test", pvalue),
    "runs": ("runs", whole), "p_runs": ("p, runs", pvalue),
}  # fmt: skip


def listed(frame: pd.DataFrame, columns: dict[str, tuple[str, Format]]) -> str:
    """A markdown table of some columns."""
    rows = [[form(value) for value, (_, form) in zip(line, columns.values(), strict=True)]
            for line in frame[list(columns)].itertuples(index=False)]  # fmt: skip
    return grid([title for title, _ in columns.values()], rows)


def wide(lines: pd.DataFrame) -> str:
    """Methods x data sets; the best of each data set is bold."""
    table = lines.pivot_table("ari", "method", "dataset", sort=False)
    table = table.loc[from_best(lines)]
    best = table.max()
    rows = [
        [title_of(str(method))]
        + [f"**{score(v)}**" if v == best[name] else score(v) for name, v in line.items()]
        for method, line in table.iterrows()
    ]  # fmt: skip
    return grid(["method", *map(str, table.columns)], rows)


def grid(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])
