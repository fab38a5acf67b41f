"""Simulated tumour and its single cells: what the truth says is in the counts, in the shapes and in public lists."""

from __future__ import annotations

import pickle
import random

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import shapely
import spatialdata as sd
import torch
from scipy.optimize import nnls
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from spatialdata.transformations import get_transformation

import s3rl as s3
from s3rl.errors import ParameterError

simulate, simulate_cells = s3.datasets.simulated_tumour, s3.datasets.simulated_tumour_reference
DOMAINS = ["tumour", "stroma", "T zone", "B follicle", "adipose"]


@pytest.fixture(scope="module")
def default() -> sd.SpatialData:
    return simulate()


@pytest.fixture(scope="module")
def cells() -> anndata.AnnData:
    return simulate_cells()


def shares(table: anndata.AnnData) -> pd.DataFrame:
    """Counts over those of the genes that are alike in all spots, which are not moved by the others."""
    even = table.X[:, table.var["kind"].isin(["null", "control"]).to_numpy()].sum(axis=1)
    return pd.DataFrame(table.X.toarray() / np.maximum(np.asarray(even), 1), table.obs_names, table.var_names)


def same(a: anndata.AnnData, b: anndata.AnnData) -> None:
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(a.X, part), getattr(b.X, part))
    for one, other in ((a.obs, b.obs), (a.var, b.var)):
        pd.testing.assert_frame_equal(one, other, check_dtype=False)
    assert set(a.obsm) == set(b.obsm)
    assert all(np.array_equal(a.obsm[key], b.obsm[key]) for key in a.obsm)
    assert all(np.array_equal(a.varm[key], b.varm[key]) for key in a.varm)
    assert set(a.uns) == set(b.uns)
    for key, value in a.uns.get("simulation", {}).items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, b.uns["simulation"][key], check_dtype=False)
        else:
            assert np.array_equal(np.asarray(value), np.asarray(b.uns["simulation"][key]))


def test_structure(default):
    table = default.tables["table"]
    assert sorted(default.shapes) == ["spots", "vessels"]
    assert default.coordinate_systems == ["global"]
    assert table.shape == (900, 338)
    assert isinstance(table.X, sp.csr_matrix)
    assert table.X.dtype == np.float32
    np.testing.assert_array_equal(table.X.data, np.rint(table.X.data))
    assert list(table.obs["domain"].cat.categories) == DOMAINS
    assert len(table.uns["domain_colors"]) == len(set(table.uns["domain_colors"])) == 5
    assert table.var_names.is_unique
    assert (table.var["kind"] == "null").sum() == 100
    at = sd.get_centroids(default.shapes["spots"], "global").compute().loc[table.obs["instance_id"].to_numpy()]
    np.testing.assert_array_equal(at.to_numpy(), table.obsm["spatial"])
    assert table.uns["simulation"]["domains"]["n_spots"].to_dict() == table.obs["domain"].value_counts().to_dict()


def test_proportions_are_of_whole_cells_and_follow_the_domains():
    table = simulate(cells_per_spot=8, rng=3).tables["table"]
    found = table.obsm["proportions_truth"]
    np.testing.assert_array_equal(found * 8, np.rint(found * 8))
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    types = list(table.uns["simulation"]["cell_types"])
    assert list(table.uns["proportions_truth"]["names"]) == types
    most = pd.DataFrame(found, columns=types).groupby(table.obs["domain"].to_numpy()).mean().idxmax(axis=1)
    assert most.to_dict() == {
        "tumour": "tumour",
        "stroma": "fibroblast",
        "T zone": "T cell",
        "B follicle": "B cell",
        "adipose": "adipocyte",
    }
    assert spearmanr(found[:, types.index("endothelial")], table.obs["distance"]).statistic < -0.15


def test_distance_is_that_to_the_polygons_in_the_common_system(default):
    table, vessels = default.tables["table"], default.shapes["vessels"]
    assert len(vessels) == 15
    assert not np.allclose(get_transformation(vessels).to_affine_matrix(("x", "y"), ("x", "y")), np.eye(3))
    polygons = sd.transform(vessels, to_coordinate_system="global").geometry
    assert polygons.is_valid.all()
    points = shapely.points(table.obsm["spatial"])
    distance = np.min([shapely.distance(polygon, points) for polygon in polygons], axis=0)
    np.testing.assert_allclose(table.obs["distance"], distance, atol=1e-6)
    assert table.obs["distance"].max() > 500
    assert pdist(shapely.get_coordinates(polygons.centroid)).min() > 100


