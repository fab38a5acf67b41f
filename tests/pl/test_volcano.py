"""Volcano: places, colours of the domains, and names that do not cover each other."""

from __future__ import annotations

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.text import Text

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError, ParameterError, StoreError

N = 60


@pytest.fixture
def table() -> ad.AnnData:
    """A result made by hand: 20 genes up in a, all of nearly the same place, 5 down, one beyond all scales."""
    adata = ad.AnnData(np.ones((4, N), np.float32))
    adata.obs["domain"] = pd.Categorical(["a", "b", "a", "b"], categories=["b", "a"])
    adata.uns["domain_colors"] = ["#0000ff", "#ff0000"]
    change = np.concatenate([np.linspace(2, 2.05, 20), np.linspace(-3, -2, 5), [28.0], np.linspace(-0.9, 0.9, N - 26)])
    p = np.concatenate([np.full(20, 1e-5), np.full(5, 1e-9), [1e-4], np.linspace(0.06, 1, N - 26)])
    p[3] = 0
    direction = np.array(["up"] * 20 + ["down"] * 5 + ["up"] + ["none"] * (N - 26))
    results = pd.DataFrame({
        "domain": "a", "reference": "b", "gene": [f"gene{k}" for k in range(N)], "log2fc": change, "fdr": p,
        "share_in": 0.5, "share_out": [0.5] * 25 + [0.0] + [0.5] * (N - 26), "direction": direction,
    })  # fmt: skip
    params = {"groupby": "domain", "min_log2fc": 1.0, "alpha": 0.05}
    pairs = pd.DataFrame({"domain": ["a"], "reference": ["b"]})
    adata.uns["rank_domains"] = {"results": results, "pairs": pairs, "params": params}
    return adata


def points(ax, color: str) -> np.ndarray:
    chosen = [part for part in ax.collections if len(part.get_offsets()) and
              np.allclose(part.get_facecolor()[0][:3], to_rgba(color)[:3])]  # fmt: skip
    return np.vstack([part.get_offsets() for part in chosen])


def test_genes_have_the_colour_of_the_domain_that_they_are_higher_in(table):
    ax = s3.pl.volcano(table)
    assert ax.get_title() == "a against b"
    up, down = points(ax, "#ff0000"), points(ax, "#0000ff")
    assert len(up) == 21
    assert len(down) == 5
    assert (up[:, 0] > 0).all()
    assert np.allclose(np.sort(down[:, 0]), np.linspace(-3, -2, 5))
    assert np.allclose(down[:, 1], 9)


def test_what_is_beyond_the_scale_is_a_triangle_at_the_border(table):
    ax = s3.pl.volcano(table)
    up = points(ax, "#ff0000")
    # the largest change of a gene that both domains express, and more than the smallest number that is not 0
    assert up[:, 0].max() == pytest.approx(3)
    assert up[:, 1].max() > 9
    triangles = [part for part in ax.collections if part.get_sizes().tolist() == [22] and len(part.get_offsets())]
    assert sum(len(part.get_offsets()) for part in triangles) == 2


def test_names_lie_beside_their_side_and_apart_from_each_other(table):
    ax = s3.pl.volcano(table, n_labels=12)
    figure = ax.get_figure()
    figure.canvas.draw()
    texts = [text for text in ax.texts if text.get_text()]
    assert sum(text.get_text() in {f"gene{k}" for k in range(20, 25)} for text in texts) == 5
    assert len(texts) == 17
    # what the text covers, without the line to its point
    boxes = [Text.get_window_extent(text) for text in texts]
    assert not any(first.overlaps(second) for k, first in enumerate(boxes) for second in boxes[:k])
    assert all(ax.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(text.get_fontsize() >= 7 for text in texts)


def test_more_names_than_there_is_room_for_are_left_out(table):
    ax = s3.pl.volcano(table, n_labels=500, ax=plt.subplots(figsize=(4, 2))[1])
    ax.get_figure().canvas.draw()
    boxes = [Text.get_window_extent(text) for text in ax.texts]
    assert 0 < len(boxes) < 26
    assert not any(first.overlaps(second) for k, first in enumerate(boxes) for second in boxes[:k])
    assert len(s3.pl.volcano(table, n_labels=0).texts) == 0


def test_the_pair_can_be_turned(table):
    ax = s3.pl.volcano(table, "b", "a")
    assert ax.get_title() == "b against a"
    assert (points(ax, "#ff0000")[:, 0] < 0).all()
    assert (points(ax, "#0000ff")[:, 0] > 0).all()


def test_what_is_refused(table, tmp_path):
    for arguments, kind, says in (
        ({"domain": "a"}, ParameterError, "reference: must be given together.*a and b"),
        ({"reference": "a"}, ParameterError, "domain: must be given together"),
        ({"domain": "a", "reference": "c"}, MissingKeyError, "domain and reference: were not compared.*adjacent=False"),
        ({"n_labels": -1}, ParameterError, "n_labels"),
        ({"key": "other"}, MissingKeyError, r"uns\['other'\].*s3\.tl\.rank_domains"),
        ({"key": "domain_colors"}, InputError, "is no result"),
        ({"ax": "left"}, ParameterError, "ax: is not a matplotlib Axes"),
        ({"save": tmp_path / "nowhere" / "x.png"}, StoreError, "save"),
    ):
        with pytest.raises(kind, match=says):
            s3.pl.volcano(table, **arguments)
