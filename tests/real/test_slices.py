"""Two real sections, joined from their files as in memory, and their results written beside them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import s3rl as s3

NAMES = ("151673", "151674")


@pytest.mark.real
def test_sections_joined_from_their_files(real_data, tmp_path):
    paths = {name: real_data / "dlpfc" / f"{name}.h5ad" for name in NAMES}
    joined = s3.pp.join_slices(paths)
    tables = {name: ad.read_h5ad(path) for name, path in paths.items()}
    for name, table in tables.items():
        table.obs_names = f"{name}-" + table.obs_names
    shared = ad.concat(tables, label="slice")
    s3.pp.normalize(shared, library_key="slice")
    assert list(joined.var_names) == list(shared.var_names[shared.var["highly_variable"]])
    whole = ad.concat(tables, label="slice", join="outer")
    s3.pp.normalize(whole, n_top_genes=whole.n_vars)
    assert (joined.X != whole[joined.obs_names, joined.var_names].X).nnz == 0
    joined.obsm["X_s3rl"] = joined.X[:, :3].toarray()
    joined.obsm["s3rl_probabilities"] = joined.obsm["X_s3rl"]
    joined.obs["s3rl_domain"] = pd.Categorical(np.where(joined.obs["array_row"] > 40, "0", "1"))
    joined.uns["s3rl"] = {}
    s3.pp.split_slices(joined, paths, folder=tmp_path)
    back = ad.read_h5ad(tmp_path / "151674.h5ad")
    assert np.array_equal(back.obs["s3rl_domain"] == "0", back.obs["array_row"] > 40)
    assert set(back.uns["spatial"]) == set(tables["151674"].uns["spatial"])
