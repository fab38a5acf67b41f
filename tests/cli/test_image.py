"""The image on the command line: used where there is one, left out with a word where it cannot be, never by force."""

from __future__ import annotations

import json
import os

import anndata as ad
import numpy as np
import pytest
import spatialdata as sd
from cli.conftest import IMAGE_EPOCHS
from cli.test_run import FIGURES, IMAGE_FIGURES, PNG, has_results, refused

import s3rl as package
from s3rl._slots.store import write_results

OWN = {"obsm/X_simclr", "uns/simclr", "obs/simclr_leiden", "uns/simclr_leiden_colors"}
PIXEL = 3.0


def has_features(table: ad.AnnData) -> bool:
    there = [key in getattr(table, attribute) for attribute, key in (name.split("/") for name in OWN)]
    assert len(set(there)) == 1
    return there[0]


def summary_of(folder) -> dict:
    return json.loads((folder / "summary.json").read_text())


def visium_of(sdata, scale: float = 1.0) -> ad.AnnData:
    """The table with the image where scanpy has it, coordinates in pixels of a full resolution of one micrometre."""
    table = sdata.tables["table"].copy()
    del table.uns["spatialdata_attrs"]
    image = sdata.images["he"]
    pixels = image.transpose("y", "x", "c").values
    matrix = sd.transformations.get_transformation(image).to_affine_matrix(("x", "y"), ("x", "y"))
    table.obsm["spatial"] = table.obsm["spatial"] - matrix[:2, 2]
    step = round(1 / scale)
    factors = {
        "tissue_hires_scalef": 1 / (PIXEL * step),
        "tissue_lowres_scalef": 1 / (PIXEL * step * 2),
        "spot_diameter_fullres": 55.0,
    }
    images = {"hires": pixels[::step, ::step], "lowres": pixels[:: 2 * step, :: 2 * step]}
    table.uns["spatial"] = {"slide": {"images": images, "scalefactors": factors}}
    return table


@pytest.fixture
def visium(sdata, tmp_path):
    visium_of(sdata).write_h5ad(tmp_path / "visium.h5ad")
    return tmp_path / "visium.h5ad"


def test_a_store_with_an_image(store, s3rl, sdata, tmp_path):
    result = s3rl("run", store, "--n-domains", 3, "--reference-key", "domain", "--output", "out")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    written = sd.read_zarr(out / "results.zarr")
    table = written.tables["table"]
    assert has_results(table)
    assert has_features(table)
    assert {"image+", "image-"} <= set(table.uns["s3rl_neighbors"]["kinds"])
    assert {path.name for path in (out / "figures").iterdir()} == FIGURES | IMAGE_FIGURES
    assert all((out / "figures" / name).read_bytes().startswith(PNG) for name in IMAGE_FIGURES)
    for step in ("tiles", "image features"):
        assert any(line.strip().startswith(step) for line in result.stderr.splitlines())
    # the distance from spot to spot is 100 um or 33.3 pixels
    summary = summary_of(out)
    image = summary["image"]
    assert (image["images"], image["levels"], image["tiles"]) == (["he"], [""], ["he_tiles"])
    assert (image["size"], image["microns"], image["channels"], image["padded"]) == (34, 102.0, 3, 0)
    assert (image["backbone"], image["epochs"]) == ("test_resnet", IMAGE_EPOCHS)
    assert summary["image_left_out"] is None
    assert {f"figures/{name}" for name in IMAGE_FIGURES} <= set(summary["figures"])
    assert "he, tiles of 34 px (102 µm)" in result.stdout
    assert "he_tiles" not in sdata.shapes
    # the encoder that was saved is the one of the features
    again = package.tl.embed_tiles(written, out / summary["files"]["encoder"], progress=False, copy=True)
    assert np.allclose(again.features, table.obsm["X_simclr"], atol=1e-5)


def test_an_h5ad_with_an_image_stays_an_h5ad(visium, s3rl, tmp_path):
    before = visium.read_bytes()
    result = s3rl("run", visium, "--n-domains", 3, "--output", "out")
    assert result.exit_code == 0, result.output
    assert visium.read_bytes() == before
    out = tmp_path / "out"
    table, given = ad.read_h5ad(out / "results.h5ad"), ad.read_h5ad(visium)
    assert has_results(table)
    assert has_features(table)
    assert "spatialdata_attrs" not in table.uns
    assert set(table.obs) - set(given.obs) == {
        "s3rl_domain", "s3rl_margin", "s3rl_agreement", "s3rl_uncertainty", "simclr_leiden",
    }  # fmt: skip
    hires = table.uns["spatial"]["slide"]["images"]["hires"]
    assert np.array_equal(hires, given.uns["spatial"]["slide"]["images"]["hires"])
    assert {path.name for path in (out / "figures").iterdir()} == FIGURES | IMAGE_FIGURES
    assert summary_of(out)["image"]["images"] == ["slide_hires"]
    assert summary_of(out)["image"]["size"] == 34


