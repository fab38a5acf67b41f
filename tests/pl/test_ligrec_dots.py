"""Places, sizes, colours and choice of the dots."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from pl.interactions import NAMES, some, table

import s3rl as s3
from s3rl import errors


def labels(axis_labels):
    return [label.get_text() for label in axis_labels]


def dots(ax):
    return ax.collections[0]


def test_every_test_is_a_dot_at_its_pair_and_clusters():
    pvalues = some(1)
    data = table(ligrec=pvalues)
    ax = s3.pl.ligrec_dots(data, use="pvalue", show=False)
    columns, rows = labels(ax.get_xticklabels()), labels(ax.get_yticklabels())
    assert columns == [f"{a} → {b}" for a in NAMES for b in NAMES]
    assert sorted(rows) == ["X-R", "Y-R"]
    offsets = dots(ax).get_offsets()
    assert len(offsets) == 18
    sizes, means, edges = dots(ax).get_sizes(), dots(ax).get_array(), dots(ax).get_edgecolors()
    for (x, y), size, mean, edge in zip(offsets, sizes, means, edges, strict=True):
        column, row = columns[round(x)], rows[round(y)]
        s, t = (NAMES.index(name) for name in column.split(" → "))
        pair = "XY".index(row[0])
        assert mean == 1.0 + s + t + pair
        assert np.isclose(size, 4 + 86 * -np.log10(pvalues[s, t, pair]) / 3, atol=1e-6)
        assert (tuple(edge) == to_rgba("black")) == (pvalues[s, t, pair] <= 0.05)


def test_the_strongest_pairs_come_first_and_the_busiest_clusters_are_kept():
    pvalues = np.full((3, 3, 2), 0.9)
    pvalues[2, 1, 1] = 0.001
    pvalues[0, 0] = 0.01
    ax = s3.pl.ligrec_dots(table(ligrec=pvalues), n_pairs=1, use="pvalue", show=False)
    assert labels(ax.get_yticklabels()) == ["Y-R"]
    ax = s3.pl.ligrec_dots(table(ligrec=pvalues), n_clusters=2, use="pvalue", show=False)
    assert labels(ax.get_yticklabels()) == ["Y-R", "X-R"]
    assert labels(ax.get_xticklabels()) == ["b → b", "c → a"]


def test_pairs_can_be_named():
    ax = s3.pl.ligrec_dots(table(ligrec=some()), pairs=["Y-R", "X-R", "Y-R"], show=False)
    assert labels(ax.get_yticklabels()) == ["Y-R", "X-R"]


def test_labels_lie_inside_of_the_figure_and_do_not_overlap():
    ax = s3.pl.ligrec_dots(table(ligrec=some()), show=False)
    figure = ax.figure
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert min(label.get_fontsize() for label in (*ax.get_xticklabels(), *ax.get_yticklabels())) >= 7


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"key": "none"}, errors.MissingKeyError, "uns['none']"),
        ({"n_pairs": 0}, errors.ParameterError, "n_pairs"),
        ({"n_clusters": 1.5}, errors.ParameterError, "n_clusters"),
        ({"pairs": ["Z-R"]}, errors.MissingKeyError, "pairs"),
        ({"pairs": []}, errors.MissingKeyError, "pairs"),
        ({"cmap": "mauve"}, errors.ParameterError, "cmap"),
        ({"use": "q"}, errors.ParameterError, "use"),
    ],
)
def test_what_is_refused(arguments, kind, key):
    with pytest.raises(kind) as caught:
        s3.pl.ligrec_dots(table(ligrec=some()), show=False, **arguments)
    assert caught.value.key == key
