"""Quadrants and the paper's three rates, zeros included."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from s3rl.communication.quadrants import QUADRANTS, quadrant, rates

counts = st.integers(0, 1000)


def test_each_interaction_is_in_one_quadrant():
    raw = np.array([0.05, 0.06, 0.01, 0.5, np.nan, 0.01, np.nan])
    denoised = np.array([0.01, 0.05, 0.06, 0.5, 0.01, np.nan, np.nan])
    names = [QUADRANTS[code] for code in quadrant(raw, denoised, 0.05)]
    assert names == ["kept", "new", "lost", "neither", "new", "lost", "neither"]


@given(counts, st.integers(1, 1000), st.integers(1, 1000))
def test_rates_are_those_of_the_paper(kept, new, lost):
    esr, eep, ssp = rates(kept, new, lost)
    assert math.isclose(esr, new / lost)
    assert math.isclose(eep, new / (new + lost) * 100)
    assert math.isclose(ssp, kept / (kept + lost) * 100)


def test_divisions_by_zero():
    assert rates(5, 3, 0) == (math.inf, 100.0, 100.0)
    assert rates(0, 0, 2) == (0.0, 0.0, 0.0)
    nothing = rates(4, 0, 0)
    assert math.isnan(nothing.esr)
    assert math.isnan(nothing.eep)
    assert nothing.ssp == 100.0
    assert math.isnan(rates(0, 0, 0).ssp)
    assert math.isnan(rates(0, 3, 0).ssp)
