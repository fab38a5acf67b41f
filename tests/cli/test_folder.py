"""The output folder: nothing is buried, an interrupted run goes on, the input lies apart."""

from __future__ import annotations

import os

import anndata as ad
import numpy as np
import pytest
from cli.conftest import EPOCHS

from s3rl.cli._folder import opened
from s3rl.errors import StoreError

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def interrupt(monkeypatch):
    """Raise in the given epoch, as Ctrl-C does; counts the epochs that were begun."""
    from s3rl.fit import loop

    begun: list[int] = []
    true_epoch = loop._epoch

    def at(number: int | None) -> list[int]:
        begun.clear()

        def epoch(*args, **more):
            begun.append(more["epoch"])
            if more["epoch"] == number:
                raise KeyboardInterrupt
            return true_epoch(*args, **more)

        monkeypatch.setattr(loop, "_epoch", epoch)
        return begun

    return at


def results_of(folder):
    table = ad.read_h5ad(folder / "results.h5ad")
    return table.obsm["X_s3rl"], table.obs["s3rl_domain"].astype(str).to_numpy(), table.layers["s3rl"]


def test_an_interrupted_run_goes_on_and_ends_as_the_unbroken_one(h5ad, s3rl, interrupt, tmp_path):
    run = ["run", h5ad, "--n-domains", 3]
    assert s3rl(*run, "--output", "whole").exit_code == 0
    interrupt(5)
    broken = s3rl(*run, "--output", "broken")
    assert broken.exit_code != 0
    assert "same command continues" in broken.stderr
    assert {entry.name for entry in (tmp_path / "broken").iterdir()} == {"unfinished.json", "training.safetensors"}
    begun = interrupt(None)
    again = s3rl(*run, "--output", "broken")
    assert again.exit_code == 0, again.output
    assert "continuing the unfinished run" in again.stderr
    assert begun == list(range(4, EPOCHS))
    assert not {"unfinished.json", "training.safetensors"} & set(os.listdir("broken"))
    pairs = zip(results_of(tmp_path / "whole"), results_of(tmp_path / "broken"), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)


def test_an_interrupted_run_of_other_settings_is_not_mixed_in(h5ad, s3rl, interrupt, tmp_path):
    interrupt(5)
    s3rl("run", h5ad, "--n-domains", 3, "--output", "out")
    begun = interrupt(None)
    other = s3rl("run", h5ad, "--n-domains", 4, "--output", "out")
    assert other.exit_code == 2
    assert "unfinished run of other settings. Found: n_domains 3." in other.stderr
    assert begun == []
    assert s3rl("run", h5ad, "--n-domains", 4, "--output", "out", "--overwrite").exit_code == 0
    assert begun == list(range(EPOCHS))


def test_a_folder_with_something_in_it(h5ad, store, s3rl, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    refused = s3rl("run", h5ad, "--n-domains", 3, "--output", "out")
    assert refused.exit_code == 2
    assert "Found: notes.txt." in refused.stderr
    assert os.listdir("out") == ["notes.txt"]
    assert s3rl("run", h5ad, "--n-domains", 3, "--output", "out", "--overwrite").exit_code == 0
    assert s3rl("run", store, "--n-domains", 3, "--output", "out", "--overwrite").exit_code == 0
    # the results of the first format would be taken for those of the second run
    assert set(os.listdir("out")) == {"notes.txt", "results.zarr", "model", "encoder.safetensors", "summary.json"}
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_an_empty_folder_is_taken_and_left_as_it_was(h5ad, s3rl, tmp_path):
    (tmp_path / "out").mkdir()
    assert s3rl("run", h5ad, "--n-domains", 1, "--output", "out").exit_code == 2
    assert os.listdir("out") == []


def test_a_file_is_no_folder(h5ad, s3rl, tmp_path):
    (tmp_path / "out").write_text("mine")
    for place in ("out", "out/below"):
        refused = s3rl("run", h5ad, "--n-domains", 3, "--output", place)
        assert refused.exit_code == 2
        assert "--output" in refused.stderr
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("place", ["slice.zarr", "slice.zarr/tables", "slice.zarr/new", "link"])
def test_the_input_is_no_place_for_results(place, store, s3rl, files_of, tmp_path):
    (tmp_path / "link").symlink_to(store)
    before = files_of(store)
    refused = s3rl("run", store, "--n-domains", 3, "--output", place, "--overwrite")
    assert refused.exit_code == 2
    assert "would write into the input" in refused.stderr
    assert files_of(store) == before


def test_a_full_disk(h5ad, s3rl, monkeypatch, tmp_path):
    import errno

    from s3rl._slots import store

    assert s3rl("run", h5ad, "--n-domains", 3, "--output", "out").exit_code == 0
    before = (tmp_path / "out" / "results.h5ad").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "_write_and_check", full)
    refused = s3rl("run", h5ad, "--n-domains", 3, "--output", "out", "--overwrite")
    assert refused.exit_code == 2
    assert "disk is full" in refused.stderr
    assert (tmp_path / "out" / "results.h5ad").read_bytes() == before


def test_a_mark_that_is_damaged_is_of_another_run(tmp_path):
    (tmp_path / "unfinished.json").write_text("{")
    with pytest.raises(StoreError, match="of other settings"), opened(tmp_path, {"a": 1}, overwrite=False, source=None):
        pass