@pytest.mark.parametrize("domain", ["tumour", "stroma"])
def test_programs_follow_the_vessels_within_a_domain(domain):
    table = simulate(3000, rng=1).tables["table"]
    rows = (table.obs["domain"] == domain).to_numpy()
    counts = shares(table)[rows]
    for kind, sign in {"hypoxia": 1, "proliferation": -1, "control": 0, "null": 0}.items():
        total = counts.loc[:, (table.var["kind"] == kind).to_numpy()].sum(axis=1)
        rho = spearmanr(total, table.obs["distance"][rows]).statistic
        assert rho * sign > 0.4 if sign else abs(rho) < 0.1


def test_effects_are_those_of_the_formula():
    table = simulate(4000, counts_per_gene=20.0, rng=2).tables["table"]
    rows = (table.obs["domain"] == "tumour").to_numpy()
    counts = shares(table)[rows]
    hypoxia = 1 - np.exp(-table.obs["distance"] / 300)
    fields = np.stack([np.ones(rows.sum()), hypoxia[rows], table.obs["interferon"][rows]])
    chosen = table.var["kind"].isin(["hypoxia", "proliferation", "interferon", "control"]).to_numpy()
    logs = np.log(counts.loc[:, chosen].to_numpy() + 1e-3)
    slopes = np.linalg.lstsq(fields.T, logs, rcond=None)[0][1:]
    planted = table.var.loc[chosen, ["distance_effect", "immune_effect"]].to_numpy().T
    assert np.corrcoef(slopes.ravel(), planted.ravel())[0, 1] > 0.95
    assert {"CD274", *table.var_names[table.var["kind"] == "interferon"]} == set(
        table.var_names[table.var["immune_effect"] != 0]
    )


def test_planted_pairs_are_raised_where_the_truth_says():
    table = simulate(3000).tables["table"]
    pairs = table.uns["simulation"]["pairs"]
    means = shares(table).groupby(table.obs["domain"].to_numpy()).mean()
    assert pairs["planted"].sum() == (~pairs["planted"]).sum() == 8
    for _, pair in pairs[pairs["planted"]].iterrows():
        for name, domain in (("source", "source_domain"), ("target", "target_domain")):
            for gene in pair[name].split("_"):
                assert means.loc[pair[domain], gene] > 1.5 * means[gene].median()
    for genes in pairs.loc[~pairs["planted"], ["source", "target"]].to_numpy():
        assert (means[genes].max() / means[genes].min() < 1.6).all()


def test_domains_of_planted_pairs_touch(default):
    from sklearn.neighbors import kneighbors_graph

    table = default.tables["table"]
    edges = kneighbors_graph(table.obsm["spatial"], 6).tocoo()
    domain = table.obs["domain"].to_numpy()
    touching = pd.Series(list(zip(domain[edges.row], domain[edges.col], strict=True))).value_counts()
    for _, pair in table.uns["simulation"]["pairs"].query("planted").iterrows():
        assert touching[pair["source_domain"], pair["target_domain"]] > 10


def test_pairs_are_in_a_public_list(default):
    liana = pytest.importorskip("liana")
    listed = {tuple(row) for row in liana.rs.select_resource("consensus")[["ligand", "receptor"]].to_numpy()}
    pairs = default.tables["table"].uns["simulation"]["pairs"]
    assert {tuple(row) for row in pairs[["source", "target"]].to_numpy()} <= listed


def test_the_reference_explains_the_spots(default, cells):
    table = default.tables["table"]
    types = list(table.uns["simulation"]["cell_types"])
    assert list(cells.obs["cell_type"].cat.categories) == types
    assert (cells.obs["cell_type"].value_counts() == 100).all()
    np.testing.assert_array_equal(cells.var_names, table.var_names)
    profiles = np.stack([cells.X[(cells.obs["cell_type"] == name).to_numpy()].mean(axis=0).A1 for name in types])
    profiles = profiles / cells.var["batch_factor"].to_numpy()
    weights = np.array([nnls(profiles.T, spot)[0] for spot in table.X.toarray()])
    found = weights / weights.sum(axis=1, keepdims=True)
    assert np.sqrt(((found - table.obsm["proportions_truth"]) ** 2).mean()) < 0.1


def test_markers_are_those_of_the_cells(cells):
    means = shares(cells).groupby(cells.obs["cell_type"].to_numpy()).mean()
    markers = cells.var[cells.var["kind"] == "marker"]
    assert (means[markers.index].idxmax() == markers["cell_type"].astype(str)).mean() > 0.97


