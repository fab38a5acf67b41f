from __future__ import annotations

import numpy as np
import pytest
from transforms.samples import halve, tile

from s3rl.errors import DataTypeError, MissingKeyError, ParameterError
from s3rl.transforms import Apply, Compose, Flip, Normalize, Rescale, Resize, Transform


def rng(seed=0):
    return np.random.default_rng(seed)


class Multiply(Transform):
    """Transform of a user, written from the documentation."""

    def sample_parameters(self, value, rng):
        return {"factor": rng.uniform(0, 1)}

    def apply(self, value, parameters):
        return (value * parameters["factor"]).astype(value.dtype)


def test_a_transform_of_ones_own():
    value = tile(5)
    out = Multiply(keys=["tile", "other"])({"tile": value, "other": value}, rng(3))
    factor = rng(3).uniform(0, 1)
    np.testing.assert_array_equal(out["tile"], (value * factor).astype(np.uint8))
    np.testing.assert_array_equal(out["other"], out["tile"])
    assert repr(Multiply("tile", p=0.5)) == "Multiply(p=0.5)"


def test_compose_is_one_after_the_other():
    value = tile(3)
    steps = [Flip(), Multiply(), Resize(5)]
    one, generator = {"tile": value}, rng(4)
    for step in steps:
        one = step(one, generator)
    together = Compose(steps)({"tile": value}, rng(4))
    np.testing.assert_array_equal(together["tile"], one["tile"])
    nested = Compose([steps[0], Compose(steps[1:])])({"tile": value}, rng(4))
    np.testing.assert_array_equal(nested["tile"], one["tile"])
    single = Compose(Flip())({"tile": value}, rng(4))
    np.testing.assert_array_equal(single["tile"], Flip()({"tile": value}, rng(4))["tile"])


def test_compose_over_several_keys():
    sample = {"tile": tile(3), "expression": np.array([1.0, 4.0]), "coords": np.array([5.0, 6.0])}
    compose = Compose([Normalize(), Apply(np.sqrt, keys="expression")])
    assert compose.writes == ("tile", "expression")
    out = compose(sample, rng())
    np.testing.assert_allclose(out["expression"], [1, 2])
    assert out["coords"] is sample["coords"]


def test_empty_composition_changes_nothing():
    sample = {"tile": tile()}
    out = Compose([])(sample, rng())
    assert out["tile"] is sample["tile"]
    assert repr(Compose([])) == "Compose([])"


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: Apply(f), lambda f: Apply(f, keys=["tile"])])
def test_plain_functions_work_on_a_copy(wrap):
    value = tile()
    before = value.copy()
    out = Compose([wrap(halve)])({"tile": value}, rng())
    np.testing.assert_array_equal(value, before)
    np.testing.assert_array_equal(out["tile"], before // 2)


def test_plain_functions_get_channels_first_and_contiguous_arrays():
    seen = []

    def look(value):
        seen.append((value.shape, value.flags.c_contiguous))
        return value

    Compose([Resize(8), look])({"tile": tile(3, 16)}, rng())
    assert seen == [((3, 8, 8), True)]


def test_functions_of_other_values():
    sample = {"genes": ["a", "b"], "tile": tile()}
    out = Apply(sorted, keys="genes")({**sample, "genes": ["b", "a"]}, rng())
    assert out["genes"] == ["a", "b"]


def test_composition_shows_its_steps():
    compose = Compose([Flip(p=0.5), Compose([Rescale(high=4095.0)]), halve, Apply(halve, keys="mask")])
    assert repr(compose).splitlines() == [
        "Compose([",
        "    Flip(turns=True, p=0.5),",
        "    Compose([",
        "        Rescale(low=0.0, high=4095.0),",
        "    ]),",
        "    Apply(function=halve),",
        "    Apply(function=halve, keys=('mask',)),",
        "])",
    ]


def test_a_function_that_returns_nothing():
    with pytest.raises(DataTypeError, match=r"returned nothing.*return the new value"):
        Compose([lambda value: None])({"tile": tile()}, rng())


def test_a_key_that_is_not_there():
    with pytest.raises(MissingKeyError, match=r"mask.*Available: tile, coords"):
        Flip(keys=("tile", "mask"))({"tile": tile(), "coords": 1}, rng())


@pytest.mark.parametrize("keys", [(), "", [1], ("tile", None)])
def test_keys_are_names(keys):
    if keys == "":
        with pytest.raises(MissingKeyError):
            Flip(keys=keys)({"tile": tile()}, rng())
    else:
        with pytest.raises(ParameterError, match="one or more names"):
            Flip(keys=keys)


@pytest.mark.parametrize("p", [-0.1, 1.1, "often", None, True, float("nan")])
def test_probabilities(p):
    with pytest.raises(ParameterError, match="probability"):
        Flip(p=p)


@pytest.mark.parametrize("step", [3, "flip", None])
def test_steps_are_transforms_or_functions(step):
    with pytest.raises(ParameterError, match="cannot be called"):
        Compose([Flip(), step])


def test_samples_are_mappings_and_randomness_is_a_generator():
    with pytest.raises(DataTypeError, match="sample"):
        Flip()(tile(), rng())
    for wrong in (0, None, np.random.RandomState(0)):
        with pytest.raises(DataTypeError, match="default_rng"):
            Flip()({"tile": tile()}, wrong)
