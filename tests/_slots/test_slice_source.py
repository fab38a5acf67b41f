"""Names of a table on disk, read without its matrices, and what is said where that fails."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pytest

import s3rl as s3
from s3rl._slots.read import read_names
from s3rl._slots.slice_source import Source, naming, slice_coordinates, sources_of
from s3rl.errors import InputError, MissingKeyError, ParameterError, StoreError


@pytest.fixture
def table() -> ad.AnnData:
    adata = ad.AnnData(np.ones((4, 3), np.float32))
    adata.obs_names, adata.var_names = list("abcd"), ["g1", "g2", "g3"]
    return adata


def test_names_are_those_of_the_table(table, tmp_path):
    sdata = s3.datasets.simulated_cortex(n_spots=30, n_genes=50, n_layers=2, image=False)
    sdata.write(tmp_path / "s.zarr")
    table.write_h5ad(tmp_path / "a.h5ad")
    table.write_zarr(tmp_path / "a.zarr")
    for place, expected in (("a.h5ad", table), ("a.zarr", table), ("s.zarr", sdata.tables["table"])):
        spots, genes = read_names(tmp_path / place)
        assert list(spots) == list(expected.obs_names)
        assert list(genes) == list(expected.var_names)
    with pytest.raises(MissingKeyError, match="other"):
        read_names(tmp_path / "s.zarr", "other")


def test_no_matrix_is_read(table, tmp_path):
    """A matrix that nobody can read does no harm."""
    table.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        del file["X"]
        file["X"] = "not a matrix"
    assert list(read_names(tmp_path / "a.h5ad")[0]) == list("abcd")


def test_damage_and_links_are_refused(table, tmp_path):
    table.write_h5ad(tmp_path / "a.h5ad")
    table.write_h5ad(tmp_path / "b.h5ad")
    (tmp_path / "cut.h5ad").write_bytes((tmp_path / "a.h5ad").read_bytes()[:300])
    with pytest.raises(StoreError, match="damaged"):
        read_names(tmp_path / "cut.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        del file["var"]
        file["var"] = h5py.ExternalLink("b.h5ad", "/var")
    with pytest.raises(StoreError, match="another file"):
        read_names(tmp_path / "a.h5ad")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(StoreError, match=r"empty\.zarr"):
        read_names(tmp_path / "empty.zarr")


def test_errors_say_which_slice(table, tmp_path):
    table.obs_names = ["a", "a", "b", "c"]
    with pytest.raises(InputError, match=r"slices\['left'\] obs_names: has duplicated names"):
        Source("left", table).names()
    table.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="duplicated"):
        Source("left", tmp_path / "a.h5ad").names()
    with pytest.raises(ParameterError) as caught, naming("left"):
        raise ParameterError("is wrong", key="k", found=3, available=["x"], fix="do this")
    assert (caught.value.key, caught.value.available, caught.value.fix) == ("slices['left'] k", ["x"], "do this")


def test_names_of_a_list_and_of_numbers(table):
    assert [source.name for source in sources_of([table, table], None)] == ["slice1", "slice2"]
    assert [source.name for source in sources_of({1: table, 2: table}, None)] == ["1", "2"]
    with pytest.raises(ParameterError, match="equal as text"):
        sources_of({1: table, "1": table}, None)


def test_coordinates_are_found_and_not_written():
    sdata = s3.datasets.simulated_cortex(n_spots=30, n_genes=50, n_layers=2, image=False)
    expected = sdata.tables["table"].obsm.pop("spatial")
    np.testing.assert_allclose(slice_coordinates(sdata, sdata.tables["table"], "spatial"), expected)
    assert "spatial" not in sdata.tables["table"].obsm
