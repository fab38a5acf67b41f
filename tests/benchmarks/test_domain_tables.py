"""What is read from the rows of the benchmark of domains: statistics, tests, tables and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.bench import modules, table
from scipy import stats

BENCH = modules()
data, summary = BENCH["data"], BENCH["summary"]


def test_summary_has_the_statistics_it_names():
    values = np.random.default_rng(0).uniform(0.3, 0.7, 20)
    made = summary.summary(table(*[("BZ5", "s3rl", i, v) for i, v in enumerate(values)], ("BZ5", "once", 0, 0.6)))
    line = made.set_index("method").loc["s3rl"]
    assert line["ari"] == pytest.approx(sum(values) / 20)
    assert line["median"] == pytest.approx(np.sort(values)[9:11].mean())
    place = 0.05 * 19
    low = np.sort(values)[:2]
    assert line["p5"] == pytest.approx(low[0] + place * (low[1] - low[0]))
    assert line["cv"] == pytest.approx(100 * np.sqrt(((values - values.mean()) ** 2).sum() / 19) / values.mean())
    assert np.isnan(made.set_index("method").loc["once", "cv"])
    assert made["method"].tolist() == (["once", "s3rl"] if values.mean() < 0.6 else ["s3rl", "once"])


def test_means_over_data_sets_are_of_complete_methods_and_single_runs_stand_for_every_seed():
    runs = table(
        ("151673", "s3rl", 0, 0.4), ("151673", "s3rl", 1, 0.6), ("151674", "s3rl", 0, 0.8), ("151674", "s3rl", 1, 0.8),
        ("151673", "mixed", 0, 0.2), ("151674", "mixed", 0, 0.4), ("151674", "mixed", 1, 0.6), ("151673", "half", 0, 1),
    )  # fmt: skip
    made = summary.over_sets(runs)
    made = made[made["scope"] == "DLPFC"].set_index("method")
    assert set(made.index) == {"s3rl", "mixed"}
    assert made.loc["s3rl", "ari"] == pytest.approx(0.65)
    assert made.loc["s3rl", "p5"] == pytest.approx(np.quantile([0.4, 0.6, 0.8, 0.8], 0.05))
    assert made.loc["s3rl", "cv"] == pytest.approx(100 * np.std([0.6, 0.7], ddof=1) / 0.65)
    assert (made.loc["mixed", "seeds"], made.loc["mixed", "ari"]) == (2, pytest.approx(0.35))


def test_paired_tests_are_those_of_scipy_and_holm_is_over_the_methods():
    rng = np.random.default_rng(1)
    names = data.GROUPS["simulated"]
    lines = [(name, "s3rl", seed, rng.uniform(0.5, 0.7)) for name in names for seed in range(3)]
    lines += [(name, "peer", seed, rng.uniform(0.4, 0.68)) for name in names for seed in range(3)]
    lines += [(name, "single", 0, rng.uniform(0.5, 0.7)) for name in names] + [("CosMx", "peer", 0, 0.9)]
    runs = table(*lines)
    made = summary.paired(runs, ["simulated"]).set_index("method")
    wide = {m: runs[runs["method"] == m].pivot_table("ari", "dataset", "seed") for m in ("s3rl", "peer", "single")}
    wide = {m: frame.reindex(names) for m, frame in wide.items()}
    raw = {}
    for method in ("peer", "single"):
        means = wide["s3rl"].mean(axis=1) - wide[method].mean(axis=1)
        every = wide["s3rl"].to_numpy() - wide[method].to_numpy()
        raw[method] = stats.wilcoxon(means).pvalue, stats.wilcoxon(every.ravel()).pvalue
        assert made.loc[method, "difference"] == pytest.approx(means.mean())
        assert tuple(made.loc[method, ["sets", "runs", "wins"]]) == (10, 30, (means > 0).sum())
    for i, column in enumerate(("p_sets", "p_runs")):
        first, second = sorted(("peer", "single"), key=lambda m, i=i: raw[m][i])
        assert made.loc[first, column] == pytest.approx(min(2 * raw[first][i], 1))
        assert made.loc[second, column] == pytest.approx(min(max(2 * raw[first][i], raw[second][i]), 1))


def test_methods_come_from_the_best_to_the_worst_and_bold_is_the_best(tmp_path):
    runs = table(("BZ5", "s3rl", 0, 0.8), ("BZ5", "low", 0, 0.1), ("H1", "s3rl", 0, 0.5), ("H1", "low", 0, 0.4))
    assert summary.from_best(runs) == ["s3rl", "low"]
    text = BENCH["report"].markdown(runs)
    assert "| s3rl | **.500** | **.800** |" in text
    assert "| low | .400 | .100 |" in text
    assert [path.name for path in BENCH["figure"].figures(runs, Path(tmp_path) / "x.csv")] == ["x_real.png"]


def test_runs_that_failed_are_listed_until_they_succeed(tmp_path):
    rows = BENCH["rows"]
    line = dict.fromkeys(rows.COLUMNS, "") | {"protocol": "kept", "seed": 0, "command": "x"}
    failure, success = line | {"method": "peer"}, line | {"ari": "0.5", "n_domains": 4, "n_found": 4}
    for name, lines in {
        "peers.csv": [failure | {"dataset": "H1"}, failure | {"dataset": "BZ5"}],
        "own.csv": [success | {"dataset": "BZ5", "method": "s3rl"}, success | {"dataset": "H1", "method": "peer"}],
    }.items():
        pd.DataFrame(lines).to_csv(tmp_path / name, index=False)
    paths = [tmp_path / "peers.csv", tmp_path / "own.csv"]
    assert rows.failed(paths[0])["dataset"].tolist() == ["H1", "BZ5"]
    failed = rows.failed(*paths)
    assert failed.to_dict("records") == [{"dataset": "BZ5", "protocol": "kept", "method": "peer", "seed": 0}]
    assert len(rows.read(*paths)) == len(rows.read(*paths[::-1])) == 2
    assert rows.failed(*paths[::-1])["dataset"].tolist() == ["BZ5"]
    assert "- peer, unlabelled spots kept: H1 (seed 0), BZ5 (seed 0)" in BENCH["report"].markdown(
        rows.read(paths[0]), rows.failed(paths[0])
    )
    assert "- peer, unlabelled spots kept: BZ5 (seed 0)" in BENCH["report"].markdown(rows.read(*paths), failed)
