"""Variable genes of real tissue: cortical markers lead, and cell types have patterns of their own."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import squidpy as sq

import s3rl as s3

pytestmark = pytest.mark.real


MARKERS = ["MBP", "PLP1", "MOBP", "GFAP", "ENC1", "SNAP25", "PCP4", "NRGN"]


@pytest.fixture(scope="module")
def cortex(real_data):
    adata = ad.read_h5ad(real_data / "dlpfc" / "151673.h5ad")
    # every fourth gene is enough to see markers lead
    adata = adata[:, list(dict.fromkeys([*MARKERS, *adata.var_names[::4]]))].copy()
    s3.pp.normalize(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.tl.spatially_variable_genes(adata)
    return adata


def test_markers_of_layers_and_white_matter_lead(cortex):
    found = cortex.uns["spatially_variable_genes"]["results"]
    rank = {gene: number for number, gene in enumerate(found["gene"])}
    assert [gene for gene in MARKERS if rank[gene] >= 40] == []
    assert 0.1 < (found["fdr"] <= 0.05).mean() < 0.5


def test_within_layers_myelin_grades_and_few_genes_are_called(cortex):
    found = s3.tl.spatially_variable_genes(cortex, groupby="ground_truth", copy=True).results
    called = found[found["fdr"] <= 0.05]
    # layer 6 lies on the white matter
    assert {"MBP", "PLP1", "MOBP"} <= set(called[called["group"] == "L6"]["gene"].head(20))
    assert {"MBP", "PLP1"} <= set(called[called["group"] == "WM"]["gene"].head(20))
    overall = cortex.uns["spatially_variable_genes"]["results"].set_index("gene")
    assert called[called["gene"] == "MOBP"]["statistic"].max() < overall.loc["MOBP", "statistic"]


def test_metagenes_are_white_matter_and_grey_matter(cortex):
    s3.tl.metagenes(cortex, n=3)
    of_gene = cortex.uns["metagenes"]["results"].set_index("gene")["metagene"].astype(str)
    assert of_gene["MBP"] == of_gene["PLP1"] == of_gene["MOBP"]
    assert of_gene["SNAP25"] == of_gene["ENC1"] != of_gene["MBP"]
    white = (cortex.obs["ground_truth"] == "WM").to_numpy()
    scores = cortex.obsm["metagenes"]
    difference = scores[white].mean(axis=0) - scores[~white].mean(axis=0)
    assert difference[int(of_gene["MBP"])] > 1
    assert difference[int(of_gene["SNAP25"])] < -0.5


def test_cell_types_of_a_tumour(real_data):
    adata = ad.read_h5ad(real_data / "cosmx" / "nsclc_fov.h5ad")
    s3.pp.normalize(adata)
    found = s3.tl.spatially_variable_genes(adata, groupby="cell_type", library_key="fov", copy=True).results
    called = found[found["fdr"] <= 0.05]
    assert {"ACTA2", "MYH11"} <= set(called[called["group"] == "fibroblast"]["gene"])
    assert {"ACKR1", "CCL21"} <= set(called[called["group"] == "endothelial"]["gene"])
    # no gene that merely tells cell types apart
    assert (called.groupby("group", observed=True).size() < 60).all()
    assert (found["n"] >= 30).all()
    assert np.isfinite(found["statistic"]).mean() > 0.9
