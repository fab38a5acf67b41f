"""What the test of ligands and receptors refuses, with the key and a fix, and nothing written."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from laws.contents import changed, contents

import s3rl as s3
from s3rl import errors

PAIRS = pd.DataFrame({"ligand": ["A", "B"], "receptor": ["B", "C"]})


@pytest.fixture
def table():
    import anndata as ad

    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "cluster": pd.Categorical(["a"] * 20 + ["b"] * 20),
            "one": pd.Categorical(["a"] * 40),
            "lone": pd.Categorical(["a"] * 38 + ["b", "c"]),
            "none": pd.Categorical([None] * 40),
            "depth": np.linspace(0, 1, 40),
        },
        index=[f"spot{i}" for i in range(40)],
    )
    values = sp.csr_matrix((rng.gamma(1.0, size=(40, 3)) + 0.1).astype(np.float32))
    layers = {"scaled": sp.csr_matrix(values - sp.csr_matrix(np.eye(40, 3) * (1 + values.toarray())))}
    return ad.AnnData(values, obs=obs, var=pd.DataFrame(index=["A", "B", "C"]), layers=layers)


def nothing_in(columns):
    return pd.DataFrame({name: [] for name in columns})


CASES = {
    "unknown list": ({"resource": "omnipath"}, errors.ParameterError, "resource", "consensus"),
    "no list": ({"resource": 7}, errors.ParameterError, "resource", "data frame"),
    "empty list": ({"resource": nothing_in(["ligand", "receptor"])}, errors.ParameterError, "resource", "no pairs"),
    "other columns": ({"resource": nothing_in(["from", "to"])}, errors.ParameterError, "resource", "ligand and rec"),
    "organism": ({"organism": "rat"}, errors.ParameterError, "organism", "mouse"),
    "no overlap": ({"resource": "consensus"}, errors.InputError, "resource", "symbols"),
    "letters differ": (
        {"resource": PAIRS.map(str.lower)},
        errors.InputError,
        "resource",
        "as adata.var_names has them",
    ),
    "one cluster": ({"cluster_key": "one"}, errors.LabelsError, "obs['one']", "two are needed"),
    "a cluster of one spot": ({"cluster_key": "lone"}, errors.LabelsError, "obs['lone']", "b (1), c (1)"),
    "no names": ({"cluster_key": "none"}, errors.LabelsError, "obs['none']", "no spot"),
    "numbers": ({"cluster_key": "depth"}, errors.LabelsError, "obs['depth']", "names"),
    "no such column": ({"cluster_key": "leiden"}, errors.MissingKeyError, "obs['leiden']", "s3.tl.s3rl"),
    "no such layer": ({"layer": "s3rl"}, errors.MissingKeyError, "layers['s3rl']", "s3.tl.s3rl"),
    "no graph": ({"adjacent": True}, errors.MissingKeyError, "spatial_connectivities", "spatial_neighbors_knn"),
    "no such slices": ({"library_key": "slices"}, errors.MissingKeyError, "obs['slices']", "slice"),
    "no permutations": ({"n_perms": 0}, errors.ParameterError, "n_perms", "1 or more"),
    "half a permutation": ({"n_perms": 10.5}, errors.ParameterError, "n_perms", "whole"),
    "nothing to calibrate": (
        {"calibrate": True, "params": {"counts_layer": None}},
        errors.ParameterError,
        "calibrate",
        "layer='s3rl'",
    ),
    "no counts": ({"calibrate": True}, errors.MissingKeyError, "layers['counts']", "counts_layer"),
    "counts by another name": (
        {"calibrate": True, "params": {"counts_layer": "umis"}},
        errors.MissingKeyError,
        "layers['umis']",
        "counts_layer",
    ),
    "no counts in the layer": (
        {"calibrate": True, "params": {"counts_layer": "scaled"}},
        errors.CountsError,
        "layers['scaled']",
        "minimum -1",
    ),
    "a t-test calibrated": (
        {"calibrate": True, "params": {"test": "paired_t"}},
        errors.ParameterError,
        "calibrate",
        "t-test",
    ),
    "adjacent to what": ({"adjacent": "spatial"}, errors.ParameterError, "adjacent", "True or False"),
    "unknown parameter": ({"params": {"treshold": 0.1}}, errors.ParameterError, "params", "threshold"),
    "a seed": ({"rng": -1}, errors.ParameterError, "rng", "non-negative"),
    "a slash": ({"key_added": "a/b"}, errors.ParameterError, "key_added", "slash"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused_with_the_key_and_a_fix_and_nothing_changed(name, table):
    arguments, kind, key, says = CASES[name]
    before = contents(table)
    with pytest.raises(kind) as caught:
        s3.tl.ligrec(table, **{"cluster_key": "cluster", "resource": PAIRS, "n_perms": 5} | arguments)
    assert key in caught.value.key
    assert says in str(caught.value)
    assert caught.value.fix
    assert changed(before, contents(table)) == set()


def test_counts_are_refused(table):
    table.X = sp.csr_matrix(np.random.default_rng(0).poisson(3, (40, 3)).astype(np.float32))
    with pytest.raises(errors.CountsError, match=r"X: looks like raw counts.*normalize"):
        s3.tl.ligrec(table, "cluster", resource=PAIRS)


def test_genes_that_hardly_any_spot_expresses(table):
    table.X = sp.csr_matrix(np.eye(40, 3, dtype=np.float32) * 0.5)
    with pytest.raises(errors.InputError, match=r"X: has no pair.*threshold"):
        s3.tl.ligrec(table, "cluster", resource=PAIRS, params={"threshold": 0.5})


def test_ensembl_identifiers_and_symbols_of_the_mouse_get_their_own_hint(table):
    table.var_names = ["ENSG00000105329", "ENSG00000163513", "ENSG00000121966"]
    with pytest.raises(errors.InputError, match="Ensembl"):
        s3.tl.ligrec(table, "cluster")
    table.var_names = ["Tgfb1", "Tgfbr2", "Cxcr4"]
    with pytest.raises(errors.InputError, match="organism='mouse'"):
        s3.tl.ligrec(table, "cluster", resource="celltalkdb")


def test_the_fix_for_small_clusters_works(table):
    with pytest.raises(errors.LabelsError) as caught:
        s3.tl.ligrec(table, "lone", resource=PAIRS)
    assert "where(~adata.obs['lone'].isin(['b', 'c']))" in caught.value.fix
    table.obs["cluster"] = table.obs["cluster"].where(np.arange(40) != 3)
    table.obs["half"] = table.obs["cluster"].cat.add_categories("c")
    table.obs.loc["spot0", "half"] = "c"
    table.obs["half"] = table.obs["half"].where(~table.obs["half"].isin(["c"]))
    assert len(s3.tl.ligrec(table, "half", resource=PAIRS, n_perms=5, copy=True).results) == 8


def test_without_liana_lists_by_name_are_refused_and_tables_are_not(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "liana", None)
    with pytest.raises(errors.MissingExtraError, match=r"liana.*s3rl-tools\[communication\]"):
        s3.tl.ligrec(table, "cluster")
    assert s3.tl.ligrec(table, "cluster", resource=PAIRS, n_perms=5, copy=True).params["n_pairs"] == 2
