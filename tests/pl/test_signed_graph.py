"""The signed graph on tissue."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

import s3rl as s3
from s3rl.errors import GraphError, MissingKeyError, ParameterError, StoreError

KINDS = ("spatial", "similarity", "repulsion")


def panels(figure) -> dict[str, plt.Axes]:
    return {ax.get_label(): ax for ax in figure.axes}


def lines(ax) -> LineCollection:
    (found,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    return found


def pairs(grid, ax) -> set[tuple[int, int]]:
    index = {tuple(xy): i for i, xy in enumerate(grid.obsm["spatial"])}
    return {tuple(sorted(index[tuple(end)] for end in line)) for line in lines(ax).get_segments()}


def test_each_kind_has_its_edges_and_its_colour(grid):
    shown = panels(s3.pl.signed_graph(grid))
    near = grid.obsp["spatial_connectivities"].toarray()
    assert pairs(grid, shown["spatial"]) == set(zip(*map(list, np.nonzero(np.triu(near))), strict=True))
    assert pairs(grid, shown["similarity"]) == {(0, 99), (0, 50)}
    assert pairs(grid, shown["repulsion"]) == {(5, other) for other in range(60, 70)}
    assert len({to_hex(lines(shown[kind]).get_colors()[0]) for kind in KINDS}) == 3
    assert shown["similarity"].get_title() == "similarity: 2 edges"
    assert all(shown[kind].get_ylim()[0] > shown[kind].get_ylim()[1] for kind in KINDS)
    assert all(shown[kind].get_aspect() == 1.0 for kind in KINDS)


def test_bars_count_all_edges(grid):
    bars = panels(s3.pl.signed_graph(grid))["numbers"]
    assert [bar.get_width() for bar in bars.patches] == [175, 2, 10]
    assert [label.get_text() for label in bars.texts] == ["175", "2", "10"]
    assert [label.get_text() for label in bars.get_yticklabels()] == list(KINDS)


def test_degrees_are_shares_of_spots(grid):
    degrees = {line.get_label(): line.get_xydata() for line in panels(s3.pl.signed_graph(grid))["degrees"].get_lines()}
    repulsion = dict(map(tuple, degrees["repulsion"]))
    assert repulsion == {0: 1.0, 1: 0.11, 10: 0.01, 11: 0.0}
    assert degrees["spatial"][0].tolist() == [0, 1]
    assert degrees["spatial"][1].tolist() == [2, 1]


def test_too_many_edges_are_thinned_the_same_way_each_time_and_it_says_so(grid):
    first, second = (panels(s3.pl.signed_graph(grid, max_edges=4)) for _ in range(2))
    assert len(pairs(grid, first["repulsion"])) == 4
    assert len(pairs(grid, first["spatial"])) == 40
    assert "repulsion: 10 edges" in first["repulsion"].get_title()
    assert "4 drawn at random" in first["repulsion"].get_title()
    assert "random" not in first["similarity"].get_title()
    for kind in KINDS:
        assert pairs(grid, first[kind]) == pairs(grid, second[kind])
    assert [bar.get_width() for bar in first["numbers"].patches] == [175, 2, 10]


def test_a_spatial_graph_of_another_name(grid):
    grid.obsp["mine_connectivities"] = grid.obsp["spatial_connectivities"]
    del grid.obsp["spatial_connectivities"]
    grid.uns["s3rl_neighbors"]["params"]["arguments"] = {"connectivity_key": "mine"}
    assert len(pairs(grid, panels(s3.pl.signed_graph(grid))["spatial"])) == 175


def test_saves(grid, tmp_path):
    s3.pl.signed_graph(grid, save=tmp_path / "graph.png")
    assert (tmp_path / "graph.png").stat().st_size > 1000
    with pytest.raises(StoreError):
        s3.pl.signed_graph(grid, save=tmp_path / "no" / "graph.png")


def test_what_cannot_be_drawn(grid):
    for value in (0, -1, 2.5, True):
        with pytest.raises(ParameterError, match="max_edges"):
            s3.pl.signed_graph(grid, max_edges=value)
    grid.uns["plain"] = {"connectivities_key": "spatial_connectivities"}
    with pytest.raises(GraphError, match="signed graph"):
        s3.pl.signed_graph(grid, neighbors_key="plain")
    del grid.uns["s3rl_neighbors"]
    with pytest.raises(MissingKeyError, match=r"s3\.pp\.signed_neighbors"):
        s3.pl.signed_graph(grid)
    assert not plt.get_fignums()
