"""Results return to the slices they came from, by name, all or nothing."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from laws.contents import changed, contents

import s3rl as s3
from s3rl.errors import DataTypeError, InputError, MissingKeyError, ParameterError, StoreError

WRITTEN = {"obsm/X_s3rl", "obsm/s3rl_probabilities", "obs/s3rl_domain", "uns/s3rl", "uns/s3rl_domain_colors"}


def simulated(seed: int, n: int):
    return s3.datasets.simulated_cortex(n_spots=n, n_genes=60, n_layers=2, rng=seed)


@pytest.fixture(scope="module")
def originals():
    return {"a": simulated(1, 50).tables["table"], "b": simulated(2, 40).tables["table"]}


@pytest.fixture
def slices(originals):
    return {name: table.copy() for name, table in originals.items()}


def with_results(slices, **arguments) -> ad.AnnData:
    """Joined slices with results in which every row is known."""
    joined = s3.pp.join_slices(slices, **arguments)
    n = joined.n_obs
    joined.obsm["X_s3rl"] = np.arange(n * 3, dtype=np.float32).reshape(n, 3)
    joined.obsm["s3rl_probabilities"] = np.repeat(np.arange(n, dtype=np.float32)[:, None], 2, axis=1)
    joined.obs["s3rl_domain"] = pd.Categorical((np.arange(n) < 50).astype(int).astype(str), ["0", "1", "2"])
    joined.uns["s3rl_domain_colors"] = ["#000000", "#111111", "#222222"]
    joined.uns["s3rl"] = {"prototypes": np.eye(2), "params": {"seed": 1}}
    joined.layers["s3rl"] = joined.X.toarray() * 2
    return joined


def expect_results(table: ad.AnnData, joined: ad.AnnData, name: str) -> None:
    own = joined[[f"{name}-{spot}" for spot in table.obs_names]]
    assert np.array_equal(table.obsm["X_s3rl"], own.obsm["X_s3rl"])
    assert np.array_equal(table.obsm["s3rl_probabilities"], own.obsm["s3rl_probabilities"])
    assert table.obs["s3rl_domain"].tolist() == joined.obs["s3rl_domain"][own.obs_names].tolist()
    assert list(table.obs["s3rl_domain"].cat.categories) == ["0", "1", "2"]
    assert list(table.uns["s3rl_domain_colors"]) == list(joined.uns["s3rl_domain_colors"])
    assert np.array_equal(table.uns["s3rl"]["prototypes"], np.eye(2))


def test_every_spot_gets_its_own_results_whatever_the_order(slices):
    joined = with_results(slices)
    rng = np.random.default_rng(0)
    shuffled = joined[rng.permutation(joined.n_obs)].copy()
    # anndata drops the category that no spot has
    shuffled.obs["s3rl_domain"] = shuffled.obs["s3rl_domain"].cat.set_categories(["0", "1", "2"])
    shuffled.uns["s3rl_domain_colors"] = joined.uns["s3rl_domain_colors"]
    slices = {"b": slices["b"][rng.permutation(40)].copy(), "a": slices["a"][:, ::-1].copy()}
    before = {name: contents(table) for name, table in slices.items()}
    whole = contents(shuffled)
    s3.pp.split_slices(shuffled, slices)
    for name, table in slices.items():
        expect_results(table, joined, name)
        own = joined[[f"{name}-{spot}" for spot in table.obs_names], table.var_names]
        assert np.array_equal(table.layers["s3rl"], own.layers["s3rl"])
        assert changed(before[name], contents(table)) == WRITTEN | {"layers/s3rl"}
    assert changed(whole, contents(shuffled)) == set()
    slices["a"].uns["s3rl"]["prototypes"][:] = 7
    slices["a"].obsm["X_s3rl"][:] = 7
    assert np.array_equal(slices["b"].uns["s3rl"]["prototypes"], np.eye(2))
    assert changed(whole, contents(shuffled)) == set()


def test_a_layer_of_other_genes_stays_in_the_joined_table(slices):
    slices["b"] = slices["b"][:, :45].copy()
    joined = with_results(slices)
    s3.pp.split_slices(joined, slices)
    assert "s3rl" not in slices["a"].layers
    assert slices["b"].layers["s3rl"].shape == (40, 45)
    expect_results(slices["a"], joined, "a")


def test_a_list_and_a_spatialdata(slices):
    sdata = simulated(1, 50)
    given = [sdata, slices["b"]]
    joined = with_results(given)
    s3.pp.split_slices(joined, given)
    expect_results(sdata.tables["table"], joined, "slice1")
    expect_results(slices["b"], joined, "slice2")


def test_stores_are_written_beside_and_never_to(slices, tmp_path):
    import spatialdata as sd

    slices["a"].write_h5ad(tmp_path / "one.h5ad")
    sdata = simulated(2, 40)
    sdata.write(tmp_path / "two.zarr")
    paths = {"a": tmp_path / "one.h5ad", "b": str(tmp_path / "two.zarr")}
    inputs = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    joined = with_results(paths)
    (tmp_path / "out").mkdir()
    s3.pp.split_slices(joined, paths, folder=tmp_path / "out")
    expect_results(ad.read_h5ad(tmp_path / "out" / "a.h5ad"), joined, "a")
    back = sd.read_zarr(tmp_path / "out" / "b.zarr")
    expect_results(back.tables["table"], joined, "b")
    assert list(back.images) == list(sdata.images)
    assert {file: file.read_bytes() for file in inputs} == inputs
    with pytest.raises(StoreError, match="already there"):
        s3.pp.split_slices(joined, paths, folder=tmp_path / "out")
    joined.obsm["X_s3rl"] += 1
    s3.pp.split_slices(joined, paths, folder=tmp_path / "out", overwrite=True)
    expect_results(ad.read_h5ad(tmp_path / "out" / "a.h5ad"), joined, "a")


def test_a_store_is_refused_as_its_own_target(slices, tmp_path):
    slices["a"].write_h5ad(tmp_path / "a.h5ad")
    paths = {"a": tmp_path / "a.h5ad", "b": slices["b"]}
    joined = with_results(paths)
    for folder in (tmp_path, tmp_path / "out"):
        (tmp_path / "out").mkdir(exist_ok=True)
        if folder.name == "out":
            (folder / "a.h5ad").symlink_to(tmp_path / "a.h5ad")
        with pytest.raises(StoreError, match="read from"):
            s3.pp.split_slices(joined, paths, folder=folder, overwrite=True)
    assert "X_s3rl" not in slices["b"].obsm


def test_the_objects_change_last(slices, tmp_path, monkeypatch):
    from s3rl.pp import _split_slices

    def full(*_, **__):
        raise StoreError("is full", key="disk", fix="make room")

    slices["b"].write_h5ad(tmp_path / "b.h5ad")
    given = {"a": slices["a"], "b": tmp_path / "b.h5ad"}
    joined = with_results(given)
    monkeypatch.setattr(_split_slices, "write_results", full)
    (tmp_path / "out").mkdir()
    before = contents(slices["a"])
    with pytest.raises(StoreError, match="full"):
        s3.pp.split_slices(joined, given, folder=tmp_path / "out")
    assert changed(before, contents(slices["a"])) == set()


@pytest.mark.parametrize(
    ("harm", "arguments", "error", "said"),
    [
        (lambda j, s: s.update(b=s["b"][:30].copy()), {}, InputError, r"slices\['b'\].*lacks spots"),
        (lambda j, s: s["b"].obs_names.values.__setitem__(3, "new"), {}, InputError, "has spots that the joined"),
        (lambda j, s: s.pop("b") and s.update(c=s["a"]), {}, InputError, "are not those"),
        (lambda j, s: s.update(b=s["b"][:]), {}, DataTypeError, "view"),
        (lambda j, s: j.obsm.pop("X_s3rl"), {}, MissingKeyError, "X_s3rl"),
        (lambda j, s: None, {"key_added": "other"}, MissingKeyError, "X_other"),
        (lambda j, s: None, {"library_key": "donor_"}, MissingKeyError, "donor_"),
        (lambda j, s: j.obs.pop("original_name"), {}, MissingKeyError, "original_name"),
        (lambda j, s: s.update(b="nowhere.h5ad"), {}, ParameterError, "folder"),
        (lambda j, s: s.update(b="nowhere.h5ad"), {"folder": "nowhere"}, StoreError, "no folder"),
        (lambda j, s: s.update(b="nowhere.h5ad"), {"folder": "."}, StoreError, "not there"),
        (lambda j, s: s.update(b=s["a"]), {}, ParameterError, "one object"),
    ],
)
def test_what_is_refused_changes_nothing(slices, harm, arguments, error, said):
    slices["b"].obs_names = pd.Index(slices["b"].obs_names.to_numpy(object).copy(), dtype=object)
    joined = with_results(slices)
    first = slices["a"]
    before = contents(first)
    harm(joined, slices)
    with pytest.raises(error, match=said):
        s3.pp.split_slices(joined, slices, **arguments)
    assert changed(before, contents(first)) == set()


def test_a_name_that_is_no_file_name(slices, tmp_path):
    slices["b"].write_h5ad(tmp_path / "b.h5ad")
    given = {"a": slices["a"], "../b": tmp_path / "b.h5ad"}
    (tmp_path / "out").mkdir()
    with pytest.raises(ParameterError, match="file name"):
        s3.pp.split_slices(with_results(given), given, folder=tmp_path / "out")
