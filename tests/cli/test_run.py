"""``s3rl run``: results beside an input that stays as it is, and what it refuses."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pytest
import spatialdata as sd

from s3rl import errors
from s3rl._slots.store import write_results

PNG = b"\x89PNG\r\n\x1a\n"
FIGURES = {"overview.png", "domains.png", "history.png", "prototypes.png", "signed_graph.png", "denoising.png"}
IMAGE_FIGURES = {"tiles.png", "tile_boxes.png", "image_domains.png"}
SLOTS = {
    "obs": {"s3rl_domain"},
    "obsm": {"X_s3rl", "s3rl_probabilities"},
    "obsp": {"s3rl_connectivities", "s3rl_repulsions", "spatial_connectivities"},
    "layers": {"s3rl", "counts"},
    "uns": {"s3rl", "s3rl_domain_colors", "s3rl_neighbors"},
}


def has_results(table: ad.AnnData) -> bool:
    return all(names <= set(getattr(table, attribute)) for attribute, names in SLOTS.items())


def refused(result) -> str:
    """The message of a user's error: nothing but a line on stderr."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    message = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(message) == 1
    assert result.stdout == ""
    return message[0]


def test_h5ad_in_h5ad_out(h5ad, s3rl, sdata, tmp_path):
    before = h5ad.read_bytes()
    result = s3rl("run", h5ad, "--n-domains", 3, "--reference-key", "domain", "--output", "out")
    assert result.exit_code == 0, result.output
    assert h5ad.read_bytes() == before
    out = tmp_path / "out"
    assert {entry.name for entry in out.iterdir()} == {"results.h5ad", "figures", "model", "summary.json"}
    table = ad.read_h5ad(out / "results.h5ad")
    assert has_results(table)
    assert (table.layers["counts"] != sdata.tables["table"].X).nnz == 0
    assert {path.name for path in (out / "figures").iterdir()} == FIGURES
    assert all(path.read_bytes().startswith(PNG) for path in (out / "figures").iterdir())
    assert (out / "figures" / "overview.png").stat().st_size < 300_000


def test_the_number_of_domains_may_be_left_out(h5ad, s3rl, tmp_path, monkeypatch):
    from s3rl.fit import n_domains

    monkeypatch.setattr(n_domains, "N_DOMAINS_MAX", 4)
    monkeypatch.setitem(n_domains.choose_n_domains.__kwdefaults__, "n_repeats", 1)
    result = s3rl("run", h5ad, "--reference-key", "domain", "--output", "out")
    assert result.exit_code == 0, result.output
    chosen = int(ad.read_h5ad(tmp_path / "out" / "results.h5ad").uns["s3rl"]["n_domains"])
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["n_domains"] == chosen
    assert "figures/n_domains.png" in summary["figures"]
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == FIGURES | {"n_domains.png"}


def test_the_summary_says_what_is_in_the_results(h5ad, s3rl, tmp_path):
    from sklearn.metrics import adjusted_rand_score

    result = s3rl("run", h5ad, "--n-domains", 3, "--reference-key", "domain", "--seed", 4)
    out = tmp_path / "slice_s3rl"  # the name where none is given
    summary = json.loads((out / "summary.json").read_text())
    table = ad.read_h5ad(out / summary["files"]["results"])
    assert summary["ari"] == round(adjusted_rand_score(table.obs["domain"], table.obs["s3rl_domain"]), 4)
    assert 0 < summary["ari_untrained"] <= 1
    assert (summary["spots"], summary["genes"]) == table.shape
    assert summary["seed"] == table.uns["s3rl"]["seed"] == 4
    assert summary["domains_used"] == table.obs["s3rl_domain"].nunique()
    assert summary["seconds_total"] == pytest.approx(sum(summary["seconds"].values()), abs=0.1)
    assert summary["peak_memory_bytes"] > 50e6
    for shown in (f"{summary['ari']:.3f}", f"{summary['spots']}", "results.h5ad", "peak memory", "anndata.read_h5ad"):
        assert shown in result.stdout
    for step in ("read", "normalise", "spatial graph", "signed graph", "train", "compare", "write", "draw"):
        assert any(line.strip().startswith(step) for line in result.stderr.splitlines())
    assert all((out / name).exists() for name in [*summary["files"].values(), *summary["figures"]])


