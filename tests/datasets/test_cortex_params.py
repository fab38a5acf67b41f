"""Hyper-parameters refuse what has no meaning."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from s3rl.datasets import CortexParams
from s3rl.errors import ParameterError


def test_defaults_and_mappings():
    assert CortexParams.of(None) == CortexParams() == CortexParams.of({})
    given = CortexParams(blur=0.1, n_pairs=np.int64(2))
    assert CortexParams.of(given) is given
    assert CortexParams.of({"blur": 0.1, "n_pairs": 2}) == given
    with pytest.raises(FrozenInstanceError):
        given.blur = 0.2


@pytest.mark.parametrize("name", [field.name for field in fields(CortexParams)])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1e9, "1", True, np.ones(2), [1.0]])
def test_every_field_is_checked(name, value):
    with pytest.raises(ParameterError, match=f"^{name}: must be") as caught:
        CortexParams(**{name: value})
    assert caught.value.key == name


def test_only_the_pixel_size_may_be_left_to_the_technology():
    assert CortexParams(pixel_size=None).pixel_size is None
    with pytest.raises(ParameterError):
        CortexParams(blur=None)


def test_pairs_are_whole():
    with pytest.raises(ParameterError, match="whole number"):
        CortexParams(n_pairs=1.5)


def test_unknown_names_and_types():
    with pytest.raises(ParameterError, match=r"blurr.*Available.*blur"):
        CortexParams.of({"blurr": 1.0})
    with pytest.raises(ParameterError, match="neither"):
        CortexParams.of(3)
