"""Crops of slices: how many spots go, along which line, and that nothing else decides it."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import s3rl as s3
from s3rl.errors import CoordinatesError, LabelsError, MissingKeyError, ParameterError


@pytest.fixture
def table() -> ad.AnnData:
    rng = np.random.default_rng(0)
    adata = ad.AnnData(np.arange(150, dtype=np.float32)[:, None])
    adata.obs_names = [f"s{i}" for i in range(150)]
    adata.obs["slice"] = pd.Categorical(np.repeat(["a", "b"], [100, 50]))
    adata.obsm["spatial"] = rng.uniform(size=(150, 2))
    return adata


@pytest.mark.parametrize(("fraction", "left"), [(0.3, [70, 35]), (0.0, [100, 50]), (0.99, [1, 1])])
def test_the_share_of_each_slice_goes(table, fraction, left):
    cropped = s3.pp.crop_slices(table, "slice", fraction=fraction)
    assert cropped.obs["slice"].value_counts().loc[["a", "b"]].tolist() == left
    assert not cropped.is_view


@pytest.mark.parametrize("seed", range(5))
def test_a_straight_line_parts_what_stays_from_what_goes(table, seed):
    from sklearn.svm import LinearSVC

    cropped = s3.pp.crop_slices(table, "slice", rng=seed)
    for name in ("a", "b"):
        part = table[table.obs["slice"] == name]
        stays = part.obs_names.isin(cropped.obs_names)
        fitted = LinearSVC(C=1e6, max_iter=200_000, random_state=0).fit(part.obsm["spatial"], stays)
        assert fitted.score(part.obsm["spatial"], stays) == 1.0


def test_values_and_order_stay(table):
    cropped = s3.pp.crop_slices(table, "slice")
    same = table[cropped.obs_names]
    assert np.array_equal(cropped.X, same.X)
    assert np.array_equal(cropped.obsm["spatial"], same.obsm["spatial"])
    assert np.array_equal(np.argsort(cropped.X[:, 0]), np.arange(cropped.n_obs))


def test_the_seed_decides_and_the_order_of_the_rows_does_not(table):
    once = set(s3.pp.crop_slices(table, "slice", rng=3).obs_names)
    assert set(s3.pp.crop_slices(table, "slice", rng=3).obs_names) == once
    assert set(s3.pp.crop_slices(table[::-1].copy(), "slice", rng=3).obs_names) == once
    assert set(s3.pp.crop_slices(table, "slice", rng=4).obs_names) != once


def test_slices_lose_different_sides(table):
    table.obsm["spatial"][100:] = table.obsm["spatial"][:50]
    cropped = s3.pp.crop_slices(table, "slice")
    names = cropped.obs_names.to_numpy()
    second = {int(name[1:]) - 100 for name in names if int(name[1:]) >= 100}
    first = {int(name[1:]) for name in names if int(name[1:]) < 50}
    assert first != second


@pytest.mark.parametrize("fraction", [1, -0.1, 2.0, "a", True, None, np.nan])
def test_fractions_that_leave_nothing_are_refused(table, fraction):
    with pytest.raises(ParameterError, match="fraction"):
        s3.pp.crop_slices(table, "slice", fraction=fraction)


def test_bad_tables_are_refused(table):
    with pytest.raises(MissingKeyError, match="sample"):
        s3.pp.crop_slices(table, "sample")
    table.obs["slice"] = table.obs["slice"].where(np.arange(150) > 3)
    with pytest.raises(LabelsError, match="missing"):
        s3.pp.crop_slices(table, "slice")
    table.obs["slice"] = "a"
    table.obsm["spatial"][0] = np.nan
    with pytest.raises(CoordinatesError, match="finite"):
        s3.pp.crop_slices(table, "slice")
