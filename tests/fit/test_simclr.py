from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from fit.tile_problems import Stack, content, stripes, train

from s3rl.errors import ModelError
from s3rl.fit import simclr
from s3rl.fit.intensity import Intensity
from s3rl.fit.simclr import epochs_of
from s3rl.fit.simclr_params import SimCLRParams
from s3rl.fit.tile_views import Views, batches_of_epoch, load_views, recipe_of
from s3rl.transforms import TwoViews

TILES, KIND = stripes()


def test_same_seed_same_bytes_whatever_the_workers():
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    (first, history), (again, _), (other, _) = train(TILES), train(TILES, n_workers=1), train(TILES, seed=1)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert random.getstate() == states[2]
    assert content(first) == content(again) != content(other)
    assert len(history["loss"]) == 3


def test_training_tells_kinds_of_tiles_apart():
    encoder, history = train(TILES, epochs=30)
    assert history["loss"][-1] < history["loss"][0]
    with torch.no_grad():
        h = encoder.features(torch.from_numpy(TILES)).numpy()
    cosine = h @ h.T
    same = KIND[:, None] == KIND[None, :]
    np.fill_diagonal(cosine, np.nan)
    assert np.nanmean(cosine[same]) > np.nanmean(cosine[~same]) + 0.2


def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path, monkeypatch):
    whole, history = train(TILES, epochs=6, checkpoint_interval=2)
    inner, calls = simclr._Step.__call__, iter(range(9 + 2))  # the third epoch ends after nine steps

    def step(*args):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return inner(*args)

    with monkeypatch.context() as patched:
        patched.setattr(simclr._Step, "__call__", step)
        with pytest.raises(KeyboardInterrupt):
            train(TILES, epochs=6, checkpoint_interval=2, checkpoint=tmp_path / "run")
    resumed, seen = train(TILES, epochs=6, checkpoint_interval=2, checkpoint=tmp_path / "run")
    assert content(resumed) == content(whole)
    assert seen == history
    with pytest.raises(ModelError, match="another run"):
        train(TILES, epochs=6, checkpoint=tmp_path / "run", fingerprint="other")


def test_a_loss_that_is_not_finite_stops_the_training():
    with pytest.raises(ModelError, match="stopped being finite"):
        train(TILES, learning_rate=1e30, epochs=20)


@pytest.mark.parametrize(("n", "size"), [(2, 512), (7, 3), (24, 8), (25, 8), (600, 512), (1000, 512)])
def test_every_tile_is_in_one_batch_of_each_epoch(n, size):
    batches = batches_of_epoch(n, size, seed=3, epoch=1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert max(map(len, batches)) - min(map(len, batches)) <= 1
    assert min(map(len, batches)) >= 2
    assert max(map(len, batches)) <= 1.5 * size
    if n > 2:
        assert not np.array_equal(np.concatenate(batches), np.concatenate(batches_of_epoch(n, size, seed=3, epoch=2)))


def test_a_slide_of_few_tiles_has_more_epochs():
    params = SimCLRParams(epochs=20, min_steps=100, batch_size=512)
    assert epochs_of(300, params) == 100
    assert epochs_of(4000, params) == 20
    assert epochs_of(4000, SimCLRParams.paper()) == 500


def test_views_depend_on_tile_epoch_and_seed_only():
    params = SimCLRParams()
    views = Views(Stack(TILES), Intensity.of(TILES), TwoViews(recipe=recipe_of(params, 3)), seed=4)
    one = views[0, np.array([5, 9])]
    other = views[0, np.array([9, 2, 5])]
    assert torch.equal(one[0][0], other[0][2])
    assert torch.equal(one[1][1], other[1][0])
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one[0], views[1, np.array([5, 9])][0])
    loaded = list(load_views(views, [(0, np.array([5, 9])), (1, np.array([2]))], n_workers=0, pin=False))
    assert torch.equal(loaded[0][0], one[0])
    assert loaded[1][0].shape == (1, 3, 16, 16)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_rate_follows_the_schedule(schedule, monkeypatch):
    rates = []
    inner = torch.optim.Adam.step

    def step(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return inner(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    train(TILES, schedule=schedule, learning_rate=0.002)
    wanted = [0.002 * (0.5 * (1 + np.cos(np.pi * k / 9)) if schedule == "cosine" else 1) for k in range(9)]
    assert rates == pytest.approx(wanted)


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (5, np.uint16), (3, np.float32)])
def test_channels_and_dtypes(channels, dtype):
    tiles, _ = stripes(8, channels=channels, dtype=dtype)
    encoder, history = train(tiles, epochs=1)
    assert encoder.in_channels == channels
    assert np.isfinite(history["loss"]).all()
