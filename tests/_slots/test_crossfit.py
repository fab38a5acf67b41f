"""Denoisers blind to the genes they denoise, found in a table's slots."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

from s3rl._slots.crossfit import blind_readouts_of, input_of
from s3rl.statistics.readout import readout

N, G = 50, 30


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    found = ad.AnnData(rng.gamma(1.0, size=(N, G)).astype(np.float32))
    found.obsm["X_s3rl"] = rng.normal(size=(N, 3))
    found.layers["s3rl"] = found.X * np.float32(0.5)
    found.layers["log"] = found.X + np.float32(0.25)
    found.uns["s3rl"] = {"input": {"layer": "log"}}
    return found


def matrix(one):
    return (one.basis * one.gain) @ one.basis.T


def test_a_denoiser_does_not_change_with_the_genes_it_denoises(table):
    blind = blind_readouts_of(table, "s3rl", "spatial", seed=2)
    for own in (0, 1):
        other = table.copy()
        changed = np.array(other.layers["log"])
        changed[:, blind.half == own] = changed[::-1, blind.half == own]
        other.layers["log"] = changed
        again = blind_readouts_of(other, "s3rl", "spatial", seed=2)
        assert np.allclose(matrix(again.readouts[own]), matrix(blind.readouts[own]), atol=1e-6)
        assert not np.allclose(matrix(again.readouts[1 - own]), matrix(blind.readouts[1 - own]), atol=1e-3)


def test_the_spatial_graph_takes_part_where_there_is_one(table):
    import scipy.sparse as sp

    alone = blind_readouts_of(table, "s3rl", "spatial", seed=2)
    line = sp.diags([np.ones(N - 1)], [1], format="csr")
    table.obsp["spatial_connectivities"] = line
    smooth = blind_readouts_of(table, "s3rl", "spatial", seed=2)
    assert not np.allclose(matrix(alone.readouts[0]), matrix(smooth.readouts[0]), atol=1e-3)
    table.obsp["near_connectivities"] = line + line.T
    near = blind_readouts_of(table, "s3rl", "near", seed=2)
    assert np.allclose(matrix(near.readouts[0]), matrix(smooth.readouts[0]))


def test_the_layer_that_the_model_read_is_its_input(table):
    assert input_of(table, "s3rl").name == "log"
    table.uns["s3rl"] = {"input": {"layer": "gone"}}
    assert input_of(table, "s3rl").name == "X"
    del table.uns["s3rl"]
    assert input_of(table, "s3rl").name == "X"


def test_too_few_genes_to_divide_leave_the_plain_denoiser(table):
    few = table[:, :6].copy()
    blind = blind_readouts_of(few, "s3rl", "spatial", seed=2)
    for one in blind.readouts:
        assert np.allclose(matrix(one), matrix(readout(few.obsm["X_s3rl"])))
    assert blind.emulators is None


def test_a_gene_that_is_not_finite_takes_no_part(table):
    table.layers["log"][3, 5] = np.nan
    blind = blind_readouts_of(table, "s3rl", "spatial", seed=2)
    assert all(np.isfinite(matrix(one)).all() for one in blind.readouts)
    table.layers["log"][:, 5] = np.nan
    again = blind_readouts_of(table, "s3rl", "spatial", seed=2)
    assert all(np.allclose(matrix(a), matrix(b)) for a, b in zip(again.readouts, blind.readouts, strict=True))
