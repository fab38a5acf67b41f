from __future__ import annotations

import os
import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from _slots.store_samples import make_spatialdata, make_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3rl._slots.read import links_outside, read_input
from s3rl._slots.store import verify_store
from s3rl.errors import MissingKeyError, S3RLError, StoreError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    make_table().write_h5ad(folder / "table.h5ad")
    make_table().write_zarr(folder / "table.zarr")
    make_spatialdata().write(folder / "spatial.zarr")
    return folder


@pytest.fixture
def copy(originals, tmp_path):
    def of(name):
        source = originals / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
        return tmp_path / name

    return of


@pytest.mark.parametrize("name", ["table.h5ad", "table.zarr"])
def test_tables(originals, name):
    table = read_input(str(originals / name))
    assert isinstance(table, ad.AnnData)
    assert (table.X != make_table().X).nnz == 0
    verify_store(originals / name)


def test_spatialdata_stays_lazy(originals):
    sdata = read_input(originals / "spatial.zarr", table_key="table")
    assert sdata.tables["table"].shape == (60, 12)
    assert hasattr(sdata.images["he"].data, "dask")
    verify_store(originals / "spatial.zarr")
    with pytest.raises(MissingKeyError, match="Available: table"):
        read_input(originals / "spatial.zarr", table_key="cells")


def test_absent_paths_list_what_is_beside_them(originals, tmp_path):
    with pytest.raises(StoreError, match="is not there") as caught:
        read_input(originals / "tabel.h5ad")
    assert caught.value.available == ["spatial.zarr", "table.h5ad", "table.zarr"]
    with pytest.raises(StoreError, match="is not there"):
        read_input(tmp_path / "no" / "x.zarr")


@pytest.mark.parametrize("name", ["x.csv", "x", "x.h5", "x.zarr.zip"])
def test_other_suffixes_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"1,2")
    with pytest.raises(StoreError, match="is neither"):
        read_input(tmp_path / name)


def test_files_and_folders_are_not_confused(tmp_path):
    (tmp_path / "x.h5ad").mkdir()
    (tmp_path / "x.zarr").write_bytes(b"PK")
    for name in ("x.h5ad", "x.zarr"):
        with pytest.raises(StoreError, match=r"is a (folder|file), not") as caught:
            read_input(tmp_path / name)
        assert caught.value.fix


def test_other_hdf5_and_zarr_is_refused(tmp_path):
    import zarr

    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file["matrix/data"] = [1]
    zarr.open_group(tmp_path / "x.zarr", mode="w").create_group("foo")
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "empty.h5ad").write_bytes(b"")
    with pytest.raises(StoreError, match=r"no AnnData.*matrix.*read_10x_h5"):
        read_input(tmp_path / "x.h5ad")
    with pytest.raises(StoreError, match=r"neither AnnData nor SpatialData.*foo"):
        read_input(tmp_path / "x.zarr")
    for name in ("empty.zarr", "empty.h5ad"):
        with pytest.raises(StoreError, match="is damaged"):
            read_input(tmp_path / name)


@given(share=st.floats(0, 0.99))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_short_is_refused(originals, tmp_path, share):
    raw = (originals / "table.h5ad").read_bytes()
    (tmp_path / "cut.h5ad").write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(StoreError, match="cut short") as caught:
        read_input(tmp_path / "cut.h5ad")
    assert caught.value.fix


def external_link(file, other):
    file["obsm/extra"] = h5py.ExternalLink(other, "/secret")


def soft_link_to_an_external_one(file, other):
    file["uns/deep/a"] = h5py.ExternalLink(other, "/")
    file["obsm/extra"] = h5py.SoftLink("/uns/deep/a/secret")


def raw_data_elsewhere(file, other):
    file.create_dataset("obsm/extra", (60, 2), "u1", external=[(other, 0, 120)])


def virtual_dataset(file, other):
    layout = h5py.VirtualLayout((60, 2), "f8")
    layout[:] = h5py.VirtualSource(other, "secret", (60, 2))
    file.create_virtual_dataset("obsm/extra", layout)


@pytest.mark.parametrize("link", [external_link, soft_link_to_an_external_one, raw_data_elsewhere, virtual_dataset])
def test_a_file_that_reads_another_file_is_refused(copy, tmp_path, link):
    other = str(tmp_path / "other.h5")
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones((60, 2))
    place = copy("table.h5ad")
    with h5py.File(place, "r+") as file:
        link(file, other)
    with pytest.raises(StoreError, match=r"refers to another file.*other\.h5"):
        read_input(place)


