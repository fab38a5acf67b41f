"""The evidence for each number of domains, drawn."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError, ParameterError

CANDIDATES = np.arange(2, 7)
RUNS = np.array([[1.0, 5, 9, 8, 2], [3.0, 7, 13, 6, 0]])
NULL = -4.0 * np.arange(1, 6)


@pytest.fixture
def chosen(grid):
    grid.uns["s3rl"]["n_domains_evidence"] = {"candidates": CANDIDATES, "runs": RUNS, "null": NULL, "chosen": 4}
    return grid


def test_repeats_mean_spread_shuffled_and_the_mark(chosen):
    ax = s3.pl.n_domains(chosen)
    lines = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["mean of the repeats"], np.column_stack([CANDIDATES, RUNS.mean(axis=0)]))
    np.testing.assert_array_equal(lines["spots shuffled"], np.column_stack([CANDIDATES, NULL]))
    assert lines["chosen: 4"].tolist() == [[4, 11]]
    thin = [line.get_ydata().tolist() for line in ax.get_lines() if line.get_linewidth() == 0.7]
    assert thin == RUNS.tolist()
    band = ax.collections[0].get_paths()[0].vertices
    at_four = band[band[:, 0] == 4, 1]
    np.testing.assert_allclose([at_four.min(), at_four.max()], [11 - np.sqrt(8), 11 + np.sqrt(8)])
    assert ax.get_title() == "s3rl: 4 domains chosen"
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_one_repeat_and_the_axes_of_the_user(chosen):
    chosen.uns["s3rl"]["n_domains_evidence"]["runs"] = RUNS[:1]
    ax = plt.subplots()[1]
    assert s3.pl.n_domains(chosen, ax=ax) is ax
    with pytest.raises(ParameterError, match="ax"):
        s3.pl.n_domains(chosen, ax="here")


def test_a_number_that_was_given_has_no_evidence(grid):
    with pytest.raises(MissingKeyError, match=r"number of domains was given.*s3\.tl\.s3rl\(adata\)"):
        s3.pl.n_domains(grid)
    with pytest.raises(MissingKeyError, match="other"):
        s3.pl.n_domains(grid, key="other")


@pytest.mark.parametrize(
    "odd", [{"chosen": 9}, {"null": NULL[:2]}, {"runs": RUNS[0]}, {"runs": RUNS[:0]}, {"candidates": "odd"}]
)
def test_what_is_no_evidence(chosen, odd):
    chosen.uns["s3rl"]["n_domains_evidence"] |= odd
    with pytest.raises(InputError, match="n_domains_evidence"):
        s3.pl.n_domains(chosen)
    assert not plt.get_fignums()
