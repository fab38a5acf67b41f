"""What deconvolution refuses, and that nothing has changed then."""

from __future__ import annotations

import numpy as np
import pytest
from deconvolution.mixtures import planted
from laws.contents import changed, contents
from tl.test_deconvolve import tables

import s3rl as s3
from s3rl import errors

MADE = planted(n=40, per_type=6)


def unlabelled(cells):
    cells.obs["type"] = cells.obs["type"].cat.add_categories("X")
    cells.obs.loc[cells.obs_names[:3], "type"] = np.nan


def lower(cells):
    cells.var_names = cells.var_names.str.lower()


def ensembl(cells):
    cells.var["symbol"] = cells.var_names
    cells.var_names = [f"ENSG{i:011d}" for i in range(cells.n_vars)]


def other(cells):
    cells.var_names = [f"AT{i}G" for i in range(cells.n_vars)]


def identifiers(cells):
    cells.var_names = [f"ENSG{i:011d}" for i in range(cells.n_vars)]


def set_x(function):
    def spoil(cells):
        cells.X = function(cells.X)

    return spoil


def with_nan(x):
    x[2, 3] = np.nan
    return x


def empty_row(x):
    x[2] = 0
    return x


REFERENCES = [
    ("unlabelled", unlabelled, errors.LabelsError, "reference.obs['type']", "missing values"),
    ("case", lower, errors.InputError, "reference.var_names", "upper and lower case"),
    ("ensembl", ensembl, errors.InputError, "reference.var_names", "reference.var['symbol']"),
    ("identifiers", identifiers, errors.InputError, "reference.var_names", "Ensembl"),
    ("other", other, errors.InputError, "reference.var_names", "no gene of the spots"),
    ("negative", set_x(lambda x: x - 1), errors.CountsError, "reference.X", "negative"),
    ("unlogged", set_x(lambda x: x * 33.3), errors.CountsError, "reference.X", "neither whole nor logarithms"),
    ("nan", set_x(with_nan), errors.InputError, "reference.X", "not finite"),
    ("empty cell", set_x(empty_row), errors.CountsError, "reference.X", "without any expression"),
]


@pytest.mark.parametrize(
    ("spoil", "kind", "key", "says"), [case[1:] for case in REFERENCES], ids=[case[0] for case in REFERENCES]
)
def test_references(spoil, kind, key, says):
    spots, cells = tables(MADE)
    spoil(cells)
    refused(spots, cells, kind, key, says)


def refused(spots, cells, kind, key, says, **more):
    before = contents(spots)
    with pytest.raises(kind) as caught:
        s3.tl.deconvolve(spots, cells, **({"cell_type_key": "type", "progress": False} | more))
    assert type(caught.value) is kind
    assert caught.value.key == key
    assert says in str(caught.value)
    assert caught.value.fix
    assert changed(before, contents(spots)) == set()


def test_the_column_of_the_types():
    spots, cells = tables(MADE)
    cells.obs["one"] = "B"
    cells.obs["number"] = 0.5
    few = cells[np.r_[:6, 12:14, 18:24]].copy()
    refused(spots, cells, errors.MissingKeyError, "reference.obs['kind']", "Available: type", cell_type_key="kind")
    refused(spots, cells, errors.LabelsError, "reference.obs['one']", "single type", cell_type_key="one")
    refused(spots, cells, errors.LabelsError, "reference.obs['number']", "floating-point", cell_type_key="number")
    refused(spots, few, errors.LabelsError, "reference.obs['type']", "fewer than 5 cells")
    refused(spots, few, errors.LabelsError, "reference.obs['type']", "Mast cell (2)")
    result = s3.tl.deconvolve(spots, few, cell_type_key="type", params={"min_cells": 1}, progress=False, copy=True)
    assert list(result.proportions) == ["B", "Mast cell", "DC"]


def test_objects_that_are_no_reference(tmp_path):
    import anndata as ad

    spots, cells = tables(MADE)
    refused(spots, cells.X, errors.DataTypeError, "reference", "not an AnnData")
    refused(spots, cells[:0].copy(), errors.InputError, "reference", "is empty")
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    refused(spots, backed, errors.DataTypeError, "reference", "to_memory")
    backed.file.close()
    twice = cells.copy()
    twice.var_names = [*twice.var_names[1:], twice.var_names[1]]
    refused(spots, twice, errors.InputError, "reference.var_names", "duplicated")


@pytest.mark.parametrize(
    ("more", "kind", "key"),
    [
        ({"method": "magic"}, errors.ParameterError, "method"),
        ({"method": "car", "mapping": True}, errors.ParameterError, "mapping"),
        ({"key_added": "a/b"}, errors.ParameterError, "key_added"),
        ({"layer": "s3rl"}, errors.MissingKeyError, "layers['s3rl']"),
        ({"connectivity_key": "far"}, errors.MissingKeyError, "obsp['far_connectivities']"),
        ({"params": {"phi": 2}}, errors.ParameterError, "params.phi"),
        ({"params": {"cells": 2}}, errors.ParameterError, "params"),
        ({"device": "abacus"}, errors.ParameterError, "device"),
        ({"rng": -1}, errors.ParameterError, "rng"),
    ],
    ids=str,
)
def test_arguments(more, kind, key):
    spots, cells = tables(MADE)
    refused(spots, cells, kind, key, key.split("[")[0], **more)


def test_spots():
    spots, cells = tables(MADE)
    lonely = spots.copy()
    x = lonely.X.tolil()
    x[4, :-1] = 0
    x[4, -1] = 1.5
    lonely.X = x.tocsr()
    without_last = cells[:, cells.var_names != lonely.var_names[-1]].copy()
    refused(lonely, without_last, errors.InputError, "data", "spot4")
    del spots.obsp["spatial_connectivities"]
    refused(spots, cells, errors.MissingKeyError, "obsp['spatial_connectivities']", "spatial_neighbors")


def test_too_few_genes_with_expression():
    spots, cells = tables(MADE)
    shared = [f"GENE{i}" for i in range(6)]
    dark = cells[:, [*shared, *map(str, range(10))]].copy()
    dark.X[:, :4] = 0
    refused(spots[:, shared].copy(), dark, errors.InputError, "reference", "2 of 6 shared genes for 4 types")