def test_all_types_have_equal_totals_and_more_noise_changes_nothing():
    few, many = (simulate(100, n_null=n).tables["table"] for n in (3, 40))
    named = (few.var["kind"] != "null").to_numpy()
    totals = few.varm["profiles"][named].sum(axis=0)
    np.testing.assert_allclose(totals, totals[0])
    assert (few.varm["profiles"] > 0).all()
    np.testing.assert_array_equal(few.varm["profiles"], many.varm["profiles"][: few.n_vars])
    np.testing.assert_array_equal(few.varm["profiles"], simulate(100, n_null=3, rng=9).tables["table"].varm["profiles"])


def test_batch_effect_is_that_of_the_counts():
    apart = simulate_cells(900, batch_effect=0.8, counts_per_gene=3.0)
    alike = simulate_cells(900, batch_effect=0.0, counts_per_gene=3.0)
    assert (alike.var["batch_factor"] == 1).all()
    ratio = np.log(np.asarray(apart.X.mean(axis=0) / alike.X.mean(axis=0)).ravel())
    assert np.corrcoef(ratio, np.log(apart.var["batch_factor"]))[0, 1] > 0.95
    assert np.log(apart.var["batch_factor"]).std() == pytest.approx(0.8, rel=0.2)


def test_equal_arguments_give_equal_bytes_and_touch_no_global_state():
    def states() -> bytes:
        return pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state().numpy()))  # noqa: NPY002

    before = states()
    first, second = (simulate(150, rng=7) for _ in range(2))
    same(first.tables["table"], second.tables["table"])
    assert first.shapes["vessels"].geometry.geom_equals(second.shapes["vessels"].geometry).all()
    same(simulate_cells(90, rng=7), simulate_cells(90, rng=7))
    assert states() == before
    assert (simulate(150, rng=8).tables["table"].X != first.tables["table"].X).nnz > 0
    assert (simulate_cells(90, rng=8).X != simulate_cells(90, rng=7).X).nnz > 0
    rng = np.random.default_rng(0)
    drawn = [simulate(100, n_null=0, rng=rng).tables["table"].uns["simulation"]["seed"] for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_tissue_and_reference_draw_from_streams_of_their_own():
    tissue, cells = simulate(300, rng=5).tables["table"], simulate_cells(300, rng=5)
    noise = (tissue.var["kind"] == "null").to_numpy()
    libraries = [np.asarray(table.X[:, noise].sum(axis=1)).ravel() for table in (tissue, cells)]
    assert abs(np.corrcoef(*libraries)[0, 1]) < 0.25


@pytest.mark.parametrize("seed", [0, 2**80])
def test_round_trips(tmp_path, seed):
    made = simulate(120, rng=seed)
    made.tables["table"].write_h5ad(tmp_path / "it.h5ad")
    same(made.tables["table"], anndata.read_h5ad(tmp_path / "it.h5ad"))
    made.write(tmp_path / "it.zarr")
    read = sd.read_zarr(tmp_path / "it.zarr")
    same(made.tables["table"], read.tables["table"])
    assert made.shapes["vessels"].geometry.geom_equals(read.shapes["vessels"].geometry).all()
    cells = simulate_cells(60, rng=seed)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    same(cells, anndata.read_h5ad(tmp_path / "cells.h5ad"))


@pytest.mark.parametrize("n_spots", [100, 300])
def test_every_domain_is_there_for_every_seed(n_spots):
    for seed in range(6):
        made = simulate(n_spots, n_null=0, rng=seed)
        assert made.tables["table"].obs["domain"].value_counts().min() >= 3
        assert len(made.shapes["vessels"]) >= 4


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"n_spots": 99}, "n_spots"),
        ({"n_spots": 200.0}, "n_spots"),
        ({"cells_per_spot": 0}, "cells_per_spot"),
        ({"counts_per_gene": 0.0}, "counts_per_gene"),
        ({"counts_per_gene": float("nan")}, "counts_per_gene"),
        ({"n_null": -1}, "n_null"),
        ({"rng": -1}, "rng"),
    ],
)
def test_wrong_arguments(arguments, key):
    with pytest.raises(ParameterError) as caught:
        simulate(**arguments)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"n_cells": 8}, "n_cells"),
        ({"counts_per_gene": "1"}, "counts_per_gene"),
        ({"batch_effect": -0.1}, "batch_effect"),
        ({"n_null": 1.5}, "n_null"),
        ({"rng": "0"}, "rng"),
    ],
)
def test_wrong_arguments_of_the_reference(arguments, key):
    with pytest.raises(ParameterError) as caught:
        simulate_cells(**arguments)
    assert caught.value.key == key