def test_spatialdata_in_spatialdata_out(store, s3rl, sdata, files_of, tmp_path):
    before = files_of(store)
    result = s3rl("run", store, "--n-domains", 3, "--output", "out")
    assert result.exit_code == 0, result.output
    assert files_of(store) == before
    written = sd.read_zarr(tmp_path / "out" / "results.zarr")
    assert has_results(written.tables["table"])
    assert "s3rl_domain_matched" not in written.tables["table"].obs
    assert np.array_equal(written.images["he"].values, sdata.images["he"].values)
    assert written.shapes["spots"].equals(sdata.shapes["spots"])
    assert "spatialdata.read_zarr" in result.stdout
    assert "ARI" not in result.stdout


@pytest.mark.usefixtures("no_figures")
def test_anndata_as_zarr(sdata, s3rl, tmp_path):
    write_results(sdata.tables["table"], tmp_path / "table.zarr")
    result = s3rl("run", "table.zarr", "--n-domains", 3, "--output", "out")
    assert result.exit_code == 0, result.output
    assert has_results(ad.read_zarr(tmp_path / "out" / "results.zarr"))
    assert "anndata.read_zarr" in result.stdout


@pytest.mark.usefixtures("no_figures")
def test_normalised_input_is_taken_from_its_counts(h5ad, s3rl, sdata, tmp_path):
    import s3rl as package

    table = sdata.tables["table"].copy()
    package.pp.normalize(table)
    table.write_h5ad(tmp_path / "normalised.h5ad")
    results = []
    for name in ("slice", "normalised"):
        assert s3rl("run", f"{name}.h5ad", "--n-domains", 3, "--output", name).exit_code == 0
        results.append(ad.read_h5ad(tmp_path / name / "results.h5ad"))
    assert np.array_equal(results[0].obsm["X_s3rl"], results[1].obsm["X_s3rl"])
    del table.layers["counts"]
    table.write_h5ad(tmp_path / "logged.h5ad")
    assert "Error: X: is normalised already" in refused(s3rl("run", "logged.h5ad", "--n-domains", 3))


def test_slices(h5ad, s3rl, tmp_path):
    result = s3rl("run", h5ad, "--n-domains", 3, "--library-key", "half", "--output", "out")
    assert result.exit_code == 0, result.output
    table = ad.read_h5ad(tmp_path / "out" / "results.h5ad")
    for graph in ("spatial_connectivities", "s3rl_connectivities", "s3rl_repulsions"):
        rows, columns = table.obsp[graph].nonzero()
        assert (table.obs["half"].to_numpy()[rows] == table.obs["half"].to_numpy()[columns]).all()


