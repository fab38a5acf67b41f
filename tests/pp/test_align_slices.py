"""Slices of a table: what is written, what is found, and what is refused."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import s3rl as s3
from s3rl.errors import (
    CoordinatesError,
    CountsError,
    DataTypeError,
    InputError,
    LabelsError,
    MissingKeyError,
    ParameterError,
)

SHIFTS = {"b": (500.0, 40.0), "a": (-20.0, -700.0), "c": (0.0, 300.0)}


def section(name: str, seed: int, side: int = 11) -> ad.AnnData:
    """Spots 10 apart with 60 genes that vary over the tissue as in every other section."""
    rng = np.random.default_rng(seed)
    xy = np.stack(np.meshgrid(np.arange(1.2 * side), np.arange(side)), axis=-1).reshape(-1, 2)
    waves = np.random.default_rng(0).uniform(2, 8, size=(60, 2))
    phases = np.random.default_rng(1).uniform(0, 6, size=60)
    rate = 3 * np.exp(np.sin(xy / 11 @ waves.T + phases))
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    adata.obs_names = [f"{name}{i}" for i in range(len(xy))]
    adata.obsm["truth"] = 10.0 * xy
    adata.obsm["spatial"] = 10 * xy + rng.normal(scale=0.5, size=xy.shape) + SHIFTS[name]
    return adata


def joined(*names: str) -> ad.AnnData:
    both = ad.concat([section(name, k) for k, name in enumerate(names)], label="slice", keys=list(names))
    both.obs["slice"] = pd.Categorical(both.obs["slice"], categories=list(names))
    s3.pp.normalize(both)
    return both


@pytest.fixture(scope="module")
def normalised() -> ad.AnnData:
    return joined("b", "a")


@pytest.fixture
def table(normalised) -> ad.AnnData:
    return normalised.copy()


@pytest.fixture(scope="module")
def three() -> ad.AnnData:
    adata = joined("b", "a", "c")
    s3.pp.align_slices(adata, "slice", keep_plan=True)
    return adata


def offsets(adata: ad.AnnData, key: str = "spatial_aligned") -> dict[str, np.ndarray]:
    apart = adata.obsm[key] - adata.obsm["truth"]
    return {name: np.median(apart[(adata.obs["slice"] == name).to_numpy()], axis=0) for name in set(adata.obs["slice"])}


def test_slices_lie_on_the_first_one(three):
    for found in offsets(three).values():
        assert np.allclose(found, SHIFTS["b"], atol=4)
    first = (three.obs["slice"] == "b").to_numpy()
    assert np.array_equal(three.obsm["spatial_aligned"][first], three.obsm["spatial"][first])
    assert three.obsm["spatial_aligned"].dtype == np.float64


def test_what_was_done_is_told(three):
    told = three.uns["spatial_aligned"]
    assert told["order"] == ["b", "a", "c"]
    assert (told["reference"], told["mode"], told["library_key"]) == ("b", "translation", "slice")
    assert told["pairs"]["first"] == ["b", "a"]
    assert told["pairs"]["second"] == ["a", "c"]
    assert np.allclose(told["pairs"]["shift"], [[520, 740], [-20, -1000]], atol=6)
    assert np.allclose(told["slices"]["shift"][2], [500, -260], atol=6)
    assert np.array_equal(told["pairs"]["overlap"], [1, 1])
    assert (told["pairs"]["cost"] < 0.1).all()
    for k, name in enumerate(told["slices"]["name"]):
        rows = (three.obs["slice"] == name).to_numpy()
        assert np.allclose(
            three.obsm["spatial"][rows] + told["slices"]["shift"][k], three.obsm["spatial_aligned"][rows]
        )


def test_the_plan_joins_consecutive_slices_only(three):
    plan = three.obsp["spatial_aligned_plan"].tocoo()
    number = three.obs["slice"].cat.codes.to_numpy()
    assert (number[plan.col] - number[plan.row] == 1).all()
    assert plan.dtype == np.float32
    assert plan.sum() == pytest.approx(2, abs=1e-4)
    near = np.linalg.norm(three.obsm["truth"][plan.row] - three.obsm["truth"][plan.col], axis=1)
    assert np.median(near) <= 10


def test_another_reference_moves_everything_alike(three):
    adata = three.copy()
    s3.pp.align_slices(adata, "slice", reference="c", order=["c", "a", "b"], key_added="other")
    assert adata.uns["other"]["reference"] == "c"
    for found in offsets(adata, "other").values():
        assert np.allclose(found, SHIFTS["c"], atol=6)
    s3.pp.align_slices(adata, "slice", reference="a", key_added="middle")
    for found in offsets(adata, "middle").values():
        assert np.allclose(found, SHIFTS["a"], atol=6)


def test_the_order_of_the_rows_does_not_matter(table):
    rows = np.random.default_rng(0).permutation(table.n_obs)
    mixed = table[rows].copy()
    once = s3.pp.align_slices(table, "slice", copy=True, keep_plan=True)
    again = s3.pp.align_slices(mixed, "slice", copy=True, keep_plan=True)
    assert np.array_equal(once.coordinates[rows], again.coordinates)
    assert (once.plan[rows][:, rows] != again.plan).nnz == 0


def test_copy_writes_nothing_and_gives_what_is_written(table):
    result = s3.pp.align_slices(table, "slice", copy=True)
    assert "spatial_aligned" not in table.obsm
    assert result.plan is None
    s3.pp.align_slices(table, "slice")
    assert np.array_equal(result.coordinates, table.obsm["spatial_aligned"])
    assert "spatial_aligned_plan" not in table.obsp


def test_turned_slices_and_a_representation(table):
    rows = (table.obs["slice"] == "a").to_numpy()
    turned = table.obsm["spatial"].copy()
    turned[rows] = turned[rows] @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    table.obsm["turned"] = turned
    table.obsm["X_rep"] = np.asarray(table.X.todense())[:, :40]
    s3.pp.align_slices(table, "slice", mode="rigid", spatial_key="turned", use_rep="X_rep")
    assert table.uns["spatial_aligned"]["pairs"]["rotation"][0] == pytest.approx(-90, abs=4)
    assert np.allclose(offsets(table)["a"], SHIFTS["b"], atol=6)


def test_thirty_spots_and_other_genes_have_a_place(table):
    rows = np.flatnonzero((table.obs["slice"] == "a").to_numpy())
    corner = rows[(np.abs(table.obsm["truth"][rows] - [60, 50]) <= [30, 20]).all(axis=1)][:30]
    small = table[np.r_[np.flatnonzero((table.obs["slice"] == "b").to_numpy()), corner]].copy()
    assert len(corner) == 30
    dense = small.X.toarray()
    dense[len(small) - 30 :, :20] = 0
    small.X = sp.csr_matrix(dense)
    s3.pp.align_slices(small, "slice")
    assert np.allclose(offsets(small)["a"], SHIFTS["b"], atol=15)


def test_one_overlap_for_each_pair(three):
    result = s3.pp.align_slices(three, "slice", overlap=[0.8, None], copy=True)
    assert result.alignment["pairs"]["overlap"][0] == 0.8
    assert result.alignment["pairs"]["overlap"][1] == pytest.approx(1, abs=0.1)


def test_shapes_and_images_get_a_coordinate_system():
    import spatialdata as sd
    from spatialdata.transformations import get_transformation

    sdata = s3.datasets.simulated_cortex(
        80, 40, n_layers=3, n_slices=2, shift=300.0, params={"pixel_size": 20.0, "n_pairs": 0}
    )
    s3.pp.normalize(sdata)
    s3.pp.align_slices(sdata, "slice", mode="rigid")
    table = sdata.tables["table"]
    for name in ("slice1", "slice2"):
        rows = (table.obs["slice"] == name).to_numpy()
        found = sd.get_centroids(sdata[f"{name}_spots"], coordinate_system="aligned").compute()
        ids = table.obs["instance_id"].to_numpy()[rows]
        assert np.allclose(found.loc[ids].to_numpy(), table.obsm["spatial_aligned"][rows], atol=1e-3)
        matrices = [
            get_transformation(sdata[f"{name}_{kind}"], system).to_affine_matrix(("x", "y"), ("x", "y"))
            for kind in ("he", "spots")
            for system in ("aligned", name)
        ]
        moved = [after @ np.linalg.inv(before) for after, before in (matrices[:2], matrices[2:])]
        assert np.allclose(moved[0], moved[1], atol=1e-6)


@pytest.mark.parametrize("value", [0, 2, -0.1, "half", True, np.nan, [0.5, 0.5], []])
def test_overlaps_that_mean_nothing_are_refused(table, value):
    with pytest.raises(ParameterError, match="overlap"):
        s3.pp.align_slices(table, "slice", overlap=value)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"mode": "affine"}, "mode"),
        ({"order": ["b", "x"]}, "order"),
        ({"order": ["b"]}, "order"),
        ({"order": ["b", "b"]}, "order"),
        ({"reference": "x"}, "reference"),
        ({"device": "abacus"}, "device"),
        ({"use_rep": "X_rep", "layer": "counts"}, "layer"),
    ],
)
def test_arguments_that_name_nothing_are_refused(table, arguments, named):
    with pytest.raises(ParameterError, match=named):
        s3.pp.align_slices(table, "slice", **arguments)
    assert "spatial_aligned" not in table.obsm


def test_slices_that_cannot_be_aligned_are_refused(table):
    with pytest.raises(MissingKeyError, match="sample"):
        s3.pp.align_slices(table, "sample")
    with pytest.raises(MissingKeyError, match="X_none"):
        s3.pp.align_slices(table, "slice", use_rep="X_none")
    with pytest.raises(DataTypeError, match="view"):
        s3.pp.align_slices(table[:50], "slice")
    with pytest.raises(CountsError, match="normalize"):
        s3.pp.align_slices(table, "slice", layer="counts")
    table.obs["one"] = "only"
    with pytest.raises(LabelsError, match="needs two"):
        s3.pp.align_slices(table, "one")
    table.obs["few"] = np.where(np.arange(table.n_obs) < 9, "few", "many")
    with pytest.raises(LabelsError, match="9 spots in 'few'"):
        s3.pp.align_slices(table, "few")
    table.obsm["X_bad"] = np.full((table.n_obs, 2), np.nan)
    with pytest.raises(InputError, match="X_bad"):
        s3.pp.align_slices(table, "slice", use_rep="X_bad")


def test_slices_without_genes_in_common_are_refused(table):
    dense = table.X.toarray()
    first = (table.obs["slice"] == "b").to_numpy()
    dense[first, 30:] = 0
    dense[~first, :30] = 0
    table.X = sp.csr_matrix(dense)
    with pytest.raises(InputError, match="genes in common"):
        s3.pp.align_slices(table, "slice")


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_other_units_are_refused(table, factor):
    table.obsm["spatial"][(table.obs["slice"] == "a").to_numpy()] *= factor
    with pytest.raises(CoordinatesError, match="different units"):
        s3.pp.align_slices(table, "slice")


def test_coordinates_without_a_place_are_refused(table):
    table.obsm["spatial"][3, 0] = np.nan
    with pytest.raises(CoordinatesError, match="finite"):
        s3.pp.align_slices(table, "slice")
    table.obsm["spatial"][:] = 1.0
    with pytest.raises(CoordinatesError, match="one line"):
        s3.pp.align_slices(table, "slice")


@pytest.mark.real
def test_two_real_sections(real_data):
    parts = {f"slice{k}": ad.read_h5ad(real_data / "st_breast" / f"slice{k}.h5ad") for k in (1, 2)}
    both = ad.concat(parts, label="slice", index_unique="-", join="outer", fill_value=0)
    s3.pp.normalize(both)
    s3.pp.align_slices(both, "slice", mode="rigid", overlap=0.9)
    pairs = both.uns["spatial_aligned"]["pairs"]
    assert pairs["distance"][0] < 3
    assert pairs["cost"][0] < 0.4
