"""What comes after the domains, on two sections of cortex and an annotated tumour, with the default model."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
from scipy.stats import spearmanr

import s3rl as s3

pytestmark = [pytest.mark.real, pytest.mark.slow]
LAYERS = ["WM", "L6", "L5", "L4", "L3", "L2", "L1"]


def trained(path, n_domains):
    import scanpy as sc
    import squidpy as sq

    adata = ad.read_h5ad(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.filter_cells(adata, min_counts=1)
        sc.pp.filter_genes(adata, min_cells=3)
        sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.normalize(adata, n_top_genes=min(3000, adata.n_vars))
    s3.pp.signed_neighbors(adata)
    s3.tl.s3rl(adata, n_domains, progress=False, device="cpu")
    return adata


@pytest.fixture(scope="module", params=["151673", "151674"])
def cortex(request, real_data):
    return trained(real_data / "dlpfc" / f"{request.param}.h5ad", 7)


@pytest.fixture(scope="module")
def tumour(real_data):
    return trained(real_data / "her2st" / "H1.h5ad", 6)


def test_the_trajectory_from_the_white_matter_follows_the_layers(cortex):
    s3.tl.trajectory(cortex, root="WM", groupby="ground_truth")
    depth = cortex.obs["ground_truth"].map({name: rank for rank, name in enumerate(LAYERS)}).astype(float)
    known = depth.notna()
    assert spearmanr(depth[known], cortex.obs["s3rl_pseudotime"][known]).statistic > 0.95
    groups = cortex.uns["s3rl_trajectory"]["groups"].sort_values("pseudotime")["group"].astype(str).tolist()
    assert groups == LAYERS


def test_interactions_are_between_layers_that_touch(cortex):
    s3.tl.ligrec(cortex, "ground_truth", adjacent=True, n_perms=200, rng=0)
    results = cortex.uns["ligrec"]["results"]
    assert cortex.uns["ligrec"]["params"]["n_pairs"] > 300
    apart = results["source"].astype(str).map(LAYERS.index) - results["target"].astype(str).map(LAYERS.index)
    assert apart.abs().max() == 1
    assert (results["fdr"] <= 0.05).any()


def test_markers_are_among_the_most_variable_genes(cortex):
    found = s3.tl.spatially_variable_genes(cortex, copy=True).results
    order = {gene: place for place, gene in enumerate(found["gene"].astype(str))}
    known = [gene for gene in ("MBP", "PLP1", "MOBP", "GFAP", "ENC1", "PCP4") if gene in order]
    assert len(known) >= 3
    assert np.median([order[gene] for gene in known]) < 0.02 * len(order)


def test_myelin_falls_and_neurons_rise_with_the_distance_from_the_white_matter(cortex):
    names = ["MBP", "PLP1", "MOBP", "ENC1", "HPCAL1", "NRGN"]
    genes = [gene for gene in names if gene in cortex.var_names]
    found = s3.tl.distance_gradient(cortex, ("ground_truth", "WM"), genes=genes, copy=True).results
    for layer in ("X", "s3rl"):
        rho = found[found["layer"] == layer].set_index("gene")["rho"]
        assert (rho[[gene for gene in genes if gene in names[:3]]] < -0.15).all()
        assert (rho[[gene for gene in genes if gene in names[3:]]] > 0.1).all()


def test_neighbouring_tissues_of_a_tumour_differ_in_their_markers(tumour):
    s3.tl.rank_domains(tumour, groupby="ground_truth")
    results = tumour.uns["rank_domains"]["results"]
    pair = results[(results["domain"] == "adipose tissue") & (results["fdr"] < 0.05) & (results["log2fc"] > 0)]
    assert set(pair.sort_values("pvalue")["gene"].astype(str).head(60)) & {"ADIPOQ", "FABP4", "PLIN1", "PLIN4", "ADH1B"}
    first = results.iloc[0]
    axes = s3.pl.volcano(tumour, str(first["domain"]), str(first["reference"]), show=False)
    assert axes.get_xlabel()
