"""Pixels of tiles: the same bytes whatever the batches, the order and who computes them."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import pytest
from oracles import bricks

import s3rl as s3
from s3rl import errors

PLACES = bricks.bricks(bricks.SHAPE)
N = len(PLACES)


def made(*, size=bricks.SIDE, places=PLACES, pixels=None, **arguments):
    sdata = bricks.scene(bricks.wall() if pixels is None else pixels, places, **arguments)
    s3.pp.make_tiles(sdata, "he", size=size)
    return sdata


def collect(batches):
    """Positions and tiles of a whole pass, in the order they came."""
    positions, tiles = zip(*batches, strict=True)
    return np.concatenate(positions), np.concatenate(tiles)


def in_place(positions, tiles):
    """Tiles by position; each must have come once."""
    np.testing.assert_array_equal(np.sort(positions), np.arange(len(positions)))
    return tiles[np.argsort(positions)]


@pytest.mark.parametrize("order", [None, "boxes"])
@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_every_tile_comes_once_and_is_its_brick(order, batch_size):
    sdata = made(name="affine")
    batches = list(s3.pp.iter_tiles(sdata, "he_tiles", batch_size=batch_size, order=order))
    assert [len(positions) for positions, _ in batches[:-1]] == [batch_size] * (len(batches) - 1)
    positions, tiles = collect(batches)
    assert positions.dtype == np.int64
    if order == "boxes":
        np.testing.assert_array_equal(positions, np.arange(N))
    np.testing.assert_array_equal(in_place(positions, tiles), bricks.cut(bricks.wall(), PLACES))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("channels", "names"), [(1, None), (4, ["r", "g", "b", "a"]), (5, None)])
def test_channels_and_types(channels, names, dtype):
    pixels = bricks.wall(channels=channels, dtype=dtype)
    _, tiles = collect(s3.pp.iter_tiles(made(pixels=pixels, c_coords=names), "he_tiles", order="boxes"))
    assert tiles.dtype == dtype
    np.testing.assert_array_equal(tiles, bricks.cut(pixels[: 3 if names else channels], PLACES))


def test_any_order_also_of_some_and_of_one_twice():
    sdata = made()
    expected = bricks.cut(bricks.wall(), PLACES)
    rng = np.random.default_rng(0)
    for order in (rng.permutation(N), [5, 2, 2, 61], np.array([9], dtype=np.uint16)):
        positions, tiles = collect(s3.pp.iter_tiles(sdata, "he_tiles", order=order, batch_size=3))
        np.testing.assert_array_equal(positions, order)
        np.testing.assert_array_equal(tiles, expected[np.asarray(order)])


def test_pixels_beyond_the_border_are_mirrored():
    places = bricks.bricks(bricks.SHAPE, margin=0)
    sdata = made(size=40, places=places)
    _, tiles = collect(s3.pp.iter_tiles(sdata, "he_tiles", order="boxes"))
    padded = np.pad(bricks.wall(), ((0, 0), (40, 40), (40, 40)), mode="symmetric")
    starts = places * bricks.SIDE - 12 + 40
    np.testing.assert_array_equal(tiles, np.stack([padded[:, y : y + 40, x : x + 40] for y, x in starts]))


def test_only_chunks_with_wanted_tiles_are_decoded():
    import dask.array as da

    sdata = made()
    seen = []

    def count(block, block_info=None):
        if block.size:
            seen.append(tuple(block_info[0]["chunk-location"]))
        return block

    pixels = sdata["he"].data
    sdata.images["he"] = sdata["he"].copy(data=da.map_blocks(count, pixels, dtype=pixels.dtype, meta=pixels._meta))
    batches = s3.pp.iter_tiles(sdata, "he_tiles")
    assert seen == []
    collect(batches)
    met = {(0, y // 50, x // 50) for row, column in PLACES * 16 for y in (row, row + 15) for x in (column, column + 15)}
    assert sorted(seen) == sorted(met)
    assert len(met) < pixels.npartitions
    seen.clear()
    # brick (1, 1) is the first, and lies in the first chunk
    collect(s3.pp.iter_tiles(sdata, "he_tiles", order=[0]))
    assert seen == [(0, 0, 0)]


def jitter(sample, rng):
    return {**sample, "tile": sample["tile"] + rng.normal(size=sample["tile"].shape)}


def test_a_transform_does_not_see_batches_nor_order():
    sdata = made()
    passes = [
        in_place(*collect(s3.pp.iter_tiles(sdata, "he_tiles", transform=jitter, rng=5, batch_size=size, order=order)))
        for size, order in ((256, None), (7, None), (16, "boxes"), (5, np.random.default_rng(1).permutation(N)))
    ]
    for other in passes[1:]:
        np.testing.assert_array_equal(passes[0], other)
    assert len(np.unique(passes[0] - bricks.cut(bricks.wall(), PLACES), axis=0)) == N
    other = in_place(*collect(s3.pp.iter_tiles(sdata, "he_tiles", transform=jitter, rng=6)))
    assert (other != passes[0]).mean() > 0.99


def test_a_transform_gets_the_middle_in_pixels_of_the_full_resolution():
    sdata = bricks.scene(bricks.wall(), PLACES, name="affine", scale_factors=[2, 2])
    s3.pp.make_tiles(sdata, "he", size=bricks.SIDE, pixels=4)
    seen = []

    def look(sample, rng):
        seen.append(sample["coords"])
        assert sample["tile"].shape == (3, 4, 4)
        return sample

    collect(s3.pp.iter_tiles(sdata, "he_tiles", transform=look, order="boxes"))
    np.testing.assert_array_equal(seen, bricks.middles(PLACES))


def test_a_transform_may_change_shape_and_type():
    def small(sample, rng):
        return {"tile": sample["tile"][:1, ::2, ::2] / 255}

    positions, tiles = collect(s3.pp.iter_tiles(made(), "he_tiles", transform=small))
    assert tiles.shape == (N, 1, 8, 8)
    np.testing.assert_array_equal(in_place(positions, tiles), bricks.cut(bricks.wall(), PLACES)[:, :1, ::2, ::2] / 255)


def test_global_random_states_and_the_data_stay():
    sdata = made()
    before = sdata["he"].data.compute()
    np.random.seed(3)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002

    def spoil(sample, rng):
        sample["tile"][:] = 0
        return sample

    collect(s3.pp.iter_tiles(sdata, "he_tiles", transform=spoil))
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.testing.assert_array_equal(sdata["he"].data.compute(), before)


def test_the_temporary_file_goes_with_the_iterator(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    batches = s3.pp.iter_tiles(made(), "he_tiles", order="boxes", batch_size=4)
    assert os.listdir(tmp_path) == []
    next(batches)
    assert len(os.listdir(tmp_path)) == 1
    batches.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"batch_size": 0}, "batch_size: must be a positive"),
        ({"batch_size": 2.5, "order": "boxes"}, "batch_size: must be a positive"),
        ({"order": "random"}, "order: is neither.*'random'.*0 to 69"),
        ({"order": [0, N]}, "order: is neither"),
        ({"order": [-1]}, "order: is neither"),
        ({"order": []}, "order: is neither"),
        ({"order": [0.5]}, "order: is neither"),
        ({"order": np.ones(N, dtype=bool)}, "order: is neither"),
        ({"rng": -1}, "rng: must be"),
        ({"transform": "flip"}, "transform: cannot be called"),
    ],
)
def test_arguments_are_refused_at_the_call(arguments, match):
    with pytest.raises(errors.ParameterError, match=match):
        s3.pp.iter_tiles(made(), "he_tiles", **arguments)


@pytest.mark.parametrize(
    ("transform", "match"),
    [
        (lambda sample, rng: None, "transform: returned no mapping.*NoneType"),
        (lambda sample, rng: {"view": 1}, "transform: returned no mapping.*Available: view"),
        (
            lambda sample, rng: {"tile": sample["tile"][:, : 8 + int(sample["coords"][0]) % 3]},
            "transform: returned tiles of different shapes",
        ),
    ],
)
def test_transforms_that_return_no_tile(transform, match):
    with pytest.raises(errors.ParameterError, match=match):
        list(s3.pp.iter_tiles(made(), "he_tiles", transform=transform))


def test_tiles_that_are_not_there():
    with pytest.raises(errors.MissingKeyError, match=r"shapes\['tiles'\].*Available: he_tiles"):
        s3.pp.iter_tiles(made(), "tiles")


def test_a_corrupt_chunk_is_named(tmp_path):
    import spatialdata as sd

    sdata = bricks.scene(bricks.wall(), PLACES)
    sdata.write(tmp_path / "a.zarr")
    chunk = next(tmp_path.glob("a.zarr/images/he/**/c/0/1/1"))
    chunk.write_bytes(b"nonsense")
    back = sd.read_zarr(tmp_path / "a.zarr")
    s3.pp.make_tiles(back, "he", size=16)
    with pytest.raises(errors.StoreError, match="chunk"):
        list(s3.pp.iter_tiles(back, "he_tiles"))
