"""What every transform promises, whatever it does to the pixels."""

from __future__ import annotations

import pickle
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transforms.samples import DTYPES, random_transforms_of, run, tile, transforms_of

from s3rl import transforms as T
from s3rl._random import stream

some = settings(max_examples=15, deadline=None)
CASES = [(channels, transform) for channels in (1, 3, 5) for transform in transforms_of(channels)]
RANDOM = [(channels, transform) for channels in (1, 3, 5) for transform in random_transforms_of(channels)]


def names(cases):
    return [f"{channels}-{type(transform).__name__}" for channels, transform in cases]


every = pytest.mark.parametrize(("channels", "transform"), CASES, ids=names(CASES))
tiles = {
    "side": st.integers(1, 40),
    "dtype": st.sampled_from(DTYPES),
    "seed": st.integers(0, 2**32),
}


@every
@some
@given(**tiles)
def test_input_is_never_changed_and_never_shared(channels, transform, side, dtype, seed):
    value = tile(channels, side, dtype, seed)
    before = value.copy()
    value.flags.writeable = False
    for result in run(transform, value, seed).values():
        assert not np.shares_memory(result, value)
        result[...] = 0
    np.testing.assert_array_equal(value, before)


@every
@some
@given(**tiles)
def test_arrays_are_contiguous_and_keep_type_and_channels(channels, transform, side, dtype, seed):
    wanted = np.float32 if isinstance(transform, (T.Normalize, T.Rescale)) else dtype
    for result in run(transform, tile(channels, side, dtype, seed), seed).values():
        assert result.dtype == wanted
        assert result.ndim == 3
        assert len(result) == channels
        assert result.flags.c_contiguous
        assert result.flags.owndata
        assert result.flags.writeable


@every
@some
@given(**tiles)
def test_same_generator_same_bytes(channels, transform, side, dtype, seed):
    value = tile(channels, side, dtype, seed)
    first, again = run(transform, value, seed), run(transform, value.copy(), seed)
    for key in first:
        assert first[key].tobytes() == again[key].tobytes()


@pytest.mark.parametrize(("channels", "transform"), RANDOM, ids=names(RANDOM))
def test_other_generator_other_bytes(channels, transform):
    results = {b"".join(v.tobytes() for v in run(transform, tile(channels), seed).values()) for seed in range(20)}
    assert len(results) > 3


@every
@some
@given(side=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_floats_stay_between_zero_and_one(channels, transform, side, seed):
    if isinstance(transform, (T.Normalize, T.Apply)):
        return
    for result in run(transform, tile(channels, side, np.float32, seed), seed).values():
        assert result.min() >= -1e-6
        assert result.max() <= 1 + 1e-6


@every
def test_memory_order_of_the_tile_does_not_matter(channels, transform):
    value = tile(channels)
    last = np.ascontiguousarray(value.transpose(1, 2, 0)).transpose(2, 0, 1)
    padded = np.zeros((channels, 20, 30), np.uint8)
    padded[:, 2:18, 5:21] = value
    wanted = run(transform, value, 5)
    for other in (last, padded[:, 2:18, 5:21]):
        for key, result in run(transform, other, 5).items():
            np.testing.assert_array_equal(result, wanted[key])


@every
def test_global_states_are_untouched(channels, transform):
    def states():
        return random.getstate(), *np.random.get_state()[1:3], *torch.get_rng_state().tolist()  # noqa: NPY002

    before = states()
    run(transform, tile(channels), 3)
    after = states()
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@every
def test_other_keys_pass_through_untouched(channels, transform):
    others = {"expression": np.arange(4.0), "coords": np.zeros(2), "name": "spot 7", "nothing": None}
    sample = {"tile": tile(channels), **others}
    out = transform(sample, np.random.default_rng(0))
    assert all(out[key] is value for key, value in others.items())
    assert set(out) == set(sample) | set(transform.writes)
    assert out is not sample
    assert set(sample) == {"tile", *others}


@every
def test_a_pickled_copy_does_the_same(channels, transform):
    value = tile(channels)
    transform({"tile": value}, np.random.default_rng(0))
    loaded = pickle.loads(pickle.dumps(transform))
    assert repr(loaded) == repr(transform)
    for key, result in run(transform, value, 1).items():
        np.testing.assert_array_equal(run(loaded, value, 1)[key], result)


SINGLE = [(c, t) for c, t in CASES if isinstance(t, T.Transform)]


@pytest.mark.parametrize(("channels", "transform"), SINGLE, ids=names(SINGLE))
@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_applied_again_give_the_same_pixels(channels, transform, dtype):
    for seed in range(8):
        value = tile(channels, 16, dtype, seed)
        parameters = transform.sample_parameters(value, np.random.default_rng(seed))
        assert isinstance(parameters, dict)
        kept = pickle.loads(pickle.dumps(parameters))
        wanted = transform({"tile": value}, np.random.default_rng(seed))["tile"]
        for _ in range(2):
            np.testing.assert_array_equal(transform.apply(value, kept), wanted)


@pytest.mark.parametrize(("channels", "transform"), SINGLE, ids=names(SINGLE))
def test_all_keys_share_the_parameters(channels, transform):
    twin = pickle.loads(pickle.dumps(transform))
    twin.keys = ("tile", "twin")
    value = tile(channels)
    for seed in range(5):
        out = twin({"tile": value, "twin": value.copy()}, np.random.default_rng(seed))
        np.testing.assert_array_equal(out["twin"], out["tile"])
        np.testing.assert_array_equal(out["tile"], run(transform, value, seed)["tile"])


@pytest.mark.parametrize(("channels", "transform"), SINGLE, ids=names(SINGLE))
def test_probability(channels, transform):
    value, hurried = tile(channels), pickle.loads(pickle.dumps(transform))
    hurried.p = 0.0
    result = run(hurried, value)["tile"]
    np.testing.assert_array_equal(result, value)
    assert not np.shares_memory(result, value)
    hurried.p = 0.3
    changed = transform.apply(value, transform.sample_parameters(value, np.random.default_rng(1)))
    if changed.shape == value.shape and (changed == value).all():
        return
    rng = np.random.default_rng(0)
    touched = sum(
        (out := hurried({"tile": value}, rng)["tile"]).shape != value.shape or bool((out != value).any())
        for _ in range(300)
    )
    # a flip is the tile itself once in four or eight
    assert 40 < touched < 125


def test_threads_do_not_mix_their_streams():
    usual = sys.getswitchinterval()
    transform = T.TwoViews(16)
    value = tile(3, 24)

    def views(position):
        out = transform({"tile": value}, stream(3, position))
        return out["view_1"].tobytes() + out["view_2"].tobytes()

    wanted = [views(position) for position in range(400)]
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(views, range(400))) == wanted
    finally:
        sys.setswitchinterval(usual)


@pytest.mark.parametrize(("channels", "transform"), CASES, ids=names(CASES))
def test_names_say_what_they_are(channels, transform):
    assert repr(transform).startswith(type(transform).__name__ + "(")
    assert " at 0x" not in repr(transform)
