"""``s3rl demo``, and what both commands share."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import spatialdata as sd

from s3rl.cli._session import Steps, quiet_process


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_demo_from_a_store_to_a_store_over_an_earlier_one(s3rl, tmp_path):
    (tmp_path / "s3rl_demo").mkdir()
    (tmp_path / "s3rl_demo" / "summary.json").write_text('{"command": "demo", "seed": 7}')
    result = s3rl("demo", "--seed", 1)
    assert result.exit_code == 0, result.output
    out = tmp_path / "s3rl_demo"
    assert set(os.listdir(out)) == {"tissue.zarr", "results.zarr", "model", "encoder.safetensors", "summary.json"}
    tissue, results = sd.read_zarr(out / "tissue.zarr"), sd.read_zarr(out / "results.zarr")
    assert np.array_equal(tissue.images["he"].values, results.images["he"].values)
    table = results.tables["table"]
    assert (table.layers["counts"] != tissue.tables["table"].X).nnz == 0
    assert table.layers["s3rl"].shape == table.shape
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["command"], summary["seed"]) == ("demo", 1)
    assert set(summary["files"]) == {"input", "results", "model", "encoder"}


def test_a_folder_of_something_else_is_no_place_for_the_demo(s3rl, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert s3rl("demo", "--output", "mine").exit_code == 2
    assert os.listdir("mine") == ["notes.txt"]


def test_the_overview_shows_a_planted_marker(sdata):
    import s3rl as package
    from s3rl.cli._figures import marker_genes

    table = sdata.tables["table"].copy()
    package.pp.normalize(table)
    table.obs["s3rl_domain"] = table.obs["domain"]
    genes = marker_genes(table)
    assert list(table.var.loc[genes, "kind"]) == ["marker"] * 3
    assert set(table.var.loc[genes, "layer"]) == set(table.obs["domain"])


def test_the_process_is_as_it_was_afterwards():
    def state():
        names = ("s3rl", "spatialdata._logging", "scanpy")
        loggers = [logging.getLogger(name) for name in names]
        return warnings.filters[:], [
            (logger.level, logger.propagate, list(logger.handlers), list(logger.filters)) for logger in loggers
        ]

    before = state()
    with quiet_process():
        assert state() != before
    assert state() == before


def test_findings_are_shown_and_slots_are_not(capsys):
    from s3rl._log import note, wrote

    with quiet_process():
        note("%d spots are alone", 3)
        wrote("obsm['X']", "an array")
    assert capsys.readouterr().err == "    note: 3 spots are alone\n"


def test_a_step_says_what_it_found_and_adds_up(capsys):
    steps = Steps()
    for _ in range(2):
        with steps("read") as said:
            said.append("3 spots")
    assert set(steps.seconds) == {"read"}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].split() == ["read", "0.0", "s", "3", "spots"]


def test_help_names_every_option(s3rl):
    assert {"demo", "run"} <= set(s3rl("--help").stdout.split())
    text = s3rl("run", "--help").stdout
    for option in (
        "INPUT",
        "--n-domains",
        "--output",
        "--library-key",
        "--reference-key",
        "--overwrite",
        "--traceback",
    ):
        assert option in text
    assert s3rl("--version").stdout.startswith("s3rl, version ")


def test_the_command_is_light_and_its_errors_are_short():
    """The command in a process of its own: help needs only click, an error is one line."""
    code = (
        "import sys; from s3rl.cli import main\ntry: main(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stdout)"
    )
    helped = subprocess.run([sys.executable, "-c", code, "run", "--help"], capture_output=True, text=True, check=True)
    assert not {"numpy", "torch", "anndata", "matplotlib", "scanpy", "s3rl.pp"} & set(helped.stdout.split())
    failed = subprocess.run(
        [sys.executable, "-m", "s3rl.cli", "run", "absent.h5ad", "--n-domains", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith("Error: absent.h5ad: is not there.")
    assert "Traceback" not in failed.stderr
