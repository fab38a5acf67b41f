"""Losses over epochs."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError


def lines(ax) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in ax.get_lines()}


def test_one_line_for_the_total_and_each_part(grid):
    ax = s3.pl.history(grid)
    assert list(lines(ax)) == ["loss", "topology", "stopped at epoch 4"]
    assert lines(ax)["loss"].tolist() == [[0, 90], [1, 30], [2, 9], [3, 3], [4, 1]]
    assert lines(ax)["stopped at epoch 4"][:, 0].tolist() == [4, 4]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(lines(ax))
    assert len({line.get_color() for line in ax.get_lines()}) == 3
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")


@pytest.mark.parametrize(
    ("loss", "scale"), [([90.0, 9, 3, 2, 1], "log"), ([9.0, 8, 7, 6, 5], "linear"), ([90.0, 9, 1, -1, -3], "linear")]
)
def test_logarithmic_where_it_makes_sense(grid, loss, scale):
    grid.uns["s3rl"]["history"] = {"epoch": np.arange(5), "loss": np.array(loss)}
    assert s3.pl.history(grid).get_yscale() == scale


def test_a_constant_history_and_one_epoch(grid):
    grid.uns["s3rl"]["history"] = {"epoch": [0], "loss": [1.0]}
    assert len(lines(s3.pl.history(grid))["loss"]) == 1


def test_on_the_axes_of_the_user_and_another_key(grid):
    grid.uns["second"] = grid.uns.pop("s3rl")
    ax = plt.subplots()[1]
    assert s3.pl.history(grid, key="second", ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_what_cannot_be_drawn(grid):
    with pytest.raises(MissingKeyError, match=r"s3\.tl\.s3rl\(adata, n_domains, key_added='other'\)"):
        s3.pl.history(grid, key="other")
    for odd in ({"epoch": [0, 1], "loss": [1.0]}, {"epoch": [], "loss": []}, {"epoch": [0]}):
        grid.uns["s3rl"]["history"] = odd
        with pytest.raises(InputError, match="lengths"):
            s3.pl.history(grid)
    del grid.uns["s3rl"]["history"]
    with pytest.raises(MissingKeyError, match="history"):
        s3.pl.history(grid)
    grid.uns["s3rl"] = "odd"
    with pytest.raises(InputError, match="str"):
        s3.pl.history(grid)
    assert not plt.get_fignums()
