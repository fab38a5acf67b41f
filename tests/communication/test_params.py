"""Parameters that check themselves."""

from __future__ import annotations

import pytest

from s3rl.communication.params import LigrecParams
from s3rl.errors import ParameterError


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.0},
        {"threshold": -0.1},
        {"test": "t"},
        {"connectivity_key": ""},
        {"min_contact": 1.5},
        {"min_spots": 1},
        {"n_perms": 5},
        {"counts_layer": ""},
        {"counts_layer": 3},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        LigrecParams.of(wrong)
