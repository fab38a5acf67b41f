"""From tables to proportions: scales, genes, units, the denoised layer, what is written."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from deconvolution.mixtures import error, planted, shares

import s3rl as s3

METHODS = ("contrastive", "car")


def tables(made, *, names=("B", "T/NK", "Mast cell", "DC")):
    """Spots, log-normalised with counts, and a reference of counts that has other genes too, in another order."""
    rng = np.random.default_rng(0)
    genes = [f"GENE{i}" for i in range(made.spots.shape[1])]
    spots = ad.AnnData(sp.csr_matrix(made.spots.astype(np.float32)), var=pd.DataFrame(index=genes))
    spots.obs_names = [f"spot{i}" for i in range(spots.n_obs)]
    spots.obsm["spatial"], spots.obsp["spatial_connectivities"] = made.xy, made.graph
    s3.pp.normalize(spots)
    extra = rng.poisson(1.0, (len(made.cells), 10))
    cells = ad.AnnData(
        np.hstack([made.cells, extra]).astype(np.float32), var=pd.DataFrame(index=[*genes, *map(str, range(10))])
    )
    cells = cells[:, rng.permutation(cells.n_vars)].copy()
    cells.obs_names = [f"cell{i}" for i in range(cells.n_obs)]
    cells.obs["type"] = pd.Categorical(np.array(names)[made.codes], categories=names)
    return spots, cells


def proportions(spots, cells, **more):
    given = {"cell_type_key": "type", "progress": False, "device": "cpu", "copy": True} | more
    return s3.tl.deconvolve(spots, cells, **given).proportions.to_numpy()


@pytest.fixture(scope="module")
def made():
    return planted(g=400, depth=2000, platform=0.8)


@pytest.mark.parametrize("method", METHODS)
def test_planted_proportions_are_found_through_names_of_genes(made, method):
    spots, cells = tables(made)
    found = proportions(spots, cells, method=method)
    assert found.dtype == np.float32
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert error(found, made.truth) < 0.06


@pytest.mark.parametrize("method", METHODS)
def test_counts_and_logarithms_of_both_are_recognised(made, method):
    spots, cells = tables(made)
    logged = cells.copy()
    logged.X = np.log1p(1e4 * shares(cells.X)).astype(np.float32)
    bits = cells.copy()
    bits.X = np.log2(1 + 1e4 * shares(cells.X)).astype(np.float32)
    bits.uns["log1p"] = {"base": 2}
    expected = proportions(spots, cells, method=method, params={"unit": "rna"})
    for reference in (logged, bits):
        assert np.allclose(proportions(spots, reference, method=method), expected, atol=0.02)
    assert np.allclose(
        proportions(spots, cells, method=method, layer="counts"), proportions(spots, cells, method=method), atol=0.02
    )


def test_factors_of_the_genes_are_what_makes_technologies_agree(made):
    spots, cells = tables(made)
    plain = proportions(spots, cells, method="car", params={"gene_effects": False})
    assert error(proportions(spots, cells, method="car"), made.truth) < 0.8 * error(plain, made.truth)


def test_cells_are_counted_or_rna_is_shared():
    """A type whose cells hold three times as much RNA has a third of the proportion that its RNA has."""
    made = planted(depth=5000)
    counts = made.cells.copy()
    counts[made.codes == 0] = np.random.default_rng(1).poisson(3 * made.cells[made.codes == 0])
    spots, cells = tables(made._replace(cells=counts))
    found = s3.tl.deconvolve(spots, cells, cell_type_key="type", method="car", progress=False, copy=True)
    rna = proportions(spots, cells, method="car", params={"unit": "rna"})
    total = counts.sum(axis=1) + np.asarray(cells[:, [str(i) for i in range(10)]].X.sum(axis=1)).ravel()
    sizes = np.array([total[made.codes == kind].mean() for kind in range(4)])
    assert found.record["unit"] == "cells"
    assert np.allclose(found.proportions, shares(rna / sizes), atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
def test_neither_order_of_spots_nor_of_cells_nor_of_genes_matters(made, method):
    spots, cells = tables(made)
    rng = np.random.default_rng(3)
    order = rng.permutation(spots.n_obs)
    first = proportions(spots, cells, method=method, params={"n_negatives": 1000, "n_metacells": 1})
    again = proportions(
        spots[order, rng.permutation(spots.n_vars)].copy(),
        cells[rng.permutation(cells.n_obs)].copy(),
        method=method,
        params={"n_negatives": 1000, "n_metacells": 1},
    )
    assert np.allclose(again, first[order], atol=5e-3)


def test_slots_and_the_reference_stays(made):
    spots, cells = tables(made)
    cells.uns["type_colors"] = ["#111111", "#222222", "#333333", "#444444"]
    before = cells.copy()
    s3.tl.deconvolve(spots, cells, cell_type_key="type", mapping=True, progress=False, device="cpu", rng=3)
    record = spots.uns["proportions"]
    assert record["names"] == ["B", "T/NK", "Mast cell", "DC"]
    assert record["colors"] == list(before.uns["type_colors"])
    assert set(record["genes"]) <= set(spots.var_names) & set(cells.var_names)
    assert record["cells"] == list(cells.obs_names)
    assert record["seed"] == 3
    assert len(record["fit"]["loss"]) == record["params"]["n_steps"]
    mapped = spots.obsm["proportions_mapping"]
    types = np.stack(
        [mapped[:, (cells.obs["type"] == name).to_numpy()].sum(axis=1).A1 for name in record["names"]], axis=1
    )
    assert np.allclose(types, spots.obsm["proportions"], atol=1e-5)
    few = {"cell_type_key": "type", "params": {"n_steps": 3}, "progress": False, "device": "cpu"}
    s3.tl.deconvolve(spots, cells, **few)
    assert "proportions_mapping" not in spots.obsm  # of the run before
    assert np.array_equal(before.X, cells.X)
    assert list(before.obs.columns) == list(cells.obs.columns)
    assert list(before.uns) == list(cells.uns)


def test_the_denoised_layer_shows_regions(made):
    """Denoised shares are nearer to smooth proportions than single spots, and nearer than the layer's logarithms."""
    shallow = planted(depth=120)
    spots, cells = tables(shallow)
    basis = shallow.truth - shallow.truth.mean(axis=0)
    spots.obsm["X_s3rl"] = np.hstack([basis[:, :3], basis[:, :3] ** 2]).astype(np.float32)
    spots.uns["s3rl"] = {"input": {"layer": None}}
    dense = spots.X.toarray()
    from s3rl._slots.post_denoising import readout_of

    spots.layers["s3rl"] = np.maximum(readout_of(spots, None).smooth(dense), 0).astype(np.float32)
    raw, smooth, logs = (
        error(proportions(spots, cells, **how), shallow.truth)
        for how in ({}, {"layer": "s3rl"}, {"layer": "s3rl", "params": {"denoise": "logarithms"}})
    )
    assert smooth < 0.8 * raw
    assert smooth < 0.8 * logs


