"""From rows to what is read: one line for each data set and method, the means over data sets, and paired tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from _domains.data import CELL_TYPES, FILES
from _domains.data import GROUPS as SETS
from _domains.tissues import TISSUES

BASELINE = "s3rl"
REAL = [name for name in FILES if name not in CELL_TYPES]
SCOPES = {"DLPFC": SETS["dlpfc"], "real domains": REAL, "simulated": TISSUES, "all domains": [*REAL, *TISSUES]}


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One line for each protocol, data set and method, the best mean ARI first.

    ``p5`` is the fifth percentile over the seeds and ``cv`` the standard deviation in per cent of the mean.
    """
    made = []
    for (protocol, dataset, method), part in table.groupby(["protocol", "dataset", "method"], sort=False):
        line = {"protocol": protocol, "dataset": dataset, "method": method, "seeds": len(part)} | spread(part["ari"])
        means = part[["nmi", "chaos", "pas", "n_found", "seconds", "peak_mb"]].mean()
        made.append(line | means.to_dict())
    order = {name: i for i, name in enumerate(SETS["all"])}
    found = pd.DataFrame(made)
    if found.empty:
        return found
    found["_place"] = found["dataset"].map(order).fillna(len(order))
    return found.sort_values(["protocol", "_place", "dataset", "ari"], ascending=[False, True, True, False]).drop(
        columns="_place"
    )


def spread(values: pd.Series | np.ndarray) -> dict[str, float]:
    """Mean, median, fifth percentile and coefficient of variation in per cent."""
    values = np.asarray(values, dtype=float)
    mean = values.mean()
    varies = len(values) > 1 and mean > 0
    return {
        "ari": mean,
        "median": float(np.median(values)),
        "p5": float(np.quantile(values, 0.05)),
        "cv": float(100 * values.std(ddof=1) / mean) if varies else float("nan"),
    }


def from_best(runs: pd.DataFrame) -> list[str]:
    """Methods from the best to the worst, by the mean of their places among the methods of each data set."""
    means = runs.pivot_table("ari", "method", "dataset")
    return list(means.rank(pct=True).mean(axis=1).sort_values(kind="stable", ascending=False).index)


def parts_of(runs: pd.DataFrame, scopes: Iterable[str]) -> list[tuple[str, pd.DataFrame]]:
    """Runs of each scope, without scopes that hold the same data sets as one before them."""
    made: list[tuple[str, pd.DataFrame]] = []
    seen: list[set[str]] = []
    for scope in scopes:
        part = runs[runs["dataset"].isin(SCOPES[scope])]
        if len(part) and set(part["dataset"]) not in seen:
            seen.append(set(part["dataset"]))
            made.append((scope, part))
    return made


def over_sets(table: pd.DataFrame) -> pd.DataFrame:
    """The same over the data sets of each scope, for methods that ran on all of those that the baseline ran on.

    Mean, median and CV are those of the seeds' means over the data sets; ``p5`` is over all slices and seeds, which
    is lower. A method with one run on a data set has the same there for every seed.
    """
    made = []
    for protocol, runs in table.groupby("protocol", sort=False):
        for scope, part in parts_of(runs, SCOPES):
            needed = set(part.loc[part["method"] == BASELINE, "dataset"]) or set(part["dataset"])
            if len(needed) < 2:
                continue
            for method, own in part.groupby("method", sort=False):
                wide = by_seed(own[own["dataset"].isin(needed)])
                if set(wide.columns) == needed and len(wide):
                    line = {"protocol": protocol, "scope": scope, "method": method, "sets": len(needed)}
                    whole = {"seeds": len(wide)} | spread(wide.mean(axis=1))
                    made.append(line | whole | {"p5": float(np.quantile(wide.to_numpy(), 0.05))})
    found = pd.DataFrame(made)
    return found if found.empty else found.sort_values("ari", ascending=False)


def by_seed(runs: pd.DataFrame, seeds: Iterable[int] | None = None) -> pd.DataFrame:
    """ARI of one method, seeds x data sets; a data set with one run has it for all of ``seeds``. Complete rows only."""
    wide = runs.pivot_table("ari", "seed", "dataset", sort=False)
    single = [name for name in wide if wide[name].notna().sum() == 1]
    if seeds is not None and len(single) == len(wide.columns):
        wide = wide.reindex(sorted(set(seeds)))
    for name in single:
        wide[name] = runs.loc[runs["dataset"] == name, "ari"].iloc[0]
    return wide.dropna()


def paired(table: pd.DataFrame, scopes: Sequence[str] = ("real domains", "simulated", "all domains")) -> pd.DataFrame:
    """The baseline against every other method: Wilcoxon's signed-rank test, corrected after Holm over the methods.

    ``p_sets`` pairs the means over the seeds, one pair for each data set; ``p_runs`` pairs the runs of the same data
    set and seed, which are not independent of each other within a data set. ``p_t`` is the paired t-test of the means.
    A method with one run on a data set is compared with every run of the baseline there, in ``p_runs`` alone.
    """
    made = []
    for protocol, runs in table.groupby("protocol", sort=False):
        for scope, part in parts_of(runs, scopes):
            ours = part[part["method"] == BASELINE]
            for method, theirs in part[part["method"] != BASELINE].groupby("method", sort=False):
                line = {"protocol": protocol, "scope": scope, "method": method}
                compared = compare(ours, theirs)
                if compared and compared["runs"] > 1:
                    made.append(line | compared)
    found = pd.DataFrame(made)
    for column in () if found.empty else ("p_sets", "p_runs", "p_t"):
        groups = found.groupby(["protocol", "scope"], sort=False)[column]
        found[column] = groups.transform(lambda p: pd.Series(holm(p.to_numpy()), index=p.index))
    return found


def compare(ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, float] | None:
    """Tests of two methods, on the data sets that both have; None without any."""
    means = [runs.groupby("dataset")["ari"].mean() for runs in (ours, theirs)]
    shared = means[0].index.intersection(means[1].index)
    if shared.empty:
        return None
    difference = (means[0] - means[1])[shared]
    runs = np.concatenate(
        [run_differences(*(each[each["dataset"] == name] for each in (ours, theirs))) for name in shared]
    )
    return {
        "sets": len(shared),
        "difference": float(difference.mean()),
        "wins": int((difference > 0).sum()),
        "p_sets": wilcoxon(difference),
        "runs": len(runs),
        "p_runs": wilcoxon(runs),
        "p_t": float(stats.ttest_1samp(difference, 0).pvalue) if difference.std() > 0 else float("nan"),
    }


def run_differences(ours: pd.DataFrame, theirs: pd.DataFrame) -> np.ndarray:
    """Differences of runs of one data set with the same seed, or with the only run of the other method."""
    ours, theirs = (runs.set_index("seed")["ari"] for runs in (ours, theirs))
    if len(theirs) == 1:
        return (ours - theirs.iloc[0]).to_numpy()
    return (ours - theirs).dropna().to_numpy()


def wilcoxon(difference: pd.Series | np.ndarray) -> float:
    """Two-sided p-value; 1 where nothing differs."""
    difference = np.asarray(difference, dtype=float)
    if len(difference) < 2:
        return float("nan")
    return float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0


def holm(pvalues: np.ndarray) -> np.ndarray:
    """Adjusted p-values; missing ones do not count."""
    adjusted = np.full(len(pvalues), np.nan)
    there = np.flatnonzero(~np.isnan(pvalues))
    order = there[np.argsort(pvalues[there])]
    steps = pvalues[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
