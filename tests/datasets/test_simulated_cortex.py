"""The whole object: structure, stores, reproducibility, and data that agree with the truth beside them."""

from __future__ import annotations

import pickle
import random

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import spatialdata as sd
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph
from spatialdata.transformations import get_transformation

import s3rl as s3
from s3rl.errors import ParameterError

simulate = s3.datasets.simulated_cortex


@pytest.fixture(scope="module")
def default() -> sd.SpatialData:
    return simulate()


@pytest.fixture(scope="module")
def slices() -> sd.SpatialData:
    return simulate(400, 60, n_slices=3, shift=700.0, rotation=20.0, crop=0.25, batch_effect=0.5, rng=2)


def matrix_of(image) -> np.ndarray:
    (name,) = get_transformation(image, get_all=True)
    return get_transformation(image, name).to_affine_matrix(("x", "y"), ("x", "y"))


def same(a: object, b: object) -> bool:
    """Equal values and kinds, across the text types of different versions of pandas."""
    if isinstance(a, dict):
        return set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, check_dtype=False, check_categorical=True)
        return True
    return np.array_equal(np.asarray(a), np.asarray(b))


def tables_equal(a: anndata.AnnData, b: anndata.AnnData) -> None:
    assert a.X.dtype == b.X.dtype
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(a.X, part), getattr(b.X, part))
    assert same(a.obs, b.obs)
    assert same(a.var, b.var)
    assert same(dict(a.obsm), dict(b.obsm))
    assert same(dict(a.varm), dict(b.varm))
    assert same(dict(a.uns), dict(b.uns))


def test_structure(default):
    table = default.tables["table"]
    assert list(default.images) == ["he"]
    assert list(default.shapes) == ["spots"]
    assert default.coordinate_systems == ["global"]
    assert table.shape == (1200, 500)
    assert isinstance(table.X, sp.csr_matrix)
    assert table.X.dtype == np.float32
    np.testing.assert_array_equal(table.X.data, np.rint(table.X.data))
    assert 0.05 < table.X.nnz / np.prod(table.shape) < 0.35
    assert list(table.obs["domain"].cat.categories) == ["L1", "L2", "L3", "L4", "WM"]
    assert table.obs["domain"].value_counts().min() > 50
    assert table.obs["depth"].between(0, 1).all()
    assert table.obsm["spatial"].dtype == np.float64
    assert table.obsm["spatial"].shape == (1200, 2)
    np.testing.assert_allclose(table.obsm["spatial"], table.obsm["spatial_truth"])
    assert table.obs_names.is_unique
    assert table.var_names.is_unique
    assert len(table.uns["domain_colors"]) == 5
    assert table.uns["spatialdata_attrs"] == {"region": "spots", "region_key": "region", "instance_key": "instance_id"}


def test_spots_are_where_the_table_says(default):
    shapes, table = default.shapes["spots"], default.tables["table"]
    at = sd.get_centroids(shapes, "global").compute().loc[table.obs["instance_id"].to_numpy()]
    np.testing.assert_array_equal(at.to_numpy(), table.obsm["spatial"])
    assert set(shapes["radius"]) == {27.5}


def test_domain_is_the_band_of_the_depth(default):
    table = default.tables["table"]
    layers = table.uns["simulation"]["layers"]
    for domain, row in layers.iterrows():
        depth = table.obs["depth"][table.obs["domain"] == domain]
        assert depth.between(row["from_depth"], row["to_depth"]).all()
        assert len(depth) / table.n_obs == pytest.approx(row["area"], abs=0.02)


def test_equal_arguments_give_equal_bytes_and_touch_no_global_state():
    def states() -> bytes:
        return pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state().numpy()))  # noqa: NPY002

    before = states()
    arguments = {"n_spots": 100, "n_genes": 60, "n_slices": 2, "shift": 5.0, "batch_effect": 0.1}
    first, second = simulate(**arguments, rng=7), simulate(**arguments, rng=7)
    tables_equal(first.tables["table"], second.tables["table"])
    image = first.images["slice1_he"].to_numpy()
    assert image.tobytes() == second.images["slice1_he"].to_numpy().tobytes()
    assert states() == before
    other = simulate(**arguments, rng=8)
    assert (other.tables["table"].X != first.tables["table"].X).nnz > 0
    bare = simulate(**arguments, rng=7, image=False)
    assert list(bare.images) == []
    tables_equal(first.tables["table"], bare.tables["table"])