@pytest.mark.usefixtures("no_figures")
def test_both_kinds_of_input_give_the_same_features(visium, store, s3rl, tmp_path):
    for source, name in ((visium, "one"), (store, "two")):
        assert s3rl("run", source, "--n-domains", 3, "--output", name).exit_code == 0
    one = ad.read_h5ad(tmp_path / "one" / "results.h5ad").obsm["X_simclr"]
    two = sd.read_zarr(tmp_path / "two" / "results.zarr").tables["table"].obsm["X_simclr"]
    assert np.array_equal(one, two)


@pytest.mark.usefixtures("no_figures")
def test_without_the_image_all_is_as_if_there_were_none(visium, s3rl, tmp_path):
    bare = ad.read_h5ad(visium)
    del bare.uns["spatial"]
    bare.write_h5ad(tmp_path / "bare.h5ad")
    assert s3rl("run", visium, "--n-domains", 3, "--no-image", "--output", "out").exit_code == 0
    assert s3rl("run", "bare.h5ad", "--n-domains", 3, "--output", "bare").exit_code == 0
    one, two = (ad.read_h5ad(tmp_path / name / "results.h5ad") for name in ("out", "bare"))
    assert np.array_equal(one.obsm["X_s3rl"], two.obsm["X_s3rl"])
    assert not has_features(one)
    assert (summary_of(tmp_path / "out")["image"], summary_of(tmp_path / "out")["image_left_out"]) == (
        None,
        "--no-image",
    )
    assert summary_of(tmp_path / "bare")["image_left_out"] == "there is none"


@pytest.mark.slow
def test_a_run_without_the_image_leaves_nothing_of_one_with_it(store, s3rl, tmp_path):
    for options in ([], ["--no-image", "--overwrite"]):
        assert s3rl("run", store, "--n-domains", 3, "--output", "out", *options).exit_code == 0
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == FIGURES
    assert set(os.listdir("out")) == {"results.zarr", "figures", "model", "summary.json"}
    assert not has_features(sd.read_zarr(tmp_path / "out" / "results.zarr").tables["table"])


@pytest.mark.usefixtures("no_figures")
def test_demo_without_the_image(s3rl, tmp_path):
    result = s3rl("demo", "--no-image")
    assert result.exit_code == 0, result.output
    assert set(os.listdir("s3rl_demo")) == {"tissue.zarr", "results.zarr", "model", "summary.json"}
    assert "image features" not in result.stderr
    assert not has_features(sd.read_zarr(tmp_path / "s3rl_demo" / "results.zarr").tables["table"])


