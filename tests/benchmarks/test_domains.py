"""The benchmark of domains: rows that are made once, by the command they name, and what is read from them."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import shlex
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import squidpy as sq
from benchmarks.bench import modules, row, table
from sklearn.metrics import adjusted_rand_score

import s3rl as s3

BENCH = modules()
data, methods, rows, run = (BENCH[name] for name in ("data", "methods", "rows", "run"))


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A file of 110 spots with labels in a column of its own, some missing, and one spot without a count."""
    adata = s3.datasets.simulated_cortex(110, 80, n_layers=3, image=False).tables["table"]
    adata = ad.AnnData(adata.X.copy(), obs=adata.obs[["domain"]], var=adata.var[[]], obsm=dict(adata.obsm))
    adata.obs["layer"] = adata.obs.pop("domain").where(np.arange(110) % 10 > 0)
    adata.X[5, :] = 0
    adata.X.eliminate_zeros()
    path = tmp_path_factory.mktemp("data") / "mine.h5ad"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_h5ad(path)
    return path


@pytest.fixture
def short(monkeypatch):
    """Twenty epochs instead of all."""
    whole = methods.Variant.params
    monkeypatch.setattr(methods.Variant, "params", lambda self: dataclasses.replace(whole(self), max_epochs=20))


@pytest.fixture
def inside(monkeypatch):
    """What a process of its own would do, in this one."""

    def call(arguments):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            assert BENCH["domains"].main(arguments) == 0
        return said.getvalue()

    monkeypatch.setattr(run, "call", call)


def test_labels_are_kept_from_the_methods(mine):
    adata, truth = data.load(str(mine), groupby="layer")
    assert list(adata.obs) == []
    assert (adata.n_obs, truth.isna().sum()) == (110, 11)
    fewer, known = data.load(str(mine), groupby="layer", protocol="dropped")
    assert (fewer.n_obs, known.isna().sum()) == (99, 0)
    assert not data.everything_labelled(str(mine), "layer")


def test_a_file_without_the_column_is_refused_with_what_there_is(mine, capsys):
    with pytest.raises(SystemExit):
        BENCH["domains"].main([str(mine), "--groupby", "leyer", "--methods", "pca-mixture", "--output", "-"])
    assert "['layer']" in capsys.readouterr().err


def test_row_of_the_default_is_what_a_user_gets(mine, short):
    task = run.Task(str(mine), "kept", ("s3rl", "s3rl-embedding"), 3, "layer")
    ours, embedding = run.measure(task)
    adata = ad.read_h5ad(mine)
    adata = adata[adata.X.sum(axis=1) > 0].copy()
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    s3.tl.s3rl(adata, 3, rng=3, params={"denoise": "none", "max_epochs": 20}, progress=False)
    truth = ad.read_h5ad(mine).obs["layer"].dropna()
    mixture = pd.Series(BENCH["floors"].mixture(adata.obsm["X_s3rl"], 3, 3), index=adata.obs_names)
    for line, found in ((ours, adata.obs["s3rl_domain"]), (embedding, mixture)):
        assert line["ari"] == adjusted_rand_score(truth, found.astype(str).reindex(truth.index).fillna("none"))
    assert embedding["seconds"] > ours["seconds"] > 0
    assert ours["peak_mb"] > 50
    assert (ours["dataset"], ours["n_domains"], ours["version"][:5]) == ("mine", 3, s3.__version__[:5])


@pytest.mark.parametrize("method", ["consensus", "no-gene-edges"])
def test_methods_beside_the_default_give_domains(mine, method, short):
    made = run.measure(run.Task(str(mine), "dropped", (method,), 0, "layer"))[0]
    assert 2 <= made["n_found"] <= 3
    assert made["ari"] > 0.1