def test_lazy_expression_and_views_of_the_reference(made):
    import dask.array as da

    spots, cells = tables(made)
    expected = proportions(spots, cells, method="car")
    lazy = cells.copy()
    lazy.X = da.from_array(cells.X, chunks=(17, -1))
    assert np.allclose(proportions(spots, lazy, method="car"), expected, atol=1e-5)
    assert np.allclose(proportions(spots, cells[:, :], method="car"), expected, atol=1e-5)


@pytest.mark.real
def test_zones_of_the_lymph_node(real_data):
    """B and T cells exclude each other, and follow markers that the deconvolution did not see.

    MS4A1, CD79A, CD3D, CD3E and IL7R are not among the genes of the slice, so the markers are the ten shared genes that
    tell B from T cells best in the reference, held out.
    """
    import scanpy as sc
    import squidpy as sq

    folder = real_data / "deconvolution" / "lymph_node"
    cells, spots = ad.read_h5ad(folder / "scrna_reference.h5ad"), ad.read_h5ad(folder / "visium_lymph_node.h5ad")
    spots = spots[:, np.asarray(spots.X.sum(axis=0)).ravel() > 50].copy()
    s3.pp.normalize(spots)
    sq.gr.spatial_neighbors_knn(spots, n_neighs=6)
    logged = cells[:, cells.var_names.isin(spots.var_names)].copy()
    sc.pp.normalize_total(logged, target_sum=1e4)
    sc.pp.log1p(logged)
    kind = logged.obs["cell_type"].astype(str)
    logged.obs["half"] = np.where(kind == "B", "B", np.where(kind.str.startswith("T_"), "T", "-"))
    logged = logged[logged.obs["half"] != "-"].copy()
    sc.tl.rank_genes_groups(logged, "half", method="wilcoxon")
    markers = {name: sc.get.rank_genes_groups_df(logged, name)["names"][:10] for name in "BT"}
    held = cells[:, ~cells.var_names.isin([*markers["B"], *markers["T"]])].copy()
    b_marker, t_marker = (np.asarray(spots[:, markers[name]].X.mean(axis=1)).ravel() for name in "BT")
    for method in METHODS:
        found = s3.tl.deconvolve(
            spots, held, cell_type_key="cell_type", method=method, progress=False, copy=True
        ).proportions
        b, t = found["B"].to_numpy(), (found["T_CD4"] + found["T_CD8"]).to_numpy()
        assert np.corrcoef(b, t)[0, 1] < -0.2
        assert np.corrcoef(b - t, b_marker - t_marker)[0, 1] > 0.25
        assert np.corrcoef(b, b_marker)[0, 1] > 0.15
        assert np.corrcoef(t, b_marker)[0, 1] < -0.15
