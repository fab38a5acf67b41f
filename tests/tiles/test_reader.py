from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.tiles import cut_all
from tiles.counting import CountingImage, chunk_boxes, meets

from s3rl.errors import CoordinatesError, DataTypeError, InputError, ParameterError, StoreError
from s3rl.tiles import reader
from s3rl.tiles.reader import read_tiles

DTYPES = [np.uint8, np.uint16, np.float32, np.int64, np.bool_]


def pixels_of(shape, dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 60_000, shape).astype(dtype)


def starts_in(shape, size, n, seed=0):
    """Tiles anywhere, with at least one pixel in the image."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(1 - size, side, n) for side in shape[1:]], axis=1)


def collect(stream):
    """Positions in the order given, and the tiles in that of the positions."""
    groups = list(stream)
    if not groups:
        return np.empty(0, dtype=np.int64), None
    order = np.concatenate([positions for positions, _ in groups])
    tiles = np.concatenate([tiles for _, tiles in groups])
    return order, tiles[np.argsort(order)]


@st.composite
def cases(draw):
    chunks = st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any)
    heights, widths = draw(chunks), draw(chunks)
    channels = draw(st.sampled_from([(1,), (3,), (2, 1), (1, 1, 2)]))
    size = draw(st.integers(1, 24))
    place = st.tuples(st.integers(1 - size, sum(heights) - 1), st.integers(1 - size, sum(widths) - 1))
    starts = np.array(draw(st.lists(place, max_size=25)), dtype=np.int64).reshape(-1, 2)
    dtype = draw(st.sampled_from(DTYPES))
    return (channels, tuple(heights), tuple(widths)), starts, size, dtype, draw(st.integers(1, 5))


@settings(deadline=None, max_examples=150)
@given(cases())
def test_tiles_are_those_of_a_plain_loop(case):
    chunks, starts, size, dtype, window = case
    pixels = pixels_of([sum(sizes) for sizes in chunks], dtype)
    with dask.config.set(scheduler="synchronous"):
        groups = list(read_tiles(da.from_array(pixels, chunks=chunks), starts, size, window=window))
    order, tiles = collect(groups)
    assert sorted(order.tolist()) == list(range(len(starts)))
    assert all(len(positions) for positions, _ in groups)
    assert all(t.dtype == dtype and t.flags.writeable and p.dtype == np.int64 for p, t in groups)
    if len(starts):
        np.testing.assert_array_equal(tiles, cut_all(pixels, starts, size))


@settings(deadline=None, max_examples=60)
@given(cases())
def test_needed_chunks_are_decoded_once_and_others_never(case):
    chunks, starts, size, dtype, window = case
    image = CountingImage(pixels_of([sum(sizes) for sizes in chunks], dtype))
    lazy = image.lazy(chunks)
    for _ in read_tiles(lazy, starts, size, window=window):
        pass
    needed = [box for box in chunk_boxes(lazy) if any(meets(box, start, size) for start in starts)]
    assert image.reads == dict.fromkeys(needed, 1)


def test_a_tile_comes_as_soon_as_its_last_chunk_is_read():
    image = CountingImage(pixels_of((1, 40, 40)))
    starts = np.array([[35, 35], [0, 0], [8, 8], [5, 25]])
    stream = read_tiles(image.lazy((1, 10, 10)), starts, 4, window=1)
    seen = [(positions.tolist(), len(image.reads)) for positions, _ in stream]
    # chunks (0, 0), (0, 1), (0, 2), (1, 0), (1, 1) and (3, 3) are needed
    assert seen == [([1], 1), ([3], 3), ([2], 5), ([0], 6)]


@pytest.mark.parametrize("window", [1, 3, 1000])
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_order_and_bytes_do_not_depend_on_window_or_scheduler(window, scheduler):
    pixels = pixels_of((3, 100, 70))
    starts = starts_in(pixels.shape, 17, 200)
    image = da.from_array(pixels, chunks=(3, 16, 24))
    expected, _ = collect(read_tiles(image, starts, 17, window=7))
    with dask.config.set(scheduler=scheduler):
        order, tiles = collect(read_tiles(image, starts, 17, window=window))
    assert order.tolist() == expected.tolist()
    np.testing.assert_array_equal(tiles, cut_all(pixels, starts, 17))


def test_large_groups_are_given_in_parts(monkeypatch):
    monkeypatch.setattr(reader, "_BYTES", 10 * 2 * 8 * 8)
    pixels = pixels_of((1, 64, 64))
    starts = starts_in(pixels.shape, 8, 95)
    groups = list(read_tiles(da.from_array(pixels, chunks=(1, 64, 64)), starts, 8))
    assert [len(positions) for positions, _ in groups] == [10] * 9 + [5]
    np.testing.assert_array_equal(collect(groups)[1], cut_all(pixels, starts, 8))


def held_at_most(monkeypatch, pixels, chunk, starts, size):
    """Most bytes that wait at the end of a window of one chunk."""
    most, stream = 0, None
    stream = read_tiles(da.from_array(pixels, chunks=(len(pixels), chunk, chunk)), starts, size, window=1)
    for _ in stream:
        held = stream.gi_frame.f_locals["held"]
        most = max(most, sum(taken.nbytes for taken in held.values()))
    return most


@pytest.mark.parametrize("turned", [False, True])
def test_what_waits_does_not_grow_with_the_longer_side(monkeypatch, turned):
    chunk, size, line = 16, 8, 4
    for n_lines in (4, 16):
        shape = (1, n_lines * chunk, line * chunk)
        # a tile every other pixel: pieces overlap so much that chunks wait whole, and each tile over a line waits
        starts = np.array([(y, x) for y in range(0, shape[1] - 4, 2) for x in range(0, shape[2] - 4, 2)])
        pixels = pixels_of(shape, np.uint8)
        if turned:
            pixels, starts = pixels.swapaxes(1, 2), starts[:, ::-1]
        most = held_at_most(monkeypatch, pixels, chunk, starts, size)
        assert (line - 1) * chunk**2 < most <= (line + 2) * chunk**2


def test_little_waits_where_tiles_are_sparse(monkeypatch):
    pixels = pixels_of((1, 128, 128), np.uint8)
    starts = np.array([(y, x) for y in range(12, 116, 32) for x in range(12, 116, 32)])
    assert held_at_most(monkeypatch, pixels, 32, starts, 8) <= 2 * 8 * 8


@pytest.mark.parametrize("times", [1, 3])
def test_decoded_chunks_are_let_go_of_at_once(times):
    image = CountingImage(pixels_of((2, 320, 320), np.uint8))
    # where tiles come three times, a crop of the chunk is handed over and not the pieces
    starts = np.tile(starts_in(image.shape, 6, 400), (times, 1))
    with dask.config.set(scheduler="threads", num_workers=2):
        for _ in read_tiles(image.lazy((2, 20, 20)), starts, 6, window=256):
            pass
    assert len(image.reads) > 200
    assert image.most_alive <= 8


def test_the_image_is_not_changed_by_writing_to_tiles():
    pixels = pixels_of((1, 20, 20))
    before = pixels.copy()
    starts = np.array([(y, x) for y in range(10) for x in range(10)])
    for _, tiles in read_tiles(da.from_array(pixels, chunks=(1, 20, 20)), starts, 8):
        tiles[:] = 0
    np.testing.assert_array_equal(pixels, before)


def test_computed_images_and_selected_channels():
    pixels = pixels_of((4, 50, 60))
    image = da.from_array(pixels, chunks=(1, 13, 17))[[2, 0]].rechunk((2, 20, 11)) // 3
    starts = starts_in(pixels.shape, 9, 50)
    _, tiles = collect(read_tiles(image, starts, 9))
    np.testing.assert_array_equal(tiles, cut_all(pixels[[2, 0]] // 3, starts, 9))


@pytest.fixture
def store(tmp_path):
    """A Zarr image of 6 x 6 chunks, and its pixels."""
    pixels = pixels_of((3, 48, 48), np.uint8)
    array = zarr.create_array(tmp_path / "image.zarr", shape=(3, 48, 48), chunks=(3, 8, 8), dtype="uint8", fill_value=7)
    array[:] = pixels
    return tmp_path / "image.zarr", pixels


def test_zarr(store):
    path, pixels = store
    starts = starts_in(pixels.shape, 10, 60)
    _, tiles = collect(read_tiles(da.from_zarr(path), starts, 10))
    np.testing.assert_array_equal(tiles, cut_all(pixels, starts, 10))


def test_a_chunk_that_is_not_stored_has_the_fill_value(store):
    path, pixels = store
    (path / "c" / "0" / "1" / "1").unlink()
    expected = pixels.copy()
    expected[:, 8:16, 8:16] = 7
    _, tiles = collect(read_tiles(da.from_zarr(path), np.array([[4, 4]]), 12))
    np.testing.assert_array_equal(tiles, cut_all(expected, [[4, 4]], 12))


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"no image" * 9, lambda raw: b""])
def test_a_damaged_chunk_is_named(store, damage):
    path, pixels = store
    place = path / "c" / "0" / "2" / "4"
    place.write_bytes(damage(place.read_bytes()))
    starts = starts_in(pixels.shape, 10, 300)
    with pytest.raises(StoreError, match=r"chunk \(2, 4\), pixels y 16 to 24 and x 32 to 40") as caught:
        collect(read_tiles(da.from_zarr(path), starts, 10))
    assert caught.value.__cause__ is not None
    whole = starts[~np.array([meets((16, 32, 24, 40), start, 10) for start in starts])]
    _, tiles = collect(read_tiles(da.from_zarr(path), whole, 10))
    np.testing.assert_array_equal(tiles, cut_all(pixels, whole, 10))


def test_a_failure_that_passes_is_read_again():
    class Flaky(CountingImage):
        def __getitem__(self, key):
            block = super().__getitem__(key)
            if self.reads[0, 10, 10, 20, 20] == 1 and key[1].start == key[2].start == 10:
                raise OSError("the network was gone")
            return block

    image = Flaky(pixels_of((1, 30, 30)))
    starts = starts_in(image.shape, 5, 50)
    _, tiles = collect(read_tiles(image.lazy((1, 10, 10)), starts, 5))
    np.testing.assert_array_equal(tiles, cut_all(image.pixels, starts, 5))


def test_a_chunk_of_another_shape_than_promised_is_named():
    image = da.from_array(pixels_of((1, 20, 20)), chunks=(1, 10, 10)).map_blocks(lambda b: b[:, 1:], dtype=np.uint16)
    image._chunks = ((1,), (10, 10), (10, 10))
    with pytest.raises(StoreError, match=r"chunk \(1, 0\).*\(9, 10\) pixels instead of \(10, 10\)"):
        collect(read_tiles(image, np.array([[12, 3]]), 4))


def test_memory_that_runs_out_is_no_damaged_store():
    def full(block):
        raise MemoryError

    image = da.zeros((1, 20, 20), chunks=(1, 10, 10)).map_blocks(full, dtype=float, meta=np.empty((0, 0, 0)))
    with pytest.raises(MemoryError):
        collect(read_tiles(image, np.array([[12, 3]]), 4))


IMAGE = da.zeros((1, 20, 30), chunks=(1, 10, 10))


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((1, 20, 30)), DataTypeError),
        (None, DataTypeError),
        (da.zeros((20, 30)), InputError),
        (da.zeros((0, 20, 30)), InputError),
        (da.zeros((1, 20, 0)), InputError),
        (IMAGE[:, da.from_array(np.arange(20) > 3, chunks=10)], InputError),
    ],
)
def test_images_that_are_none(image, error):
    with pytest.raises(error, match="image"):
        read_tiles(image, np.zeros((1, 2), dtype=int), 4)


@pytest.mark.parametrize("start", [[-4, 0], [0, -4], [20, 0], [0, 30], [2**62, 0], [-(2**62), 0]])
def test_tiles_wholly_outside_are_refused_before_anything_is_read(start):
    with pytest.raises(CoordinatesError, match=r"1 of 2 .*first 1"):
        read_tiles(IMAGE, np.array([[0, 0], start]), 4)


@pytest.mark.parametrize(
    ("name", "value"), [("size", 0), ("size", 2.5), ("window", 0), ("window", True), ("window", 1.0)]
)
def test_parameters_that_are_none(name, value):
    with pytest.raises(ParameterError, match=name):
        read_tiles(IMAGE, np.zeros((1, 2), dtype=int), **{"size": 4, name: value})


def test_starts_that_are_none():
    with pytest.raises(CoordinatesError, match="starts"):
        read_tiles(IMAGE, np.zeros((1, 2)), 4)


def test_no_tiles_read_nothing():
    image = CountingImage(pixels_of((1, 20, 20)))
    assert list(read_tiles(image.lazy((1, 10, 10)), np.empty((0, 2), dtype=np.int64), 4)) == []
    assert not image.reads


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["threads", "processes"])
def cluster(request):
    """A client of a cluster of one worker, the default scheduler while the test runs."""
    distributed = pytest.importorskip("distributed")
    kind = {"processes": request.param, "dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, **kind) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_cluster_gives_the_same_bytes_and_the_same_errors(store, cluster):
    path, pixels = store
    starts = starts_in(pixels.shape, 10, 200)
    order, tiles = collect(read_tiles(da.from_zarr(path), starts, 10, window=10))
    np.testing.assert_array_equal(tiles, cut_all(pixels, starts, 10))
    assert "taken" in cluster.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
    with dask.config.set(scheduler="synchronous"):
        assert collect(read_tiles(da.from_zarr(path), starts, 10))[0].tolist() == order.tolist()
    (path / "c" / "0" / "2" / "4").write_bytes(b"no image")
    with pytest.raises(StoreError, match=r"chunk \(2, 4\)"):
        collect(read_tiles(da.from_zarr(path), starts, 10))