def test_an_ablation_is_one_change():
    assert methods.Variant().params() == s3.tl.S3RLParams(denoise="none")
    default = methods.Variant().params().as_dict()
    for name, variant in methods.ABLATIONS.items():
        changed = {key for key, value in variant.params().as_dict().items() if value != default[key]}
        if name == "paper":
            assert variant.params() == dataclasses.replace(s3.tl.S3RLParams.paper(), denoise="none")
        elif name in ("image", "no-gene-edges", "no-negative-edges"):
            assert not changed
        elif name in methods.methods_of(["ablations"]):
            assert len(changed) == (2 if name == "no-consensus-no-sizes" else 1), name
    left = {"static-prototypes", "dynamic-prototypes"} - set(methods.methods_of(["ablations"]))
    assert len(left) == 1
    assert methods.ABLATIONS[left.pop()].params() == methods.Variant().params()


def test_edges_are_taken_out_of_the_graph(mine):
    adata = run.ready(data.load(str(mine), groupby="layer")[0])
    s3.pp.signed_neighbors(adata)
    spatial = BENCH["floors"].graph_of(adata)
    assert adata.obsp["s3rl_repulsions"].nnz > 0
    assert adata.obsp["s3rl_connectivities"].nnz > spatial.nnz
    positive = adata.obsp["s3rl_connectivities"].copy()
    methods.restrict(adata, "positive")
    assert adata.obsp["s3rl_repulsions"].nnz == 0
    assert (adata.obsp["s3rl_connectivities"] != positive).nnz == 0
    methods.restrict(adata, "spatial")
    assert (adata.obsp["s3rl_connectivities"] != spatial).nnz == 0


@pytest.mark.slow
def test_each_row_has_a_process_of_its_own(mine, tmp_path):
    asked = [str(mine), "--groupby", "layer", "--methods", "pca-mixture", "mean-mixture", "--jobs", "2"]
    assert BENCH["domains"].main([*asked, "--output", str(tmp_path / "rows.csv")]) == 0
    written = rows.read(tmp_path / "rows.csv")
    assert sorted(written["method"]) == ["mean-mixture", "pca-mixture"]
    # torch is in this process, and in none of theirs
    assert written["peak_mb"].max() < 450


def test_command_line_from_rows_to_figures_and_each_row_from_its_own_command(mine, tmp_path, capsys, inside):
    output = tmp_path / "rows.csv"
    asked = [str(mine), "--groupby", "layer", "--methods", "pca-mixture", "--output", str(output)]
    assert BENCH["domains"].main([*asked, "--protocol", "kept", "dropped"]) == 0
    written = rows.read(output)
    assert sorted(zip(written["protocol"], written["seed"], strict=True)) == [("dropped", 0), ("kept", 0)]
    assert "| mine | PCA + mixture | 1 |" in output.with_suffix(".md").read_text()
    assert (tmp_path / "rows_real.png").stat().st_size > 1000
    capsys.readouterr()
    for _, one in written.iterrows():
        words = shlex.split(one["command"])
        assert words[:2] == ["python", "benchmarks/domains.py"]
        assert BENCH["domains"].main(words[2:]) == 0
        (tmp_path / "again.csv").write_text(capsys.readouterr().out)
        again = rows.read(tmp_path / "again.csv").iloc[0]
        same = [
            "dataset",
            "protocol",
            "method",
            "seed",
            "n_domains",
            "n_found",
            "ari",
            "nmi",
            "chaos",
            "pas",
            "command",
        ]
        assert again[same].equals(one[same])
    before = output.read_bytes()
    assert BENCH["domains"].main(asked) == 0
    assert output.read_bytes() == before


# ------------------------------------------------------------------------------------------------------------ resuming


@pytest.fixture
def calls(monkeypatch):
    """Rows without a process for each: what was asked for is kept."""
    asked = []

    def call(arguments):
        given = BENCH["domains"].parser_().parse_args(arguments)
        if given.prepare:
            return ""
        if given.methods == ["pca-kmeans"]:
            raise RuntimeError("no")
        asked.append((given.datasets[0], *given.methods, *given.seed))
        return "said by a library\n" + rows.as_csv(row(given.datasets[0], m, given.seed[0]) for m in given.methods)

    monkeypatch.setattr(run, "call", call)
    return asked


