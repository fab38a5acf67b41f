from __future__ import annotations

import numpy as np
import pytest

import s3rl as s3
from s3rl._slots.centroids import centroids_of, ensure_coordinates
from s3rl.errors import CoordinatesError, MissingKeyError


@pytest.fixture
def tissue():
    return s3.datasets.simulated_cortex(120, 60, image=False)


def test_centroids_follow_the_rows_of_the_table_whatever_the_order_of_the_shapes(tissue):
    table = tissue["table"]
    wanted = table.obsm["spatial"].copy()
    order = np.random.default_rng(0).permutation(table.n_obs)
    tissue.shapes["spots"] = tissue.shapes["spots"].iloc[order]
    np.testing.assert_allclose(centroids_of(tissue, table), wanted, atol=1e-6)


def test_only_missing_coordinates_are_written(tissue):
    table = tissue["table"]
    kept = table.obsm["spatial"]
    ensure_coordinates(tissue, table, "spatial")
    assert table.obsm["spatial"] is kept
    del table.obsm["spatial"]
    ensure_coordinates(table, table, "spatial")
    assert "spatial" not in table.obsm
    ensure_coordinates(tissue, table, "spatial")
    np.testing.assert_allclose(table.obsm["spatial"], kept, atol=1e-6)


def test_each_slice_takes_its_own_shapes():
    slices = s3.datasets.simulated_cortex(120, 60, n_slices=2, shift=50.0, image=False)
    wanted = slices["table"].obsm["spatial"]
    np.testing.assert_allclose(centroids_of(slices, slices["table"]), wanted, atol=1e-6)


def test_instances_without_a_shape(tissue):
    tissue.shapes["spots"] = tissue.shapes["spots"].iloc[5:]
    with pytest.raises(CoordinatesError, match="5 of 120"):
        centroids_of(tissue, tissue["table"])


def test_a_table_that_annotates_nothing(tissue):
    table = tissue["table"]
    del table.uns["spatialdata_attrs"]
    with pytest.raises(MissingKeyError, match="TableModel"):
        centroids_of(tissue, table)
