"""What the tests of variable genes refuse, with the key, and without a change."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import squidpy as sq
from laws.contents import changed, contents

import s3rl as s3
from s3rl import errors


@pytest.fixture(scope="module")
def made():
    table = s3.datasets.simulated_cortex(120, 40, n_layers=3, image=False).tables["table"]
    s3.pp.normalize(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.spatial_neighbors_knn(table, n_neighs=6)
    table.obs["small"] = pd.Categorical([str(i % 8) for i in range(120)])
    table.obs["barcode"] = [f"AAC{i}" for i in range(120)]
    table.obs["sliver"] = pd.Categorical(["a"] * 115 + ["b"] * 5)
    table.layers["holes"] = table.X.toarray()
    table.layers["holes"][3, 4] = np.nan
    table.layers["words"] = np.full(table.shape, "a")
    return table


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"mode": "ripley"}, errors.ParameterError, "mode"),
        ({"n_perms": 0}, errors.ParameterError, "n_perms"),
        ({"n_perms": 9.5}, errors.ParameterError, "n_perms"),
        ({"min_spots": 7}, errors.ParameterError, "min_spots"),
        ({"calibrate": "yes"}, errors.ParameterError, "calibrate"),
        ({"calibrate": True}, errors.ParameterError, "calibrate"),
        ({"rng": -1}, errors.ParameterError, "rng"),
        ({"genes": []}, errors.ParameterError, "genes"),
        ({"genes": 3}, errors.ParameterError, "genes"),
        ({"genes": ["PCP4"]}, errors.MissingKeyError, "genes"),
        ({"layer": "s3rl"}, errors.MissingKeyError, "layers['s3rl']"),
        ({"layer": "holes"}, errors.InputError, "layers['holes']"),
        ({"layer": "words"}, errors.InputError, "layers['words']"),
        ({"connectivity_key": "near"}, errors.MissingKeyError, "obsp['near_connectivities']"),
        ({"groupby": "cell_type"}, errors.MissingKeyError, "obs['cell_type']"),
        ({"groupby": "barcode"}, errors.LabelsError, "obs['barcode']"),
        ({"groupby": "depth"}, errors.LabelsError, "obs['depth']"),
        ({"groupby": "small"}, errors.LabelsError, "obs['small']"),
        ({"library_key": "slice_of"}, errors.MissingKeyError, "obs['slice_of']"),
        ({"library_key": "sliver"}, errors.GraphError, "obsp['spatial_connectivities']"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_arguments(arguments, kind, key, made):
    table = made.copy()
    before = contents(table)
    with pytest.raises(kind) as caught:
        s3.tl.spatially_variable_genes(table, **arguments)
    assert type(caught.value) is kind
    assert key in caught.value.key
    assert caught.value.fix
    assert changed(before, contents(table)) == set()


def test_no_edges(made):
    table = made.copy()
    table.obsp["spatial_connectivities"] = sp.csr_matrix((120, 120))
    with pytest.raises(errors.GraphError, match="joins no two spots"):
        s3.tl.spatially_variable_genes(table)


def test_edges_between_slices_only(made):
    table = made.copy()
    table.obs["half"] = pd.Categorical(np.tile(["a", "b"], 60))
    pairs = np.arange(0, 120, 2)
    graph = sp.csr_matrix((np.ones(60), (pairs, pairs + 1)), shape=(120, 120))
    table.obsp["spatial_connectivities"] = graph + graph.T
    with pytest.raises(errors.GraphError, match="joins no two spots of a slice"):
        s3.tl.spatially_variable_genes(table, library_key="half")


def test_no_expression(made):
    table = made.copy()
    table.X = None
    with pytest.raises(errors.MissingKeyError, match="X: is not there"):
        s3.tl.spatially_variable_genes(table)


def test_no_coordinates_for_groups(made):
    table = made.copy()
    del table.obsm["spatial"]
    with pytest.raises(errors.MissingKeyError, match=r"obsm\['spatial'\]"):
        s3.tl.spatially_variable_genes(table, groupby="domain")


def test_no_embedding_to_calibrate_with(made):
    table = made.copy()
    table.layers["s3rl"] = table.X.copy()
    with pytest.raises(errors.MissingKeyError, match=r"obsm\['X_s3rl'\]"):
        s3.tl.spatially_variable_genes(table, layer="s3rl", calibrate=True)