def test_rows_that_are_there_are_not_made_again(calls, tmp_path):
    output, told = tmp_path / "rows.csv", []
    made = run.tasks_of(["BZ5"], ["kept"], ["pca-mixture", "s3rl", "s3rl-embedding", "pca-kmeans"], range(2), "truth")
    rows.append(output, [row("BZ5", "s3rl", 1)])
    assert run.run_all(made, output=output, jobs=2, tell=told.append)[1] == 2
    assert sorted(calls) == [
        ("BZ5", "pca-mixture", 0), ("BZ5", "pca-mixture", 1), ("BZ5", "s3rl", "s3rl-embedding", 0),
        ("BZ5", "s3rl-embedding", 1),
    ]  # fmt: skip
    assert len(rows.done(output)) == 6
    assert sum("failed" in line and line.endswith(": no") for line in told) == 2
    calls.clear()
    run.run_all(made, output=output, jobs=1, tell=told.append)
    assert calls == []
    run.run_all(made[:1], output=output, jobs=1, tell=told.append, again=True)
    assert calls == [("BZ5", "pca-mixture", 0)]
    assert len(rows.done(output)) == 6


def _append(path, writer):
    for seed in range(25):
        rows.append(path, [row("BZ5", f"method {writer}", seed, ari=0.1)])


def test_several_writers_append_whole_rows(tmp_path):
    # each call opens the file for itself, so that the lock is between threads as it is between processes
    output = tmp_path / "new" / "rows.csv"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda writer: _append(output, writer), range(4)))
    lines = output.read_text().splitlines()
    assert (len(lines), lines.count(",".join(rows.COLUMNS))) == (101, 1)
    assert len(rows.read(output)) == 100


def test_a_row_waits_for_whoever_is_writing(tmp_path):
    output = tmp_path / "rows.csv"
    output.touch()
    waiting = threading.Thread(target=_append, args=(output, 0), daemon=True)
    with output.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting.start()
        waiting.join(0.5)
        assert output.stat().st_size == 0
    waiting.join()
    assert len(rows.read(output)) == 25


def test_a_row_that_was_cut_off_is_made_again_and_the_last_of_two_counts(tmp_path):
    output = tmp_path / "rows.csv"
    rows.append(output, [row(seed=0, ari=0.1), row(seed=1)])
    whole = output.read_text()
    output.write_text(whole[:-40])
    rows.append(output, [row(seed=2), row(seed=0, ari=0.9)])
    read = rows.read(output).set_index("seed")["ari"]
    assert read.to_dict() == {2: 0.5, 0: 0.9}


def test_rows_of_several_versions_are_told(tmp_path, capsys):
    rows.append(tmp_path / "rows.csv", [row(seed=0)])
    asked = ["--table", "--output", str(tmp_path / "rows.csv")]
    BENCH["domains"].main(asked)
    assert "warning" not in capsys.readouterr().err
    rows.append(tmp_path / "rows.csv", [row(seed=1) | {"version": "2*"}])
    BENCH["domains"].main(asked)
    assert "1, 2*" in capsys.readouterr().err


def test_rows_of_peers_join_the_table_without_those_that_failed(tmp_path):
    rows.append(tmp_path / "rows.csv", [row()])
    peers = table(("BZ5", "peer", 0, 0.4), ("H1", "peer", 0, np.nan)).assign(status=["ok", "failed"])
    peers.loc[1, "n_found"] = np.nan
    peers.to_csv(tmp_path / "peers.csv", index=False)
    assert BENCH["domains"].main(["--table", "--output", str(tmp_path / "rows.csv")]) == 0
    text = (tmp_path / "rows.md").read_text()
    assert "| peer | .400 |" in text
    assert "| H1" not in text
    assert "- peer, unlabelled spots kept: H1 (seed 0)" in text
