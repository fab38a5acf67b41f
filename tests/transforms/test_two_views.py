from __future__ import annotations

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset
from transforms.samples import DTYPES, tile

from s3rl._random import stream
from s3rl.errors import InputError, MissingKeyError, ParameterError
from s3rl.transforms import (
    Blur,
    ColorJitter,
    Compose,
    Flip,
    IntensityJitter,
    RandomResizedCrop,
    Rescale,
    StainJitter,
    ToGray,
    TwoViews,
)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [None, 24])
def test_two_different_views_and_the_tile(dtype, channels, size):
    value = tile(channels, 32, dtype)
    sample = {"tile": value, "coords": (1, 2)}
    out = TwoViews(size, channels=channels)(sample, rng())
    assert out["tile"] is value
    assert out["coords"] == (1, 2)
    for view in ("view_1", "view_2"):
        assert out[view].shape == (channels, size or 32, size or 32)
        assert out[view].dtype == dtype
    assert (out["view_1"] != out["view_2"]).any()
    assert not np.shares_memory(out["view_1"], out["view_2"])


@pytest.mark.parametrize(
    ("channels", "colour"),
    [(1, [ColorJitter]), (3, [ColorJitter, ToGray]), (2, [IntensityJitter]), (5, [IntensityJitter])],
)
def test_recipe_of_the_paper(channels, colour):
    steps = TwoViews(32, channels=channels).recipe.steps
    assert [type(step) for step in steps] == [RandomResizedCrop, Flip, *colour]
    assert [step.p for step in steps] == [1.0, 1.0, 0.8, 0.2][: len(steps)]
    assert steps[0].size == 32


def test_views_are_the_recipe_drawn_twice():
    value = tile(3, 20)
    views = TwoViews(16)
    out, generator = views({"tile": value}, rng(3)), rng(3)
    for view in ("view_1", "view_2"):
        np.testing.assert_array_equal(out[view], views.recipe({"tile": value}, generator)["tile"])


def test_a_share_of_the_views_has_lost_its_colour():
    generator, views = rng(1), TwoViews(8)
    out = [views({"tile": tile(3, 8, seed=i)}, generator) for i in range(150)]
    gray = [bool((np.ptp(o[view].astype(int), axis=0) == 0).all()) for o in out for view in ("view_1", "view_2")]
    assert 0.12 < np.mean(gray) < 0.29


def test_a_recipe_of_ones_own():
    recipe = Compose([Rescale(high=4095), StainJitter(), Blur(), RandomResizedCrop(10)])
    views = TwoViews(recipe=recipe)
    deep = tile().astype(np.uint16) * 16
    out = views({"tile": deep}, rng())
    assert out["view_1"].shape == (3, 10, 10)
    assert out["view_1"].dtype == np.float32
    assert "StainJitter" in repr(views)


def test_a_recipe_that_changes_nothing_still_gives_arrays_of_their_own():
    value = tile()
    out = TwoViews(recipe=Flip(p=0.0))({"tile": value}, rng())
    for view in ("view_1", "view_2"):
        np.testing.assert_array_equal(out[view], value)
        assert not np.shares_memory(out[view], value)
    assert not np.shares_memory(out["view_1"], out["view_2"])


def test_other_key():
    out = TwoViews(8, key="image")({"image": tile(), "tile": "kept"}, rng())
    assert out["view_1"].shape == (3, 8, 8)
    assert out["tile"] == "kept"
    with pytest.raises(MissingKeyError, match="image"):
        TwoViews(8, key="image")({"tile": tile()}, rng())


def test_other_channels_than_said():
    with pytest.raises(InputError, match=r"5.*TwoViews\(channels=5\)"):
        TwoViews()({"tile": tile(5)}, rng())
    with pytest.raises(InputError, match=r"TwoViews\(channels=3\)"):
        TwoViews(channels=5)({"tile": tile(3)}, rng())


@pytest.mark.parametrize(
    "wrong", [{"size": 0}, {"channels": 0}, {"recipe": np.negative}, {"recipe": Flip(keys="mask")}]
)
def test_arguments(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        TwoViews(**wrong)


class Pairs(Dataset):
    """Views of a few tiles, each from the stream of its position."""

    views = TwoViews(12)

    def __len__(self):
        return 10

    def __getitem__(self, position):
        out = self.views({"tile": tile(seed=position)}, stream(7, position))
        return out["view_1"], out["view_2"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_give_the_same_bytes():
    wanted = [batch for pair in DataLoader(Pairs(), batch_size=4) for batch in pair]
    found = [
        batch
        for pair in DataLoader(Pairs(), batch_size=4, num_workers=2, multiprocessing_context="fork")
        for batch in pair
    ]
    assert [batch.numpy().tobytes() for batch in found] == [batch.numpy().tobytes() for batch in wanted]
