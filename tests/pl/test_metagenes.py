"""Maps have the scores and the place of the spots, bars the genes in their order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import s3rl as s3
from s3rl import errors


@pytest.fixture
def scored(grid):
    x = grid.obsm["spatial"][:, 0]
    grid.obsm["metagenes"] = np.column_stack([x - x.mean(), np.zeros(grid.n_obs)]).astype(np.float32)
    frame = pd.DataFrame(
        {"gene": ["a", "b", "c"], "metagene": pd.Categorical(["0", "0", "1"]), "correlation": [0.4, 0.9, 1.0]}
    )
    grid.uns["metagenes"] = {"results": frame, "params": {"n": 2}}
    return grid


def axes_of(figure):
    return {ax.get_label(): ax for ax in figure.axes}


def test_maps_and_genes(scored):
    axes = axes_of(s3.pl.metagenes(scored, show=False))
    spots = axes["metagene 0: map"].collections[0]
    assert np.allclose(spots.get_array(), scored.obsm["metagenes"][:, 0])
    assert np.allclose(spots.get_offsets(), scored.obsm["spatial"])
    assert spots.norm.vmin == -spots.norm.vmax
    assert axes["metagene 0: map"].get_title() == "metagene 0: 2 genes"
    assert axes["metagene 1: map"].get_title() == "metagene 1: 1 gene"
    bars = axes["metagene 0: genes"]
    assert [text.get_text() for text in bars.get_yticklabels()] == ["b", "a"]
    assert [patch.get_width() for patch in bars.patches] == [0.9, 0.4]
    assert bars.yaxis_inverted()


def test_the_number_of_genes(scored):
    axes = axes_of(s3.pl.metagenes(scored, n_genes=1, show=False))
    assert [text.get_text() for text in axes["metagene 0: genes"].get_yticklabels()] == ["b"]


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"key": "modules"}, errors.MissingKeyError, "obsm['modules']"),
        ({"key": "X_s3rl"}, errors.MissingKeyError, "uns['X_s3rl']"),
        ({"n_genes": 0}, errors.ParameterError, "n_genes"),
        ({"cmap": "mauve"}, errors.ParameterError, "cmap"),
        ({"save": "nowhere/at/all.png"}, errors.StoreError, "save"),
    ],
)
def test_what_is_refused(arguments, kind, key, scored):
    with pytest.raises(kind) as caught:
        s3.pl.metagenes(scored, show=False, **arguments)
    assert key in caught.value.key


def test_genes_of_another_run(scored):
    scored.obsm["metagenes"] = scored.obsm["metagenes"][:, :1]
    with pytest.raises(errors.InputError, match="another run"):
        s3.pl.metagenes(scored, show=False)
    scored.uns["metagenes"] = {"params": {}}
    with pytest.raises(errors.InputError, match="no table"):
        s3.pl.metagenes(scored, show=False)