def test_a_generator_is_advanced_and_a_seed_is_kept():
    rng = np.random.default_rng(0)
    seeds = [simulate(60, 40, image=False, rng=rng).tables["table"].uns["simulation"]["seed"] for _ in range(2)]
    assert seeds[0] != seeds[1]
    assert simulate(60, 40, image=False, rng=None).tables["table"].uns["simulation"]["seed"] == 0


def test_round_trip_through_zarr(tmp_path):
    made = simulate(80, 60, n_slices=2, rotation=5.0, crop=0.1, batch_effect=0.2, params={"image_rotation": 9.0})
    made.write(tmp_path / "it.zarr")
    read = sd.read_zarr(tmp_path / "it.zarr")
    tables_equal(made.tables["table"], read.tables["table"])
    for name, image in made.images.items():
        np.testing.assert_array_equal(image.to_numpy(), read.images[name].to_numpy())
        np.testing.assert_array_equal(matrix_of(image), matrix_of(read.images[name]))
    for name, shapes in made.shapes.items():
        assert (shapes["radius"] == read.shapes[name]["radius"]).all()
        assert shapes.geometry.geom_equals(read.shapes[name].geometry).all()


@pytest.mark.parametrize("rng", [2**63 - 1, 2**80])
def test_seeds_beyond_64_bits_are_written(tmp_path, rng):
    table = simulate(60, 40, image=False, rng=rng).tables["table"]
    table.write_h5ad(tmp_path / "it.h5ad")
    assert int(anndata.read_h5ad(tmp_path / "it.h5ad").uns["simulation"]["seed"]) == rng


def test_round_trip_through_h5ad(tmp_path, slices):
    slices.tables["table"].write_h5ad(tmp_path / "it.h5ad")
    tables_equal(slices.tables["table"], anndata.read_h5ad(tmp_path / "it.h5ad"))


@pytest.mark.parametrize("technology", ["visium", "cells"])
@pytest.mark.parametrize("image_rotation", [0.0, -30.0])
def test_the_image_under_a_spot_has_the_colour_of_its_layer(technology, image_rotation):
    made = simulate(500, 40, technology=technology, params={"image_rotation": image_rotation}, rng=3)
    table, image = made.tables["table"], made.images["he"]
    matrix = matrix_of(image)
    assert not np.allclose(matrix, np.eye(3))
    pixels = np.linalg.solve(matrix, np.vstack([table.obsm["spatial"].T, np.ones(table.n_obs)]))[:2].T
    rgb = image.to_numpy().astype(float)
    reach = int(made.shapes["spots"]["radius"].iloc[0] / np.sqrt(np.linalg.det(matrix[:2, :2])))
    boxes = [rgb[:, int(y) - reach : int(y) + reach, int(x) - reach : int(x) + reach] for x, y in pixels]
    # eosin absorbs green most; what nuclei hide is left out
    green = np.array([np.quantile(box[1], 0.9) for box in boxes])
    inside = table.obs["depth"].between(0.03, 0.97).to_numpy()
    mean = pd.Series(green[inside]).groupby(table.obs["domain"][inside].to_numpy()).mean()
    eosin = table.uns["simulation"]["layers"]["eosin"]
    assert np.corrcoef(mean[eosin.index], eosin)[0, 1] < -0.9
    assert mean["L1"] - mean["WM"] > 30
    if technology == "visium":
        dark = np.array([(box[0] < 130).mean() for box in boxes])
        share = pd.Series(dark[inside]).groupby(table.obs["domain"][inside].to_numpy()).mean()
        assert share["L2"] > 2 * share["L1"]
        assert share["L3"] > 2 * share["WM"]


def test_markers_are_found_by_scanpy(default):
    table = default.tables["table"].copy()
    sc.pp.normalize_total(table)
    sc.pp.log1p(table)
    sc.tl.rank_genes_groups(table, "domain", method="t-test")
    for domain in table.obs["domain"].cat.categories:
        best = list(sc.get.rank_genes_groups_df(table, domain)["names"][:10])
        assert (table.var.loc[best, "layer"] == domain).mean() >= 0.8
    planted = table.var_names[table.var["layer"] != "none"]
    assert table.var.loc[planted, "kind"].isin(["marker", "ligand", "receptor"]).all()