@pytest.mark.usefixtures("no_figures")
def test_results_are_an_input_too(h5ad, s3rl, tmp_path):
    assert s3rl("run", h5ad, "--n-domains", 3, "--output", "one").exit_code == 0
    assert s3rl("run", "one/results.h5ad", "--n-domains", 3, "--output", "two").exit_code == 0
    one, two = (ad.read_h5ad(tmp_path / name / "results.h5ad") for name in ("one", "two"))
    assert np.array_equal(one.obsm["X_s3rl"], two.obsm["X_s3rl"])
    again = s3rl("run", "one/results.h5ad", "--n-domains", 3, "--output", "one", "--overwrite")
    assert "would write into the input" in refused(again)
    compared = s3rl("run", "one/results.h5ad", "--n-domains", 3, "--reference-key", "s3rl_domain")
    assert "--reference-key" in refused(compared)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--n-domains", 1], ["n_domains", "--n-domains"]),
        (["--n-domains", 110], ["n_domains"]),
        (["--n-domains", 3, "--device", "tpu"], ["device", "--device"]),
        (["--n-domains", 3, "--n-top-genes", 0], ["n_top_genes", "--n-top-genes"]),
        (["--n-domains", 3, "--library-key", "patient"], ["obs['patient']", "half"]),
        (["--n-domains", 3, "--library-key", "lone"], ["obs['lone']", "b (3 spots)"]),
        (["--n-domains", 3, "--library-key", "depth"], ["obs['depth']"]),
        (["--n-domains", 3, "--reference-key", "layer"], ["obs['layer']", "domain"]),
        (["--n-domains", 3, "--reference-key", "depth"], ["obs['depth']"]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_options_that_cannot_be(options, says, h5ad, s3rl, tmp_path):
    message = refused(s3rl("run", h5ad, *options, "--output", "out"))
    assert all(words in message for words in says)
    assert "Fix: " in message
    assert not (tmp_path / "out").exists()


def test_options_that_click_refuses(h5ad, s3rl):
    for options in (["--n-domains", "few"], ["--n-domains", 3, "--seed", -1]):
        result = s3rl("run", h5ad, *options)
        assert result.exit_code == 2
        assert "Usage: " in result.stderr


@pytest.mark.usefixtures("no_figures")
def test_which_table(store, s3rl, sdata, tmp_path):
    both = sd.SpatialData.init_from_elements(
        {"spots": sdata.shapes["spots"], "table": sdata.tables["table"], "other": sdata.tables["table"].copy()}
    )
    write_results(both, tmp_path / "two.zarr")
    message = refused(s3rl("run", "two.zarr", "--n-domains", 3))
    assert "Available: " in message
    assert "--table-key" in message
    assert "third" in refused(s3rl("run", "two.zarr", "--n-domains", 3, "--table-key", "third"))
    result = s3rl("run", "two.zarr", "--n-domains", 3, "--table-key", "other", "--output", "out")
    assert result.exit_code == 0, result.output
    tables = sd.read_zarr(tmp_path / "out" / "results.zarr").tables
    assert has_results(tables["other"])
    assert not has_results(tables["table"])
    assert (tables["table"].X != sdata.tables["table"].X).nnz == 0


def test_empty_spots_with_the_fix_and_the_traceback_on_request(sdata, s3rl, tmp_path):
    table = sdata.tables["table"].copy()
    x = table.X.tolil()
    x[5] = 0
    table.X = x.tocsr()
    table.write_h5ad(tmp_path / "empty.h5ad")
    message = refused(s3rl("run", "empty.h5ad", "--n-domains", 3))
    assert message.startswith("Error: X: ")
    assert "filter_cells" in message
    shown = s3rl("run", "empty.h5ad", "--n-domains", 3, "--traceback")
    assert isinstance(shown.exception, errors.CountsError)


def test_inputs_that_cannot_be_read(h5ad, s3rl, tmp_path):
    assert "slice.h5ad" in refused(s3rl("run", "slices.h5ad", "--n-domains", 3))
    (tmp_path / "cut.h5ad").write_bytes(h5ad.read_bytes()[:3000])
    assert "cut short" in refused(s3rl("run", "cut.h5ad", "--n-domains", 3))
    (tmp_path / "slice.csv").write_text("a,b")
    assert "neither an .h5ad file nor a .zarr store" in refused(s3rl("run", "slice.csv", "--n-domains", 3))


def test_tables_without_coordinates(sdata, s3rl, tmp_path):
    table = sdata.tables["table"].copy()
    few = table[:6].copy()
    few.write_h5ad(tmp_path / "few.h5ad")
    del table.obsm["spatial"]
    table.write_h5ad(tmp_path / "nowhere.h5ad")
    assert "obsm['spatial']" in refused(s3rl("run", "nowhere.h5ad", "--n-domains", 3))
    assert "6 spots" in refused(s3rl("run", "few.h5ad", "--n-domains", 3))
