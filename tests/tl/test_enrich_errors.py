"""What tl.enrich refuses, and that nothing has changed then."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from laws.contents import changed, contents
from tl.enrichment_tissue import GENES, planted_sets, tissue

import s3rl as s3
from s3rl import errors

SETS = planted_sets()


def lone(table):
    table.obs["group"] = pd.Categorical(["a"] * (table.n_obs - 1) + ["b"])


def one(table):
    table.obs["group"] = pd.Categorical(["a"] * table.n_obs)


def mouse(table):
    table.var_names = [name.capitalize() for name in table.var_names]


def counts(table):
    table.X = np.round(np.expm1(table.X.toarray()))


def ranked(table):
    table.uns["marks"] = {"params": {}}


def few_ranked(table):
    import scanpy as sc

    sc.tl.rank_genes_groups(table, "group", n_genes=5, key_added="marks")


CASES = [
    ("unknown method", {"method": "fisher"}, None, errors.ParameterError, "method"),
    ("no domains", {"groupby": None}, None, errors.MissingKeyError, "obs['s3rl_domain']"),
    ("no such layer", {"layer": "smooth"}, None, errors.MissingKeyError, "layers['smooth']"),
    ("a spot alone", {}, lone, errors.LabelsError, "obs['group']"),
    ("one group", {}, one, errors.LabelsError, "obs['group']"),
    ("mouse and human", {}, mouse, errors.InputError, "gene_sets"),
    ("counts", {}, counts, errors.CountsError, "X"),
    ("no set of this size", {"params": {"min_size": 100}}, None, errors.ParameterError, "gene_sets"),
    ("unknown parameter", {"params": {"size": 3}}, None, errors.ParameterError, "params"),
    ("no permutation", {"params": {"n_perms": 0}}, None, errors.ParameterError, "params.n_perms"),
    ("a rate of 2", {"params": {"max_fdr": 2.0}}, None, errors.ParameterError, "params.max_fdr"),
    ("empty list", {"groupby": None, "genes": []}, None, errors.ParameterError, "genes"),
    ("a word as list", {"groupby": None, "genes": "CD3D"}, None, errors.ParameterError, "genes"),
    ("genes of elsewhere", {"groupby": None, "genes": ["CD3D"]}, None, errors.InputError, "genes"),
    ("genes and groups", {"genes": GENES[:9]}, None, errors.ParameterError, "genes"),
    ("names to be ranked", {"groupby": None, "method": "gsea", "genes": GENES}, None, errors.ParameterError, "genes"),
    ("scores of genes", {"groupby": None, "method": "ssgsea", "genes": GENES}, None, errors.ParameterError, "genes"),
    ("calibrated counts", {"calibrate": True}, None, errors.ParameterError, "calibrate"),
    ("calibrated scores", {"calibrate": True, "method": "ssgsea"}, None, errors.ParameterError, "calibrate"),
    ("no ranking", {"groupby": None, "markers_key": "marks"}, None, errors.MissingKeyError, "uns['marks']"),
    ("no real ranking", {"groupby": None, "markers_key": "marks"}, ranked, errors.InputError, "uns['marks']"),
    ("groups twice", {"markers_key": "marks"}, few_ranked, errors.ParameterError, "markers_key"),
    (
        "the ends of a ranking",
        {"groupby": None, "markers_key": "marks", "method": "gsea"},
        few_ranked,
        errors.InputError,
        "uns['marks']",
    ),
    ("no seed", {"rng": -3}, None, errors.ParameterError, "rng"),
]


@pytest.mark.parametrize(("arguments", "spoil", "kind", "key"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_refused_with_the_key_and_nothing_changed(arguments, spoil, kind, key):
    table = tissue()
    if spoil is not None:
        spoil(table)
    before = contents(table)
    with pytest.raises(kind) as caught:
        s3.tl.enrich(table, SETS, **({"groupby": "group"} | arguments))
    assert caught.value.key == key
    assert caught.value.fix
    assert changed(before, contents(table)) == set()


def test_scores_that_are_no_numbers():
    for bad in (pd.Series([1.0, np.nan], index=GENES[:2]), pd.Series([1.0, 2.0], index=["GENE1", "GENE1"])):
        with pytest.raises(errors.InputError, match="genes: have scores"):
            s3.tl.enrich(tissue(), SETS, method="gsea", genes=bad)
    with pytest.raises(errors.InputError, match="genes: shares no gene"):
        s3.tl.enrich(tissue(), SETS, method="gsea", genes=pd.Series([1.0], index=["CD3D"]))


@pytest.mark.parametrize("method", ["gsea", "ssgsea", "gsva"])
def test_without_gseapy(method, monkeypatch):
    monkeypatch.setitem(sys.modules, "gseapy", None)
    with pytest.raises(errors.MissingExtraError, match=r"s3rl-tools\[enrichment\]"):
        s3.tl.enrich(tissue(), SETS, method=method, groupby="group")
    assert s3.tl.enrich(tissue(), SETS, groupby="group", copy=True) is not None