def test_genes_without_a_role_have_no_pattern(default):
    table = default.tables["table"]
    size = np.asarray(table.X.sum(axis=1)).ravel()
    fractions = table.X.toarray() / size[:, None]
    correlation = np.array([np.corrcoef(fractions[:, g], table.obs["depth"])[0, 1] for g in range(table.n_vars)])
    kind = table.var["kind"].to_numpy()
    # the share of counts that markers take differs a little from layer to layer, and with it that of the others
    assert np.abs(correlation[kind == "null"]).mean() < 0.04
    steep = table.var["depth_slope"].to_numpy()
    assert (np.sign(correlation[steep != 0]) == np.sign(steep[steep != 0])).mean() > 0.9


def test_pairs_are_raised_in_neighbouring_layers(default):
    table = default.tables["table"]
    pairs = table.uns["simulation"]["pairs"]
    assert pairs["planted"].sum() == (~pairs["planted"]).sum() == 4
    domains = list(table.obs["domain"].cat.categories)
    counts = table.to_df() / np.asarray(table.X.sum(axis=1))
    means = counts.groupby(table.obs["domain"].to_numpy()).mean()
    for _, pair in pairs[pairs["planted"]].iterrows():
        assert abs(domains.index(pair["source_domain"]) - domains.index(pair["target_domain"])) == 1
        assert means[pair["source"]].idxmax() == pair["source_domain"]
        assert means[pair["target"]].idxmax() == pair["target_domain"]
    rest = pairs[~pairs["planted"]]
    spread = means[[*rest["source"], *rest["target"]]]
    assert (spread.max() / spread.min()).max() < 2.2


def test_neighbours_help_and_are_needed(default):
    table = default.tables["table"].copy()
    sc.pp.normalize_total(table, target_sum=1e4)
    sc.pp.log1p(table)
    sc.pp.pca(table, n_comps=20, random_state=0)
    graph = kneighbors_graph(table.obsm["spatial"], 6, include_self=False)
    graph = ((graph + graph.T) > 0).astype(float) + sp.eye(table.n_obs)
    smooth = sp.diags(1 / np.asarray(graph.sum(axis=1)).ravel()) @ graph

    def score(features: np.ndarray) -> float:
        return adjusted_rand_score(table.obs["domain"], KMeans(5, n_init=3, random_state=0).fit_predict(features))

    alone, together = score(table.obsm["X_pca"]), score(smooth @ (smooth @ table.obsm["X_pca"]))
    assert 0.1 < alone < 0.6
    assert 0.7 < together < 0.95


def test_slices_structure(slices):
    table = slices.tables["table"]
    assert sorted(slices.coordinate_systems) == ["slice1", "slice2", "slice3"]
    assert sorted(slices.images) == ["slice1_he", "slice2_he", "slice3_he"]
    assert sorted(slices.shapes) == ["slice1_spots", "slice2_spots", "slice3_spots"]
    assert list(table.obs["slice"].cat.categories) == ["slice1", "slice2", "slice3"]
    assert dict(table.obs.groupby("slice", observed=True)["donor"].first()) == {
        "slice1": "donor1",
        "slice2": "donor1",
        "slice3": "donor2",
    }
    assert (table.obs["slice"].value_counts() == 300).all()
    for name in table.obs["slice"].cat.categories:
        rows = table[table.obs["slice"] == name]
        shapes = slices.shapes[f"{name}_spots"]
        assert (rows.obs["region"] == f"{name}_spots").all()
        np.testing.assert_array_equal(sd.get_centroids(shapes, name).compute().to_numpy(), rows.obsm["spatial"])


def test_the_stored_placement_takes_every_slice_back(slices):
    table = slices.tables["table"]
    for number, (name, row) in enumerate(table.uns["simulation"]["slices"].iterrows()):
        rows = table[table.obs["slice"] == name]
        angle = np.deg2rad(row["rotation"])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre, shift = row[["centre_x", "centre_y"]].to_numpy(float), row[["shift_x", "shift_y"]].to_numpy(float)
        there = (turn @ (rows.obsm["spatial_truth"] - centre).T).T + centre + shift
        np.testing.assert_allclose(there, rows.obsm["spatial"])
        assert row["rotation"] == 20.0 * number
        assert np.hypot(*shift) == pytest.approx(700.0 * number)
        assert rows.obsm["spatial_truth"][:, 0].min() >= row["kept_from_x"]
        assert rows.obsm["spatial_truth"][:, 0].max() <= row["kept_to_x"]


