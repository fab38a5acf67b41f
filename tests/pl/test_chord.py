"""Sectors, colours and widths of the chords."""

from __future__ import annotations

import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from pl.interactions import COLORS, NAMES, some, table

import s3rl as s3
from s3rl import errors


def patch_colors(ax):
    """Colours of all patches, which are collected once they are drawn."""
    drawn = [to_hex(color) for collection in ax.collections for color in collection.get_facecolors()]
    return {*drawn, *(to_hex(patch.get_facecolor()) for patch in ax.patches)}


def test_clusters_are_named_and_have_the_colours_of_the_table():
    ax = s3.pl.chord(table(ligrec=np.full((3, 3, 2), 0.001)), show=False)
    assert [text.get_text() for text in ax.texts] == NAMES
    assert patch_colors(ax) >= set(COLORS)


def test_a_sector_is_as_wide_as_the_interactions_that_come_and_go(monkeypatch):
    from pycirclize import Circos

    seen = []
    original = Circos.chord_diagram
    monkeypatch.setattr(Circos, "chord_diagram", lambda matrix, **more: seen.append(matrix) or original(matrix, **more))
    pvalues = np.full((3, 3, 2), 0.9)
    pvalues[0, 1] = pvalues[1, 1] = 0.001
    pvalues[1, 0, 1] = 0.001
    data = table(ligrec=pvalues)
    s3.pl.chord(data, show=False)
    assert seen[0].loc["b", "a"] == 2
    assert seen[0].loc["a", "b"] == 1
    assert seen[0].to_numpy().sum() == 3
    assert list(seen[0].index) == ["b", "a"]
    s3.pl.chord(data, within=True, show=False)
    assert seen[1].loc["a", "a"] == 2


def test_settings_of_matplotlib_stay_as_they_were():
    for name in [name for name in sys.modules if name.startswith("pycirclize")]:
        del sys.modules[name]
    with mpl.rc_context({"savefig.pad_inches": 0.123}):
        before = dict(mpl.rcParams)
        s3.pl.chord(table(ligrec=np.full((3, 3, 2), 0.001)), show=False)
        assert {name for name in before if before[name] != mpl.rcParams[name]} == set()


def test_polar_axes_of_the_user_are_drawn_on():
    ax = plt.subplots(subplot_kw={"projection": "polar"})[1]
    assert s3.pl.chord(table(ligrec=np.full((3, 3, 2), 0.001)), ax=ax, show=False) is ax


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"key": "none"}, errors.MissingKeyError, "uns['none']"),
        ({"use": "q"}, errors.ParameterError, "use"),
        ({"alpha": 1e-9}, errors.InputError, "uns['ligrec']"),
        ({"ax": "left"}, errors.ParameterError, "ax"),
    ],
)
def test_what_is_refused(arguments, kind, key):
    with pytest.raises(kind) as caught:
        s3.pl.chord(table(ligrec=some()), show=False, **arguments)
    assert caught.value.key == key


def test_axes_that_are_not_polar_and_an_extra_that_is_not_there(monkeypatch):
    data = table(ligrec=np.full((3, 3, 2), 0.001))
    with pytest.raises(errors.ParameterError, match="ax: is not polar"):
        s3.pl.chord(data, ax=plt.subplots()[1], show=False)
    monkeypatch.setitem(sys.modules, "pycirclize", None)
    with pytest.raises(errors.MissingExtraError, match=r"s3rl-tools\[plot\]"):
        s3.pl.chord(data, show=False)
