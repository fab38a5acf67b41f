from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3rl.errors import ParameterError, StoreError
from s3rl.tiles import tile_file
from s3rl.tiles.tile_file import TileFile

SHAPE = (2, 5, 5)
TILES = np.random.default_rng(0).integers(0, 60_000, (30, *SHAPE)).astype(np.uint16)


def stream_of(tiles, group=7, seed=0):
    order = np.random.default_rng(seed).permutation(len(tiles))
    for first in range(0, len(tiles), group):
        positions = order[first : first + group]
        yield positions, tiles[positions]


def written(path=None, tiles=TILES):
    return TileFile.write(path, stream_of(tiles), len(tiles), tiles.shape[1:], tiles.dtype)


@settings(deadline=None)
@given(st.lists(st.integers(0, 29), max_size=40), st.sampled_from(["u1", "u2", "f4", "f8", "?"]))
def test_tiles_come_back_in_any_order(positions, dtype):
    tiles = TILES.astype(dtype)
    with written(tiles=tiles) as file:
        taken = file.take(np.array(positions, dtype=np.int64))
    assert taken.dtype == tiles.dtype
    assert taken.flags.writeable
    np.testing.assert_array_equal(taken, tiles[positions] if positions else np.empty((0, *SHAPE)))


def test_a_temporary_file_goes_when_it_is_closed():
    with written() as file:
        path = file.path
        assert path.stat().st_size == TILES.nbytes
        assert (len(file), file.tile_shape, file.dtype) == (30, SHAPE, TILES.dtype)
    assert not path.exists()
    file.close()


def test_a_temporary_file_goes_with_the_last_reference():
    file = written()
    path = file.path
    del file
    assert not path.exists()


def test_a_file_of_the_user_stays_and_is_opened_again(tmp_path):
    with written(tmp_path / "tiles.raw"):
        pass
    with TileFile(tmp_path / "tiles.raw", 30, SHAPE, "uint16") as file:
        np.testing.assert_array_equal(file.take([3, 1]), TILES[[3, 1]])
    assert (tmp_path / "tiles.raw").exists()


def test_a_copy_reads_and_does_not_delete():
    with written() as file:
        copy = pickle.loads(pickle.dumps(file))
        np.testing.assert_array_equal(copy.take(np.array([29, 0])), TILES[[29, 0]])
        copy.close()
        assert file.path.exists()
        np.testing.assert_array_equal(file.take(np.array([4])), TILES[[4]])


def take_and_close(file, positions, queue):
    queue.put(file.take(positions))
    file.close()


needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="forks")


@needs_fork
def test_a_forked_process_reads_and_does_not_delete():
    fork = multiprocessing.get_context("fork")
    with written() as file:
        queue = fork.SimpleQueue()
        child = fork.Process(target=take_and_close, args=(file, np.array([7, 2]), queue))
        child.start()
        np.testing.assert_array_equal(queue.get(), TILES[[7, 2]])
        child.join()
        assert child.exitcode == 0
        assert file.path.exists()
        np.testing.assert_array_equal(file.take(np.array([5])), TILES[[5]])
    assert not file.path.exists()


@needs_fork
def test_workers_of_a_torch_loader_read_it():
    import torch

    class Tiles(torch.utils.data.Dataset):
        def __init__(self, file):
            self.file = file

        def __len__(self):
            return len(self.file)

        def __getitems__(self, positions):
            return list(self.file.take(np.array(positions)))

    with written() as file:
        loader = torch.utils.data.DataLoader(
            Tiles(file), batch_size=8, num_workers=2, collate_fn=np.stack, multiprocessing_context="fork"
        )
        np.testing.assert_array_equal(np.concatenate(list(loader)), TILES)


@pytest.mark.parametrize("has_pread", [True, False])
def test_threads_read_at_one_time(monkeypatch, has_pread):
    if not has_pread:
        monkeypatch.delattr(os, "pread", raising=False)
    wrong = []
    with written() as file:

        def read(seed):
            positions = np.random.default_rng(seed).integers(0, 30, 200)
            wrong.extend(p for p in positions if (file.take(np.array([p]))[0] != TILES[p]).any())

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_reading_maps_nothing_into_memory():
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("no list of maps")
    with written() as file:
        file.take(np.arange(30))
        with open("/proc/self/maps") as maps:
            assert str(file.path) not in maps.read()


@pytest.mark.parametrize("positions", [[30], [-1], [0.5], [[1]], [True]])
def test_positions_that_are_none(positions):
    with written() as file, pytest.raises(ParameterError, match="positions"):
        file.take(np.array(positions))


def test_a_closed_file_is_an_error_of_the_store():
    file = written()
    file.close()
    assert "closed" in repr(file)
    with pytest.raises(StoreError, match="closed"):
        file.take(np.array([0]))


def test_a_file_that_was_cut_is_an_error_of_the_store(tmp_path):
    with written(tmp_path / "t.raw") as file:
        os.truncate(file.path, TILES.nbytes - 1)
        np.testing.assert_array_equal(file.take(np.array([3])), TILES[[3]])
        with pytest.raises(StoreError, match="99 of 100 bytes"):
            file.take(np.array([29]))
    with pytest.raises(StoreError, match="2999 bytes instead of 3000"):
        TileFile(tmp_path / "t.raw", 30, SHAPE, "uint16")
    with pytest.raises(StoreError, match="FileNotFoundError"):
        TileFile(tmp_path / "other.raw", 30, SHAPE, "uint16")


BAD = {
    "missing": ([(np.arange(29), TILES[:29])], "1 of 30 are missing, first 29"),
    "twice": ([(np.arange(30), TILES), (np.array([3]), TILES[:1])], "twice"),
    "twice in a group": ([(np.array([3, 3]), TILES[:2])], "twice"),
    "beyond": ([(np.array([30]), TILES[:1])], "not in the file"),
    "before": ([(np.array([-1]), TILES[:1])], "not in the file"),
    "shape": ([(np.arange(30), TILES[:, :1])], "another kind"),
    "dtype": ([(np.arange(30), TILES.astype(float))], "another kind"),
    "number": ([(np.arange(30), TILES[:4])], "another kind"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("temporary", [True, False])
def test_bad_streams_leave_no_file(tmp_path, monkeypatch, name, temporary):
    monkeypatch.setattr(tile_file.tempfile, "tempdir", str(tmp_path))
    stream, message = BAD[name]
    with pytest.raises(ParameterError, match=message):
        TileFile.write(None if temporary else tmp_path / "t.raw", stream, 30, SHAPE, "uint16")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_stream_passes_and_leaves_no_file(tmp_path):
    def stream():
        yield np.array([1]), TILES[:1]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        TileFile.write(tmp_path / "t.raw", stream(), 30, SHAPE, "uint16")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_of_the_store_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tile_file.tempfile, "tempdir", str(tmp_path))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tile_file, "_fill", full)
    with pytest.raises(StoreError, match=r"No space left.*free 0\.0 GB there, or set TMPDIR"):
        written()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match="pass a path on another disk"):
        written(tmp_path / "no" / "t.raw")


def test_a_file_that_cannot_be_opened_is_left_alone(tmp_path):
    (tmp_path / "t.raw").mkdir()
    with pytest.raises(StoreError, match=r"(IsADirectory|Permission)Error"):
        written(tmp_path / "t.raw")
    assert (tmp_path / "t.raw").is_dir()


def test_no_tiles():
    with TileFile.write(None, [], 0, SHAPE, "u1") as file:
        assert file.take(np.empty(0, dtype=np.int64)).shape == (0, *SHAPE)