def test_slices_are_of_one_tissue_that_overlaps(slices):
    table = slices.tables["table"]
    first, second = (table[table.obs["slice"] == name] for name in ("slice1", "slice2"))
    assert first.obsm["spatial_truth"][:, 0].min() < second.obsm["spatial_truth"][:, 0].min() - 200
    near = kneighbors_graph(
        np.concatenate([first.obsm["spatial_truth"], second.obsm["spatial_truth"]]), 12, mode="distance"
    )[:300, 300:].tocoo()
    close = near.data < 60
    assert close.sum() > 50
    depth = first.obs["depth"].to_numpy()[near.row[close]] - second.obs["depth"].to_numpy()[near.col[close]]
    assert np.abs(depth).max() < 0.08


def test_batch_factors_are_those_of_the_counts():
    table = simulate(1500, 60, n_slices=2, batch_effect=0.8, image=False, rng=1).tables["table"]
    factor = table.varm["batch_factor"]
    assert factor.shape == (60, 2)
    np.testing.assert_array_equal(factor[:, 0], 1.0)
    assert np.log(factor[:, 1]).std() == pytest.approx(0.8, rel=0.3)
    means = [np.asarray(table[table.obs["slice"] == name].X.mean(axis=0)).ravel() for name in ("slice1", "slice2")]
    assert np.corrcoef(np.log(means[1] / means[0]), np.log(factor[:, 1]))[0, 1] > 0.95


@pytest.mark.parametrize("technology", ["visium", "cells"])
@pytest.mark.parametrize("n_layers", [2, 5, 7])
def test_every_layer_is_there_for_every_seed(technology, n_layers):
    for seed in range(3):
        made = simulate(90, 40, n_layers=n_layers, technology=technology, image=False, rng=seed)
        assert made.tables["table"].obs["domain"].nunique() == n_layers


def test_imbalance_makes_thin_layers():
    table = simulate(2000, 40, n_layers=7, image=False, params={"imbalance": 15.0}).tables["table"]
    sizes = table.obs["domain"].value_counts()
    assert sizes.max() / sizes.min() == pytest.approx(15.0, rel=0.3)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"n_spots": 10}, "n_spots"),
        ({"n_spots": 100.0}, "n_spots"),
        ({"n_genes": 5}, "n_genes"),
        ({"n_genes": 20}, "n_genes"),
        ({"n_layers": 1}, "n_layers"),
        ({"n_layers": 8}, "n_layers"),
        ({"technology": "xenium"}, "technology"),
        ({"technology": ["cells"]}, "technology"),
        ({"n_slices": 0}, "n_slices"),
        ({"shift": 10.0}, "shift"),
        ({"rotation": 10.0}, "rotation"),
        ({"batch_effect": 0.1}, "batch_effect"),
        ({"n_slices": 2, "shift": float("nan")}, "shift"),
        ({"n_slices": 2, "batch_effect": -0.1}, "batch_effect"),
        ({"crop": 1.0}, "crop"),
        ({"crop": -0.1}, "crop"),
        ({"params": {"imbalance": 99.0}, "n_spots": 100}, "imbalance"),
        ({"params": {"dropout": 1.0}}, "dropout"),
        ({"params": {"no": 1.0}}, "params"),
        ({"params": 3}, "params"),
        ({"rng": -1}, "rng"),
        ({"rng": "0"}, "rng"),
    ],
)
def test_wrong_arguments(arguments, key):
    with pytest.raises(ParameterError) as caught:
        simulate(**arguments)
    assert caught.value.key == key


@pytest.mark.parametrize("params", [{}, {"marker_share": 0.6, "gradient_share": 0.3}])
def test_the_advice_of_the_error_about_genes_is_enough(params):
    with pytest.raises(ParameterError) as caught:
        simulate(60, 20, n_layers=3, image=False, params=params)
    enough = int(caught.value.fix.split("n_genes=")[1].split(",")[0])
    assert simulate(60, enough, n_layers=3, image=False, params=params).tables["table"].n_vars == enough


def test_the_advice_of_the_error_about_spots_is_enough():
    with pytest.raises(ParameterError) as caught:
        simulate(60, 40, image=False, params={"imbalance": 50.0})
    enough = int(caught.value.fix.split("n_spots=")[1].split(" ")[0])
    assert simulate(enough, 40, image=False, params={"imbalance": 50.0}).tables["table"].n_obs == enough
