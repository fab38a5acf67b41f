"""Networks: who is joined to whom, in which colour, at the same place in every layer."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError, ParameterError, StoreError

GENES = ["up1", "up2", "down", "alone", "flat"]


@pytest.fixture
def table() -> ad.AnnData:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=80)
    x = 3 + 0.2 * rng.normal(size=(80, 5))
    x[:, 0] += shared * 0.5
    x[:, 1] += shared * 0.5
    x[:, 2] -= shared * 0.5
    adata = ad.AnnData(np.abs(x).astype(np.float32), var=pd.DataFrame(index=GENES))
    adata.obs["group"] = pd.Categorical(np.repeat(["a", "b"], 40))
    adata.layers["s3rl"] = adata.X.copy()
    adata.obsm["spatial"] = rng.uniform(size=(80, 2))
    return adata


def parts(ax):
    (lines,) = [part for part in ax.collections if isinstance(part, LineCollection)]
    (nodes,) = [part for part in ax.collections if isinstance(part, PathCollection)]
    return lines, nodes


def test_edges_join_their_genes_in_the_colour_of_their_sign(table):
    s3.tl.coexpression(table, GENES, threshold=0.5)
    figure = s3.pl.coexpression(table)
    assert [ax.get_label() for ax in figure.axes] == ["all: X", "all: s3rl"]
    assert [ax.get_title() for ax in figure.axes] == ["raw: 3 edges", "denoised: 3 edges"]
    ax = figure.axes[0]
    lines, nodes = parts(ax)
    names = table.uns["coexpression"]["genes"]["gene"].astype(str).tolist()[:5]
    at = dict(zip(names, nodes.get_offsets(), strict=True))
    drawn = {}
    for segment, color in zip(lines.get_segments(), lines.get_colors(), strict=True):
        ends = [next(name for name, place in at.items() if np.allclose(place, end)) for end in segment]
        drawn[frozenset(ends)] = tuple(color[:3])
    assert set(drawn) == {frozenset(pair) for pair in (("up1", "up2"), ("up1", "down"), ("up2", "down"))}
    assert drawn[frozenset(("up1", "up2"))] == to_rgba("#D55E00")[:3]
    assert drawn[frozenset(("up1", "down"))] == to_rgba("#0072B2")[:3]
    assert {text.get_text() for text in ax.texts} == set(GENES)
    assert all(text.get_fontsize() >= 7 for text in ax.texts)
    fills = dict(zip(names, map(tuple, nodes.get_facecolor()), strict=True))
    assert fills["up1"] == fills["up2"] != fills["alone"] == fills["down"]


def test_genes_keep_their_places_and_neighbours_of_a_module(table):
    s3.tl.coexpression(table, GENES, threshold=0.5)
    first, second = (parts(ax)[1].get_offsets() for ax in s3.pl.coexpression(table).axes)
    assert np.allclose(first, second)
    assert np.allclose(np.linalg.norm(first, axis=1), 1)
    nearest = np.sort(np.linalg.norm(first - first[0], axis=1))[1]
    assert np.linalg.norm(first[0] - first[1]) == pytest.approx(nearest)


def test_groups_are_rows_and_genes_can_be_chosen(table):
    s3.tl.coexpression(table, GENES, threshold=0.5, groupby="group", layers=(None,))
    figure = s3.pl.coexpression(table, genes=["up1", "up2"])
    assert [ax.get_title() for ax in figure.axes] == ["raw, a: 1 edges", "raw, b: 1 edges"]
    assert [ax.get_label() for ax in s3.pl.coexpression(table, groups="b").axes] == ["b: X"]


def test_a_network_without_edges_is_drawn(table):
    s3.tl.coexpression(table, ["alone", "flat"], threshold=0.99)
    ax = s3.pl.coexpression(table).axes[0]
    assert len(parts(ax)[0].get_segments()) == 0
    assert len(ax.texts) == 2


def test_what_is_refused(table, tmp_path):
    with pytest.raises(MissingKeyError, match=r"uns\['coexpression'\].*s3\.tl\.coexpression"):
        s3.pl.coexpression(table)
    s3.tl.coexpression(table, GENES)
    for arguments, kind, says in (
        ({"groups": "c"}, MissingKeyError, "groups: is not in the result"),
        ({"genes": ["TREM2"]}, MissingKeyError, "genes: is not in the result"),
        ({"genes": []}, ParameterError, "genes: names nothing"),
        ({"save": tmp_path / "nowhere" / "x.png"}, StoreError, "save"),
    ):
        with pytest.raises(kind, match=says):
            s3.pl.coexpression(table, **arguments)
    table.uns["coexpression"] = [1]
    with pytest.raises(InputError, match="is no result"):
        s3.pl.coexpression(table)
