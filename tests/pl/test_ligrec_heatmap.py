"""Numbers, colours and names of the heat map of interactions."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from pl.interactions import COLORS, NAMES, some, table

import s3rl as s3
from s3rl import errors


def test_each_cell_counts_what_is_significant_from_its_row_to_its_column():
    pvalues = some()
    ax = s3.pl.ligrec_heatmap(table(ligrec=pvalues), use="pvalue", show=False)
    expected = (pvalues <= 0.05).sum(axis=2)
    assert np.array_equal(ax.images[0].get_array(), expected)
    assert [[text.get_text() for text in ax.texts[3 * row : 3 * row + 3]] for row in range(3)] == expected.astype(
        str
    ).tolist()
    assert [label.get_text() for label in ax.get_yticklabels()] == NAMES
    assert [label.get_text() for label in ax.get_xticklabels()] == NAMES
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("target", "source")


def test_clusters_have_the_colours_of_the_table():
    ax = s3.pl.ligrec_heatmap(table(ligrec=some()), show=False)
    assert [to_hex(line.get_color()) for line in ax.lines] == [color for color in COLORS for _ in range(2)]


def test_what_was_not_tested_is_blank():
    pvalues = some()
    pvalues[0, 2] = np.nan
    drawn = s3.pl.ligrec_heatmap(table(ligrec=pvalues), show=False).images[0].get_array()
    assert np.ma.getmaskarray(drawn).tolist() == [[False, False, True], [False] * 3, [False] * 3]


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"key": "none"}, errors.MissingKeyError, "uns['none']"),
        ({"use": "padj"}, errors.ParameterError, "use"),
        ({"use": "fdr_calibrated"}, errors.MissingKeyError, "uns['ligrec']['fdr_calibrated']"),
        ({"alpha": 1.5}, errors.ParameterError, "alpha"),
        ({"cmap": "mauve"}, errors.ParameterError, "cmap"),
        ({"ax": "left"}, errors.ParameterError, "ax"),
    ],
)
def test_what_is_refused(arguments, kind, key):
    with pytest.raises(kind) as caught:
        s3.pl.ligrec_heatmap(table(ligrec=some()), show=False, **arguments)
    assert caught.value.key == key


def test_a_slot_that_holds_something_else():
    other = table(ligrec=some())
    other.uns["ligrec"] = {"means": 3}
    with pytest.raises(errors.DataTypeError, match=r"uns\['ligrec'\]: holds no table"):
        s3.pl.ligrec_heatmap(other, show=False)