@pytest.mark.usefixtures("no_figures")
def test_an_image_that_is_too_coarse_is_left_out_unless_it_is_asked_for(sdata, s3rl, tmp_path):
    visium_of(sdata, scale=0.2).write_h5ad(tmp_path / "coarse.h5ad")
    result = s3rl("run", "coarse.h5ad", "--n-domains", 3, "--output", "out")
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.strip().startswith("tiles")]
    assert "image left out: images['slide_hires']: is too coarse" in line
    assert "6.7 pixels" in line
    assert "--tile-size" in line
    table = ad.read_h5ad(tmp_path / "out" / "results.h5ad")
    assert has_results(table)
    assert not has_features(table)
    assert "too coarse" in summary_of(tmp_path / "out")["image_left_out"]
    assert "too coarse" in refused(s3rl("run", "coarse.h5ad", "--n-domains", 3, "--image", "hires"))
    forced = s3rl("run", "coarse.h5ad", "--n-domains", 3, "--tile-size", 10, "--output", "forced")
    assert forced.exit_code == 0, forced.output
    assert summary_of(tmp_path / "forced")["image"]["size"] == 10


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    ("options", "image", "size"),
    [
        (["--image", "lowres"], "slide_lowres", 18),
        (["--image", "slide_hires"], "slide_hires", 34),
        (["--tile-size", 20], "slide_hires", 20),
        (["--tile-size", 60, "--tile-unit", "um"], "slide_hires", 20),
        (["--image", "lowres", "--tile-size", 90, "--tile-unit", "um"], "slide_lowres", 15),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else str(value),
)
def test_which_image_and_which_size(options, image, size, visium, s3rl, tmp_path):
    result = s3rl("run", visium, "--n-domains", 3, "--output", "out", *options)
    assert result.exit_code == 0, result.output
    found = summary_of(tmp_path / "out")["image"]
    assert (found["images"], found["size"]) == ([image], size)
    assert found["microns"] == pytest.approx(size * PIXEL * (2 if image == "slide_lowres" else 1), rel=0.01)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--image", "nowhere"], ["image_key", "--image", "slide_hires"]),
        (["--image", "hires", "--no-image"], ["--image", "--no-image"]),
        (["--tile-size", 20, "--no-image"], ["--tile-size", "--no-image"]),
        (["--tile-size", 0], ["size", "--tile-size"]),
        (["--tile-size", 1e6], ["size", "larger than the image"]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_options_that_cannot_be(options, says, visium, s3rl, tmp_path):
    message = refused(s3rl("run", visium, "--n-domains", 3, *options, "--output", "out"))
    assert all(words in message for words in says)
    assert "Fix: " in message
    assert not (tmp_path / "out").exists()


def test_options_of_an_image_that_is_not_there(h5ad, s3rl):
    for options in (["--image", "hires"], ["--tile-size", 20]):
        assert "without an image" in refused(s3rl("run", h5ad, "--n-domains", 3, *options))


def test_a_number_of_domains_is_refused_before_the_training_on_the_image(store, s3rl):
    result = s3rl("run", store, "--n-domains", 1)
    assert "--n-domains" in refused(result)
    assert "image features" not in result.stderr


@pytest.fixture
def interrupt(monkeypatch):
    """Raise in the given step of the training on the image, as Ctrl-C does; counts the steps that were begun."""
    from s3rl.fit import simclr

    begun: list[int] = []
    true_step = simclr._Step.__call__

    def at(number: int | None) -> list[int]:
        begun.clear()

        def step(self, pair, count, epoch):
            begun.append(epoch)
            if epoch == number:
                raise KeyboardInterrupt
            return true_step(self, pair, count, epoch)

        monkeypatch.setattr(simclr._Step, "__call__", step)
        return begun

    return at


@pytest.mark.usefixtures("no_figures")
def test_an_interrupted_training_on_the_image_goes_on(store, s3rl, interrupt, tmp_path):
    run = ["run", store, "--n-domains", 3]
    assert s3rl(*run, "--output", "whole").exit_code == 0
    interrupt(1)
    broken = s3rl(*run, "--output", "broken")
    assert broken.exit_code != 0
    assert "same command continues" in broken.stderr
    assert set(os.listdir("broken")) == {"unfinished.json", "image_training.safetensors"}
    begun = interrupt(None)
    other = s3rl(*run, "--tile-size", 20, "--output", "broken")
    assert other.exit_code == 2
    assert "unfinished run of other settings. Found: tile_size None." in other.stderr
    assert begun == []
    again = s3rl(*run, "--output", "broken")
    assert again.exit_code == 0, again.output
    assert "continuing the unfinished run" in again.stderr
    assert begun == [1]
    assert set(os.listdir("broken")) == {"results.zarr", "model", "encoder.safetensors", "summary.json"}
    one, two = (sd.read_zarr(tmp_path / name / "results.zarr").tables["table"] for name in ("whole", "broken"))
    for key in ("X_simclr", "X_s3rl"):
        assert np.array_equal(one.obsm[key], two.obsm[key])


@pytest.mark.usefixtures("no_figures")
def test_an_image_without_a_place_is_left_out(sdata, s3rl, tmp_path):
    apart = sd.SpatialData.init_from_elements(
        {"he": sdata.images["he"], "spots": sdata.shapes["spots"], "table": sdata.tables["table"].copy()}
    )
    apart.images["he"] = sd.models.Image2DModel.parse(
        sdata.images["he"].values, dims=("c", "y", "x"), transformations={"other": sd.transformations.Identity()}
    )
    write_results(apart, tmp_path / "apart.zarr")
    result = s3rl("run", "apart.zarr", "--n-domains", 3, "--output", "out")
    assert result.exit_code == 0, result.output
    assert "image left out" in result.stderr
    assert "share no coordinate system" in summary_of(tmp_path / "out")["image_left_out"]


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("kind", ["store", "h5ad"])
def test_slices_with_an_image_each(kind, s3rl, tmp_path):
    two = package.datasets.simulated_cortex(60, 40, n_layers=3, n_slices=2, rng=1)
    if kind == "store":
        write_results(two, tmp_path / "in.zarr")
    else:
        table = two.tables["table"].copy()
        del table.uns["spatialdata_attrs"]
        table.uns["spatial"] = {}
        for name in ("slice1", "slice2"):
            image = two.images[f"{name}_he"]
            system = next(iter(sd.transformations.get_transformation(image, get_all=True)))
            matrix = sd.transformations.get_transformation(image, system).to_affine_matrix(("x", "y"), ("x", "y"))
            mine = (table.obs["slice"] == name).to_numpy()
            table.obsm["spatial"][mine] = table.obsm["spatial"][mine] - matrix[:2, 2]
            factors = {"tissue_hires_scalef": 1 / PIXEL, "spot_diameter_fullres": 55.0}
            pixels = image.transpose("y", "x", "c").values
            table.uns["spatial"][name] = {"images": {"hires": pixels}, "scalefactors": factors}
        table.write_h5ad(tmp_path / "in.h5ad")
    source = "in.zarr" if kind == "store" else "in.h5ad"
    result = s3rl("run", source, "--n-domains", 3, "--library-key", "slice", "--output", "out")
    assert result.exit_code == 0, result.output
    found = summary_of(tmp_path / "out")["image"]
    assert len(found["images"]) == len(found["tiles"]) == 2
    assert found["size"] == 34
    if kind == "h5ad":
        alone = s3rl("run", source, "--n-domains", 3, "--output", "alone")
        assert alone.exit_code == 0, alone.output
        assert "library_key" in summary_of(tmp_path / "alone")["image_left_out"]
