"""Peers of the benchmark: what a runner is given and gives back, failed runs, and runs that are not done twice."""

import importlib.util
import os
import sys
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"

HALVES = """
import numpy as np
import pandas as pd
from _contract import serve


def domains(adata, n_domains, seed, kind):
    assert list(adata.obs.columns) == [], "a peer must not see labels"
    assert (adata.X.sum(axis=1) > 0).all()
    assert kind == "st" and n_domains == 2
    print("seed", seed)
    x = adata.obsm["spatial"][:, 0]
    found = pd.Series(np.where(x < np.median(x), "left", "right"), index=adata.obs_names)
    return found.iloc[seed:]


if __name__ == "__main__":
    serve(domains)
"""

# the same answer without the contract, which imports anndata each time
QUICK = """
import json, sys
json.dump({"labels": ["x"] * 40, "seconds": 1.5, "peak_mb": 20.0}, open(sys.argv[2], "w"))
"""


@pytest.fixture(scope="module")
def run():
    spec = importlib.util.spec_from_file_location("benchmark_peers_run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    before = list(sys.path)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules[spec.name]


@pytest.fixture
def tissue(tmp_path):
    """40 spots in a row, labelled in halves but for the last two, the first of them without a count."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(2, (40, 5)).astype(np.float32) + 1
    counts[0] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = ad.AnnData(sp.csr_matrix(counts), obs=pd.DataFrame(index=[f"s{i}" for i in range(40)]))
    adata.obsm["spatial"] = np.column_stack([np.arange(40.0), rng.normal(size=40)])
    truth = ["a"] * 20 + ["b"] * 18 + [None] * 2
    adata.obs["ground_truth"] = pd.Categorical(truth)
    path = tmp_path / "row.h5ad"
    adata.write_h5ad(path)
    return path


def peer(run, folder, code, **given):
    script = folder / "peer.py"
    script.write_text(code)
    return run.Peer(str(script), "numpy", **given)


def table(run, tissue, peers, seeds=(0,), **given):
    output = tissue.parent / "rows" / "peers.csv"
    interpreters = {"domains": Path(sys.executable)}
    logs = tissue.parent / "logs"
    run.run_all([str(tissue)], peers, seeds, interpreters, output=output, logs=logs, kind="st", **given)
    return pd.read_csv(output), logs


def test_a_row_scores_what_the_peer_found(run, tissue):
    rows, logs = table(run, tissue, {"halves": peer(run, tissue.parent, HALVES)}, (0, 3))
    assert list(rows.columns) == run.COLUMNS
    assert rows["status"].eq("ok").all(), next(logs.iterdir()).read_text()
    assert rows["version"].eq(np.__version__).all()
    assert rows["n_domains"].eq(2).all()
    assert rows["n_found"].eq(2).all()
    truth = ["a"] * 20 + ["b"] * 18
    # the median of the spots 1 to 39 is the spot 20
    whole = ["unassigned"] + ["left"] * 19 + ["right"] * 18
    cut = ["unassigned"] * 4 + ["left"] * 16 + ["right"] * 18
    assert rows["ari"].tolist() == [round(adjusted_rand_score(truth, found), 4) for found in (whole, cut)]
    assert (rows["peak_mb"] > 10).all()
    assert "seed 3" in (logs / "row_kept_halves_3.log").read_text()


def test_spots_without_a_label_can_be_left_out(run, tissue):
    rows, _ = table(run, tissue, {"halves": peer(run, tissue.parent, HALVES)}, protocol="dropped")
    # the median of the spots 1 to 37 is the spot 19
    found = ["unassigned"] + ["left"] * 18 + ["right"] * 19
    assert rows["ari"].tolist() == [round(adjusted_rand_score(["a"] * 20 + ["b"] * 18, found), 4)]
    assert "--protocol dropped" in rows["command"][0]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no such library')", "no such library"),
        ("print('nothing to say')", "nothing to say"),
        (QUICK.replace("40", "39") + "print('too few')", "too few"),
        ("import os; print('killed', flush=True); os.kill(os.getpid(), 9)", "killed"),
    ],
)
def test_a_peer_that_fails_has_a_row_and_a_log(run, tissue, code, said):
    rows, logs = table(run, tissue, {"broken": peer(run, tissue.parent, code)})
    assert rows["status"].tolist() == ["failed"]
    assert rows[["n_found", "ari", "nmi", "chaos", "pas", "seconds", "peak_mb"]].isna().all(axis=None)
    assert said in (logs / "row_kept_broken_0.log").read_text()
    assert run.summary(rows).loc["broken", "row"] == "failed"


def test_a_run_that_takes_too_long_is_stopped(run, tissue):
    sleeping = peer(run, tissue.parent, "import time; time.sleep(60)")
    rows, logs = table(run, tissue, {"asleep": sleeping}, timeout=0.5)
    assert rows["status"].tolist() == ["failed"]
    assert "stopped after 0.5 seconds" in (logs / "row_kept_asleep_0.log").read_text()


def test_what_has_a_row_is_not_run_again(run, tissue):
    counting = QUICK + f"open({str(tissue.parent / 'calls')!r}, 'a').write('x')"
    peers = {"quick": peer(run, tissue.parent, counting)}
    table(run, tissue, peers)
    rows, _ = table(run, tissue, peers, (0, 1))
    assert rows["seed"].tolist() == [0, 1]
    assert (tissue.parent / "calls").read_text() == "xx"


def test_a_failed_run_is_done_again_when_asked(run, tissue):
    table(run, tissue, {"one": peer(run, tissue.parent, "raise SystemExit(3)")})
    mended = {"one": peer(run, tissue.parent, QUICK)}
    rows, _ = table(run, tissue, mended)
    assert rows["status"].tolist() == ["failed"]
    rows, _ = table(run, tissue, mended, retry_failed=True)
    assert rows["status"].tolist() == ["ok"]


def test_one_seed_where_it_changes_nothing(run, tissue):
    rows, _ = table(run, tissue, {"quick": peer(run, tissue.parent, QUICK, seeded=False)}, (0, 1, 2))
    assert rows["seed"].tolist() == [0]


def test_every_peer_has_its_runner_and_its_environment(run):
    for one in run.PEERS.values():
        assert (FOLDER / one.script).is_file()
        listed = (FOLDER / f"requirements-{one.env}.txt").read_text().splitlines()
        assert any(line.startswith(f"{one.distribution}==") for line in listed)


def test_runs_get_few_threads_and_no_network(run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    seen = run.surroundings(2)
    assert {seen[name] for name in run.LIMITS} == {"2"}
    assert seen["HF_HUB_OFFLINE"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "64"
