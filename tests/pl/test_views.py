"""Views: the tiles themselves, and what a transform makes of them with a randomness of its own."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from pl.slides import SIDE, blocks, pixels_of, slide
from pl.test_tiles import cells, names

import s3rl as s3
from s3rl.errors import DataTypeError, MissingKeyError, ParameterError


@pytest.fixture
def sdata():
    sdata = slide()
    s3.pp.make_tiles(sdata, "he", size=SIDE)
    return sdata


def negative(sample, rng):
    return {**sample, "tile": 255 - sample["tile"]}


def test_rows_of_tiles_and_of_their_views(sdata):
    ax = s3.pl.views(sdata, n_tiles=4)
    assert names(ax) == ["tile", "view 1", "view 2"]
    drawn = cells(ax)
    assert set(drawn) == {(row, column) for row in range(3) for column in range(4)}
    # a tile is one block; the default cannot leave all as it was
    assert all(np.ptp(drawn[0, column], axis=(0, 1)).max() == 0 for column in range(4))
    assert not all(np.array_equal(drawn[0, column], drawn[1, column]) for column in range(4))
    assert not all(np.array_equal(drawn[1, column], drawn[2, column]) for column in range(4))


def test_a_transform_of_the_user_is_applied_to_the_tile(sdata):
    """The tiles picked are known by the order of their values; a negative turns it around, on the same scale."""
    drawn = cells(s3.pl.views(sdata, n_tiles=5, transform=negative))
    tiles, first, second = (np.array([drawn[row, column][0, 0] for column in range(5)]) for row in range(3))
    assert np.array_equal(first, second)
    assert (np.diff(tiles, axis=0) > 0).all()
    # v and 255 - v on one scale add up to the same everywhere, unless one of them is clipped
    whole = (tiles < 1) & (first < 1)
    assert whole.sum() >= 6
    assert np.ptp((tiles + first)[whole]) == pytest.approx(0, abs=1e-6)


def test_views_are_those_of_two_views(sdata):
    recipe = s3.transforms.TwoViews(12, recipe=s3.transforms.RandomResizedCrop(12))
    drawn = cells(s3.pl.views(sdata, n_tiles=3, transform=recipe))
    assert {drawn[1, column].shape for column in range(3)} == {(12, 12, 3)}
    # a crop of one block is that block
    for column in range(3):
        assert drawn[1, column][0, 0] == pytest.approx(drawn[0, column][0, 0], abs=1e-6)


def test_what_a_normalisation_makes_can_be_seen(sdata):
    def normalised(sample, rng):
        return {**sample, "tile": sample["tile"].astype(np.float32) - 300 + rng.normal(size=sample["tile"].shape)}

    drawn = cells(s3.pl.views(sdata, n_tiles=3, transform=normalised))
    assert np.ptp(drawn[1, 0]) > 0.5
    assert not np.array_equal(drawn[1, 0], drawn[2, 0])


def test_the_seed_decides_and_global_states_stay(sdata):
    from laws.contents import random_states

    before = random_states()
    one, same, other = (cells(s3.pl.views(sdata, n_tiles=4, rng=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(one[place], same[place]) for place in one)
    assert not all(np.array_equal(one[place], other[place]) for place in one)
    assert random_states() == before


@pytest.mark.parametrize(("n_channels", "dtype"), [(1, "uint16"), (2, "float32"), (5, "uint16"), (4, "uint8")])
def test_tiles_of_other_kinds(n_channels, dtype):
    sdata = slide(image=pixels_of(blocks(n_channels, dtype)))
    s3.pp.make_tiles(sdata, "he", size=SIDE)
    drawn = cells(s3.pl.views(sdata, n_tiles=6))
    assert len(drawn) == 18
    spread = np.array([drawn[0, column][0, 0] for column in range(6)])
    assert np.ptp(spread) > 0.5


def test_only_tiles_have_frames_and_the_bar_is_theirs(sdata):
    s3.pp.make_tiles(sdata, "he", size=2 * SIDE, microns_per_unit=1.0)
    ax = s3.pl.views(sdata, n_tiles=24)
    assert len([patch for patch in ax.patches if patch.get_y() == 0]) == len(ax.patches) == 16
    assert [text.get_text() for text in ax.texts] == ["20 µm in the tiles"]


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"n_tiles": 0}, ParameterError, "n_tiles"),
        ({"transform": "crop"}, ParameterError, "transform"),
        ({"transform": lambda sample, rng: None}, ParameterError, "transform"),
        ({"transform": lambda sample, rng: {"tile": 3}}, ParameterError, "transform"),
        ({"tiles_key": "lost"}, MissingKeyError, "shapes['lost']"),
        ({"ax": "left"}, ParameterError, "ax"),
    ],
)
def test_what_cannot_be_drawn(sdata, arguments, kind, key):
    with pytest.raises(kind) as caught:
        s3.pl.views(sdata, **arguments)
    assert caught.value.key == key
    assert not plt.get_fignums()
    with pytest.raises(DataTypeError, match="to_spatialdata"):
        s3.pl.views(sdata.tables["table"])
