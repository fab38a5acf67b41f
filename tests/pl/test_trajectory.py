"""Pictures of trajectories: what is drawn where, in whose colours."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.colors import to_hex, to_rgba

import s3rl as s3
from s3rl.pl._trajectory_groups import order_of, places_of

COLORS = ["#ff0000", "#00ff00", "#0000ff"]


@pytest.fixture
def followed(grid):
    """Domain 0 leads to 1 and 2; the pseudotime is the column of the lattice."""
    n = grid.n_obs
    time = grid.obsm["spatial"][:, 0] - 1000
    grid.obs["s3rl_pseudotime"] = time / time.max()
    grid.obsm["s3rl_fates"] = np.stack([np.linspace(0, 1, n), np.linspace(1, 0, n)], axis=1)
    grid.uns["s3rl_trajectory"] = {
        "groups": pd.DataFrame(
            {
                "group": ["0", "1", "2"],
                "n_spots": [35, 35, 30],
                "pseudotime": [0.15, 0.5, 0.85],
                "root": [True, False, False],
                "terminal": [False, True, True],
            }
        ),
        "connectivities": sp.csr_matrix([[0, 0.5, 0.9], [0.5, 0, 0.2], [0.9, 0.2, 0]]),
        "tree": sp.csr_matrix([[0, 0.5, 0.9], [0.5, 0, 0], [0.9, 0, 0]]),
        "states": np.array(["1", "2"], dtype=object),
        "root": "spot3",
        "params": {"groupby": "s3rl_domain", "fates": True},
    }
    return grid


def axes_of(figure):
    return {ax.get_label(): ax for ax in figure.axes if ax.get_label() and "colorbar" not in ax.get_label()}


def test_panels(followed):
    followed.obsm["X_umap"] = np.random.default_rng(0).normal(size=(100, 2))
    axes = axes_of(s3.pl.trajectory(followed, basis="X_umap", show=False))
    assert list(axes) == ["pseudotime", "groups", "network", "violins", "embedding", "fate: 1", "fate: 2"]
    for label, values in {
        "pseudotime": followed.obs["s3rl_pseudotime"],
        "fate: 1": followed.obsm["s3rl_fates"][:, 0],
        "fate: 2": followed.obsm["s3rl_fates"][:, 1],
    }.items():
        spots = axes[label].collections[0]
        np.testing.assert_allclose(spots.get_array(), values)
        np.testing.assert_allclose(spots.get_offsets(), followed.obsm["spatial"])
        assert spots.get_clim() == (0, 1)
        assert axes[label].yaxis_inverted()
    star = axes["pseudotime"].lines[0]
    np.testing.assert_allclose(star.get_xydata()[0], followed.obsm["spatial"][3])
    np.testing.assert_allclose(axes["embedding"].collections[0].get_offsets(), followed.obsm["X_umap"])


def test_groups_have_their_colours_everywhere(followed):
    axes = axes_of(s3.pl.trajectory(followed, show=False))
    codes = followed.obs["s3rl_domain"].cat.codes.to_numpy()
    shown = [to_hex(color) for color in axes["groups"].collections[0].get_facecolor()]
    assert shown == [COLORS[code] for code in codes]
    legend = axes["groups"].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "2"]
    bodies = [body for body in axes["violins"].collections if len(body.get_paths()[0].vertices) > 20]
    assert [to_hex(body.get_facecolor()[0]) for body in bodies[:3]] == COLORS
    assert [tick.get_text() for tick in axes["violins"].get_xticklabels()] == ["0", "1", "2"]
    filled = [c for c in axes["network"].collections if len(c.get_facecolor())]
    assert {to_hex(c.get_facecolor()[0]) for c in filled} >= set(COLORS)


def test_the_network_runs_along_the_pseudotime(followed):
    record = followed.uns["s3rl_trajectory"]
    assert order_of(record) == [0, 1, 2]
    places = places_of(record)
    assert places[:, 0].tolist() == [0, 1, 2]
    assert places[0, 1] == pytest.approx(places[1:, 1].mean())  # the fork lies between its branches
    assert places[1, 1] != places[2, 1]
    ax = axes_of(s3.pl.trajectory(followed, show=False))["network"]
    widths = sorted(patch.get_linewidth() for patch in ax.patches if hasattr(patch, "get_connectionstyle"))
    np.testing.assert_allclose(widths, [1, 1 + 5 * 0.5 / 0.9, 6])
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]
    rings = [c for c in ax.collections if not len(c.get_facecolor())]
    assert len(rings) == 1 + 2 + 2  # one ring for the root, two for each end


def test_long_names_stand_below_the_axis(followed):
    names = ["invasive carcinoma", "immune infiltrate", "connective tissue"]
    followed.obs["s3rl_domain"] = followed.obs["s3rl_domain"].cat.rename_categories(names)
    followed.uns["s3rl_trajectory"]["groups"]["group"] = names
    ax = axes_of(s3.pl.trajectory(followed, show=False))["network"]
    assert not ax.texts
    assert [tick.get_text() for tick in ax.get_xticklabels()] == names
    assert ax.get_xticks().tolist() == [0, 1, 2]


def test_a_chain_is_a_straight_line_and_a_lost_group_has_a_lane(followed):
    record = dict(followed.uns["s3rl_trajectory"])
    record["tree"] = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0.0]])
    assert len(set(places_of(record)[:, 1])) == 1
    record["tree"] = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0.0]])
    assert places_of(record)[2, 1] != places_of(record)[0, 1]


def test_one_end_has_no_maps_of_fates(followed):
    followed.uns["s3rl_trajectory"]["states"] = np.array(["2"], dtype=object)
    followed.obsm["s3rl_fates"] = np.ones((100, 1))
    assert list(axes_of(s3.pl.trajectory(followed, show=False))) == ["pseudotime", "groups", "network", "violins"]


def test_spots_without_a_group_are_grey(followed):
    followed.obs.loc["spot0", "s3rl_domain"] = np.nan
    ax = axes_of(s3.pl.trajectory(followed, show=False))["groups"]
    assert to_rgba(ax.collections[0].get_facecolor()[0]) == to_rgba("#BEBEBE")
    assert ax.get_legend().get_texts()[-1].get_text() == "unlabelled"


def drop(attribute, key):
    return lambda table: getattr(table, attribute).pop(key)


def put(part, value):
    return lambda table: table.uns["s3rl_trajectory"].update({part: value})


@pytest.mark.parametrize(
    ("spoil", "arguments", "kind", "words"),
    [
        (drop("uns", "s3rl_trajectory"), {}, "MissingKeyError", ("uns['s3rl_trajectory']", "s3.tl.trajectory")),
        (None, {"key": "mine"}, "MissingKeyError", ("uns['mine_trajectory']",)),
        (drop("obs", "s3rl_pseudotime"), {}, "MissingKeyError", ("obs['s3rl_pseudotime']",)),
        (drop("obs", "s3rl_domain"), {}, "MissingKeyError", ("obs['s3rl_domain']",)),
        (drop("obsm", "s3rl_fates"), {}, "MissingKeyError", ("obsm['s3rl_fates']",)),
        (drop("obsm", "spatial"), {}, "MissingKeyError", ("obsm['spatial']",)),
        (lambda table: table.uns.update(s3rl_trajectory=3), {}, "InputError", ("uns['s3rl_trajectory']",)),
        (put("root", "spot1000"), {}, "InputError", ("spot1000",)),
        (put("states", ["1", "2", "0"]), {}, "InputError", ("obsm['s3rl_fates']", "2 for 3")),
        (None, {"basis": "X_none"}, "MissingKeyError", ("obsm['X_none']",)),
        (None, {"cmap": "mauve"}, "ParameterError", ("cmap",)),
        (None, {"save": "none/there/is.png"}, "StoreError", ("save",)),
    ],
    ids=lambda value: str(value)[:30],
)
def test_refusals(followed, spoil, arguments, kind, words):
    if spoil is not None:
        spoil(followed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(getattr(s3.errors, kind)) as caught:
            s3.pl.trajectory(followed, show=False, **arguments)
    assert type(caught.value).__name__ == kind
    for word in words:
        assert word in str(caught.value)
