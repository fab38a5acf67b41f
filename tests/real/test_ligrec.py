"""Ligands and receptors on real slices: how many pairs are measured, what touches, and squidpy's p-values again."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import s3rl as s3

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def cortex(real_data):
    import anndata as ad
    import squidpy as sq

    table = ad.read_h5ad(real_data / "dlpfc" / "151673.h5ad")
    s3.pp.normalize(table)
    sq.gr.spatial_neighbors_knn(table, n_neighs=6)
    return table


def test_the_papers_number_of_pairs_is_measured_in_the_lung_field(real_data):
    import anndata as ad

    table = ad.read_h5ad(real_data / "cosmx" / "nsclc_fov.h5ad")
    s3.pp.normalize(table)
    few = table.obs["cell_type"].value_counts().loc[lambda sizes: sizes < 3].index
    table.obs["cell_type"] = table.obs["cell_type"].where(~table.obs["cell_type"].isin(few))
    found = s3.tl.ligrec(table, "cell_type", resource="guide2pharma+ramilowski", n_perms=20, copy=True)
    # 480 pairs of 189 ligands and 159 receptors in the paper
    assert abs(found.params["n_pairs"] - 480) < 15
    assert abs(found.results["ligand"].nunique() - 189) < 10
    assert abs(found.results["receptor"].nunique() - 159) < 10


def test_layers_touch_their_neighbours_and_white_matter_has_its_own_pairs(cortex):
    found = s3.tl.ligrec(cortex, "ground_truth", adjacent=True, n_perms=100, copy=True)
    layers = ["L1", "L2", "L3", "L4", "L5", "L6", "WM"]
    between = {(a, b) for a, b in zip(found.results["source"], found.results["target"], strict=True) if a < b}
    assert between == set(itertools.pairwise(layers))
    assert found.params["n_pairs"] > 500
    # a ligand of oligodendrocytes and its receptor on their myelin
    own = found.results.query("source == 'WM' and target == 'WM' and ligand == 'NRG2' and receptor == 'MOG'")
    assert own["pvalue"].item() < 0.02


def test_pvalues_are_squidpys(cortex):
    import squidpy as sq

    part = s3.tl.ligrec(cortex, "ground_truth", resource="cellphonedb", n_perms=200, copy=True).results
    kept = cortex[cortex.obs["ground_truth"].notna()].copy()
    pairs = part[["ligand_gene", "receptor_gene"]].astype(str).drop_duplicates()[:60]
    pairs.columns = ["source", "target"]
    theirs = sq.gr.ligrec(
        kept, "ground_truth", interactions=pairs, use_raw=False, copy=True, n_perms=200, seed=0, n_jobs=1,
        show_progress_bar=False,
    )["pvalues"]  # fmt: skip
    ours = s3.tl.ligrec(kept, "ground_truth", resource=pairs, n_perms=200, copy=True).results
    p = theirs.astype(float).rename_axis(columns=["a", "b"]).stack(["a", "b"], future_stack=True).dropna()
    place = pd.MultiIndex.from_frame(ours[["ligand", "receptor", "source", "target"]].astype(str))
    assert len(p) == len(ours)
    assert np.abs(p.reindex(place).to_numpy() - ours["pvalue"].to_numpy()).max() < 0.2
    assert np.corrcoef(p.reindex(place), ours["pvalue"])[0, 1] > 0.99