def test_links_inside_of_the_file_are_fine(copy):
    place = copy("table.h5ad")
    with h5py.File(place, "r+") as file:
        file["obsm/soft"] = h5py.SoftLink("/obsm/spatial")
        file["obsm/hard"] = file["obsm/spatial"]
        file["uns/loop"] = file["obsm"]
        file["obsm"].attrs["note"] = 1
        assert list(links_outside(file)) == []
        del file["uns/loop"]
    np.testing.assert_array_equal(read_input(place).obsm["soft"], make_table().obsm["spatial"])


def test_a_circle_of_groups_ends(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("a/b")
        group["up"] = file["a"]
        assert list(links_outside(file)) == []


def arrays_of(store, inside=""):
    """Chunk files of a store, whatever its format."""
    names = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")
    return sorted(p for p in Path(store, inside).rglob("*") if p.is_file() and p.name not in names)


def metadata_of(store):
    return sorted(p for p in Path(store).rglob("*") if p.name in (".zarray", ".zgroup", ".zattrs", "zarr.json"))


@pytest.mark.parametrize("name", ["table.zarr", "spatial.zarr"])
def test_a_store_without_a_readable_root_is_refused(copy, name):
    place = copy(name)
    for root in ("zarr.json", ".zgroup", ".zattrs", ".zmetadata"):
        if (place / root).exists():
            (place / root).write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        read_input(place)


@pytest.mark.parametrize("name", ["table.zarr", "spatial.zarr"])
def test_a_damaged_chunk_is_refused(copy, name):
    place = copy(name)
    chunk = max(
        arrays_of(place, "." if name == "table.zarr" else "tables/table/layers"), key=lambda p: p.stat().st_size
    )
    chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 2])
    with pytest.raises(StoreError, match="is damaged"):
        read_input(place)


def test_a_damaged_pixel_chunk_is_found_by_verify(copy):
    place = copy("spatial.zarr")
    chunk = arrays_of(place, "images/he")[0]
    chunk.write_bytes(chunk.read_bytes()[:20])
    read_input(place)
    with pytest.raises(StoreError, match="is damaged"):
        verify_store(place)


@pytest.mark.parametrize("name", ["table.zarr", "spatial.zarr"])
@pytest.mark.parametrize("part", ["indices", "data"])
def test_a_chunk_that_is_gone_is_not_read_as_zeros(copy, name, part):
    place = copy(name)
    matrix = place / ("X" if name == "table.zarr" else "tables/table/X")
    for chunk in arrays_of(matrix, part):
        chunk.unlink()
    with pytest.raises(StoreError, match="chunks that are gone") as caught:
        read_input(place)
    assert f"X/{part}" in caught.value.key


@pytest.mark.parametrize(
    "matrix", [sp.csr_matrix((4, 3), dtype=np.float32), sp.csr_matrix(np.ones((4, 1), np.float32))]
)
def test_matrices_that_rightly_lack_chunks_are_read(tmp_path, matrix):
    ad.AnnData(matrix).write_zarr(tmp_path / "x.zarr")
    assert (matrix != read_input(tmp_path / "x.zarr").X).nnz == 0


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_metadata_is_refused_or_harmless(originals, tmp_path, data):
    place = tmp_path / "damaged.zarr"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(originals / "table.zarr", place)
    (place / ".zmetadata").unlink(missing_ok=True)
    entry = data.draw(st.sampled_from(metadata_of(place)))
    raw = entry.read_bytes()
    at = data.draw(st.integers(0, len(raw) - 1))
    entry.write_bytes(data.draw(st.sampled_from([raw[:at], raw[:at] + b"\x00" + raw[at + 1 :], b"[]", b"null"])))
    try:
        read_input(place)
    except S3RLError as error:
        assert error.fix  # noqa: PT017


def test_a_swap_that_was_cut_is_finished_by_the_reader(copy, tmp_path):
    place = copy("table.zarr")
    os.rename(place, tmp_path / ".table.zarr.999999999-0.new")
    (tmp_path / ".table.zarr.999999999-0.old").mkdir()
    assert read_input(place).shape == (60, 12)
