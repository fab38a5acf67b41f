from __future__ import annotations

import os
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from _slots.store_samples import digest_of, make_spatialdata, make_table

from s3rl._slots import verify
from s3rl._slots.read import read_input
from s3rl._slots.store import verify_store, write_results
from s3rl.errors import DataTypeError, StoreError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A SpatialData store that no test may change."""
    place = tmp_path_factory.mktemp("input") / "in.zarr"
    make_spatialdata().write(place)
    before = digest_of(place)
    yield place
    assert digest_of(place) == before


def assert_same_table(one, other):
    assert (one.X != other.X).nnz == 0
    for attribute in ("obsm", "layers"):
        for key, value in getattr(other, attribute).items():
            if key is not None:
                np.testing.assert_array_equal(getattr(one, attribute)[key], value)
    assert (one.obsp["s3rl_repulsions"] != other.obsp["s3rl_repulsions"]).nnz == 0
    assert list(one.obs_names) == list(other.obs_names)
    assert list(one.obs["text"].astype(str)) == list(other.obs["text"].astype(str))
    assert one.uns["s3rl"]["params"]["rate"] == other.uns["s3rl"]["params"]["rate"]


@pytest.mark.parametrize("name", ["out.h5ad", "out.zarr"])
def test_a_table_reads_back_and_stays_as_it_was(tmp_path, name):
    table = make_table()
    write_results(table, tmp_path / name)
    verify_store(tmp_path / name)
    back = read_input(tmp_path / name)
    assert_same_table(back, table)
    assert back.raw.shape == table.raw.shape
    assert table.obs["text"].dtype == make_table().obs["text"].dtype
    assert table.raw.var.equals(make_table().raw.var)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("make", [lambda t: t[:20], lambda t: t[:, :5]])
def test_a_view_is_written(tmp_path, make):
    view = make(make_table())
    write_results(view, tmp_path / "out.h5ad")
    assert view.is_view
    assert read_input(tmp_path / "out.h5ad").shape == view.shape


def test_a_backed_table_is_written_elsewhere_only(tmp_path):
    make_table().write_h5ad(tmp_path / "in.h5ad")
    before = digest_of(tmp_path / "in.h5ad")
    backed = ad.read_h5ad(tmp_path / "in.h5ad", backed="r")
    write_results(backed, tmp_path / "out.h5ad")
    assert_same_table(read_input(tmp_path / "out.h5ad"), make_table())
    assert Path(backed.filename) == tmp_path / "in.h5ad"
    with pytest.raises(StoreError, match="never written to"):
        write_results(backed, tmp_path / "in.h5ad", overwrite=True)
    os.link(tmp_path / "in.h5ad", tmp_path / "same.h5ad")
    with pytest.raises(StoreError, match="never written to"):
        write_results(backed, tmp_path / "same.h5ad", overwrite=True)
    backed.file.close()
    assert digest_of(tmp_path / "in.h5ad") == before


def pixels_of(sdata):
    he, pyramid = sdata.images["he"].data.compute(), sdata.images["pyramid"]["scale1"].ds["image"].data.compute()
    return he, pyramid, sdata.labels["nuclei"].data.compute()


def test_a_spatialdata_reads_back_with_its_pixels(tmp_path, stored):
    from spatialdata.transformations import get_transformation

    sdata = read_input(stored)
    elements = {id(element) for _, _, element in sdata.gen_elements()}
    sdata.tables["table"].obsm["X_new"] = np.ones((60, 2))
    write_results(sdata, tmp_path / "out.zarr")
    assert Path(sdata.path) == stored
    assert {id(element) for _, _, element in sdata.gen_elements()} == elements
    verify_store(tmp_path / "out.zarr")
    back = read_input(tmp_path / "out.zarr")
    for one, other in zip(pixels_of(back), pixels_of(make_spatialdata()), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.any()
    assert_same_table(back.tables["table"], sdata.tables["table"])
    assert back.tables["table"].obsm["X_new"].all()
    assert get_transformation(back.images["he"]) == get_transformation(sdata.images["he"])
    assert len(back.points["transcripts"]) == 20
    assert back.shapes["spots"].geometry.equals(sdata.shapes["spots"].geometry)
    assert os.listdir(tmp_path) == ["out.zarr"]


def test_results_do_not_need_the_input_any_more(tmp_path, stored):
    shutil.copytree(stored, tmp_path / "in.zarr")
    write_results(read_input(tmp_path / "in.zarr"), tmp_path / "out.zarr")
    shutil.rmtree(tmp_path / "in.zarr")
    verify_store(tmp_path / "out.zarr")
    np.testing.assert_array_equal(pixels_of(read_input(tmp_path / "out.zarr"))[0], pixels_of(make_spatialdata())[0])


def test_results_are_replaced_whole(tmp_path, stored):
    write_results(make_spatialdata(seed=1), tmp_path / "out.zarr")
    with pytest.raises(StoreError, match="overwrite=True"):
        write_results(read_input(stored), tmp_path / "out.zarr")
    write_results(read_input(stored), tmp_path / "out.zarr", overwrite=True)
    np.testing.assert_array_equal(pixels_of(read_input(tmp_path / "out.zarr"))[0], pixels_of(make_spatialdata())[0])
    assert os.listdir(tmp_path) == ["out.zarr"]


def test_the_input_store_is_never_written_to(tmp_path, stored):
    import spatialdata

    sdata = read_input(stored)
    (tmp_path / "link.zarr").symlink_to(stored)
    # a container without a path whose image still reads from the store
    lazy = spatialdata.SpatialData(images={"he": sdata.images["he"]})
    before = digest_of(stored)
    for data in (sdata, lazy):
        for path in (stored, stored / "tables" / "new.zarr", tmp_path / "link.zarr"):
            with pytest.raises(StoreError, match="never written to") as caught:
                write_results(data, path, overwrite=True)
            assert "_s3rl.zarr" in caught.value.fix
    assert digest_of(stored) == before


def test_a_store_around_the_input_is_not_replaced(tmp_path):
    import zarr

    zarr.open_group(tmp_path / "outer.zarr", mode="w")
    make_spatialdata().write(tmp_path / "outer.zarr" / "in.zarr")
    with pytest.raises(StoreError, match="never written to"):
        write_results(read_input(tmp_path / "outer.zarr" / "in.zarr"), tmp_path / "outer.zarr", overwrite=True)


@pytest.mark.parametrize("name", ["out.h5ad", "out.zarr"])
def test_what_is_no_store_is_never_replaced(tmp_path, name):
    target = tmp_path / name
    if name.endswith("zarr"):
        target.mkdir()
        (target / "thesis.tex").write_text("years of work")
    else:
        target.mkdir()
    before = digest_of(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(StoreError):
            write_results(make_table(), target, overwrite=overwrite)
    assert digest_of(tmp_path) == before


@pytest.mark.parametrize(
    ("data", "name", "error"),
    [
        (make_table(), "out.csv", StoreError),
        (make_table(), "out", StoreError),
        (make_spatialdata(), "out.h5ad", DataTypeError),
        (pd.DataFrame(), "out.zarr", DataTypeError),
        (make_table(), "absent/out.h5ad", StoreError),
        (make_table(), "absent/out.zarr", StoreError),
    ],
)
def test_wrong_names_and_objects(tmp_path, data, name, error):
    with pytest.raises(error) as caught:
        write_results(data, tmp_path / name)
    assert caught.value.fix
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["out.h5ad", "out.zarr"])
@pytest.mark.parametrize("value", [{("a", "b"): 1}, {"a": object()}])
def test_a_value_that_cannot_be_stored_is_named(tmp_path, name, value):
    write_results(make_table(), tmp_path / name)
    before = digest_of(tmp_path)
    table = make_table()
    table.uns["ligrec"] = value
    with pytest.raises(StoreError, match="nothing was overwritten") as caught:
        write_results(table, tmp_path / name, overwrite=True)
    assert str(tmp_path / name) == caught.value.key
    assert digest_of(tmp_path) == before


def corrupt_after(patch, owner, method, change):
    """Let the writer write, then change what it wrote, as a lying disk would."""
    original = getattr(owner, method)

    def wrapped(self, place, *args, **kwargs):
        original(self, place, *args, **kwargs)
        change(place)

    patch.setattr(owner, method, wrapped)


def edit_h5ad(key, value):
    def change(place):
        import h5py

        with h5py.File(place, "r+") as file:
            if value is None:
                del file[key]
            else:
                file[key][...] = value

    return change


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("layers/s3rl", 0, "layers['s3rl']"),
        ("X/data", 7, "X.data"),
        ("obsm/X_s3rl", None, "obsm"),
        ("uns/s3rl", None, "uns"),
        ("obsp/s3rl_repulsions/indices", 1, "obsp['s3rl_repulsions'].indices"),
    ],
)
def test_a_table_that_reads_back_otherwise_is_not_put_in_place(tmp_path, monkeypatch, key, value, named):
    write_results(make_table(), tmp_path / "out.h5ad")
    before = digest_of(tmp_path)
    corrupt_after(monkeypatch, ad.AnnData, "write_h5ad", edit_h5ad(key, value))
    with pytest.raises(StoreError, match="did not read back") as caught:
        write_results(make_table(), tmp_path / "out.h5ad", overwrite=True)
    assert caught.value.key.endswith(f"out.h5ad: {named}")
    assert digest_of(tmp_path) == before


def test_an_image_that_was_zeroed_is_not_put_in_place(tmp_path, monkeypatch, stored):
    import spatialdata

    def drop_chunks(place):
        shutil.rmtree(next(Path(place, "images", "he").rglob("c")))

    write_results(make_spatialdata(seed=1), tmp_path / "out.zarr")
    before = digest_of(tmp_path)
    corrupt_after(monkeypatch, spatialdata.SpatialData, "write", drop_chunks)
    with pytest.raises(StoreError, match=r"images\['he'\]: did not read back"):
        write_results(read_input(stored), tmp_path / "out.zarr", overwrite=True)
    assert digest_of(tmp_path) == before


def test_samples_cover_both_ends_and_the_middle():
    rows = verify._ROWS
    assert list(verify._samples(0)) == [slice(0, 0)]
    assert list(verify._samples(5)) == [slice(0, 5)]
    assert list(verify._samples(9 * rows))[-1] == slice(8 * rows, 9 * rows)
    assert [s.start for s in verify._samples(9 * rows)] == [0, 4 * rows, 8 * rows]


def test_text_with_gaps_is_written_as_anndata_would(tmp_path):
    table = ad.AnnData(sp.eye(4, format="csr", dtype=np.float32))
    table.obs["text"] = pd.Series(["a", None, "b", "a"], index=table.obs_names, dtype=object)
    write_results(table, tmp_path / "out.h5ad")
    assert list(read_input(tmp_path / "out.h5ad").obs["text"].isna()) == [False, True, False, False]
