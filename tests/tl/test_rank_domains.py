"""Neighbouring domains: which pairs, scanpy's numbers, planted markers, errors typed."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import s3rl as s3
from s3rl import errors

SIDE = 14


@pytest.fixture
def table() -> ad.AnnData:
    """Three stripes on a lattice, of which the first and last do not touch but for one stray edge; a tiny fourth."""
    rng = np.random.default_rng(0)
    column, row = (part.ravel() for part in np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
    domain = np.array(["a", "b", "c"], dtype=object)[np.minimum(column // 5, 2)]
    domain[:4] = "d"
    mean = np.full((SIDE**2, 60), 1.0)
    mean[domain == "a", :6] = 5.0
    mean[domain == "c", 6:12] = 5.0
    # as much as the others, so that totals are alike
    mean[domain == "b", 12:18] = 5.0
    mean[:, 59] = 0
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(mean).astype(np.float32)))
    adata.var_names = [f"g{k}" for k in range(60)]
    adata.obs["domain"] = pd.Categorical(domain)
    adata.obs["slide"] = pd.Categorical(np.where(row < 7, "s", "t"))
    adata.obs["one"] = pd.Categorical(["x"] * SIDE**2)
    near = (np.abs(column[:, None] - column) + np.abs(row[:, None] - row)) == 1
    near[13 * SIDE, 13 * SIDE + 13] = near[13 * SIDE + 13, 13 * SIDE] = True
    adata.obsp["spatial_connectivities"] = sp.csr_matrix(near.astype(np.float32))
    adata.obsm["spatial"] = np.column_stack([column, row]).astype(float)
    adata.obsm["X_s3rl"] = np.column_stack([column, row, rng.normal(size=SIDE**2)]).astype(np.float32)
    s3.pp.normalize(adata)
    smooth = (near + 2 * np.eye(SIDE**2)) @ adata.X.toarray()
    adata.layers["s3rl"] = (smooth / smooth.sum(axis=1, keepdims=True) * 60).astype(np.float32)
    return adata


def pairs_of(result) -> list[tuple[str, str]]:
    return list(zip(result.pairs["domain"], result.pairs["reference"], strict=True))


def test_a_stray_edge_is_no_border(table):
    found = s3.tl.rank_domains(table, groupby="domain", copy=True)
    assert pairs_of(found) == [("a", "b"), ("b", "c")]
    assert found.pairs["n_edges"].tolist() == [14, 14]
    assert pairs_of(s3.tl.rank_domains(table, groupby="domain", adjacent=False, copy=True)) == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip
    with_small = s3.tl.rank_domains(table, groupby="domain", min_spots=4, copy=True)
    assert ("a", "d") in pairs_of(with_small)


def test_numbers_are_those_of_scanpy(table):
    import scanpy as sc

    for layer in (None, "s3rl"):
        found = s3.tl.rank_domains(table, groupby="domain", layer=layer, copy=True).results
        own = found[(found["domain"] == "b") & (found["reference"] == "c")].set_index("gene")
        other = table.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sc.tl.rank_genes_groups(
                other, "domain", groups=["b"], reference="c", method="wilcoxon", layer=layer, tie_correct=True,
                use_raw=False, pts=True,
            )  # fmt: skip
        wanted = sc.get.rank_genes_groups_df(other, "b").set_index("names").loc[own.index]
        assert np.allclose(own["score"], wanted["scores"], rtol=1e-5)
        assert np.allclose(own["log2fc"], wanted["logfoldchanges"], rtol=1e-4)
        assert np.allclose(own["pvalue"], wanted["pvals"])
        assert np.allclose(own["fdr"], wanted["pvals_adj"])
        share = [(np.asarray((table[table.obs["domain"] == name, own.index].X if layer is None else
                              table[table.obs["domain"] == name, own.index].layers[layer]) > 0)
                  if layer else (table[table.obs["domain"] == name, own.index].X > 0).toarray()).mean(axis=0)
                 for name in "bc"]  # fmt: skip
        assert np.allclose(own[["share_in", "share_out"]].to_numpy().T, share)
        assert (own["post_denoising"] == (layer is not None)).all()


def test_rank_sum_is_that_of_scipy(table):
    from scipy.stats import mannwhitneyu

    found = s3.tl.rank_domains(table, groupby="domain", copy=True).results
    own = found[(found["domain"] == "a")].set_index("gene")
    for gene in ("g0", "g7", "g30"):
        values = table[:, gene].X.toarray().ravel()
        groups = [values[(table.obs["domain"] == name).to_numpy()] for name in "ab"]
        wanted = mannwhitneyu(*groups, use_continuity=False, method="asymptotic")
        assert own.loc[gene, "pvalue"] == pytest.approx(wanted.pvalue, rel=1e-6)


def test_planted_markers_point_the_right_way_and_others_nowhere(table):
    s3.tl.rank_domains(table, groupby="domain", calibrate=199)
    results = table.uns["rank_domains"]["results"]
    first = results[results["domain"] == "a"].set_index("gene")
    last = results[results["domain"] == "b"].set_index("gene")
    assert (first.loc[[f"g{k}" for k in range(6)], "direction"] == "up").all()
    assert (last.loc[[f"g{k}" for k in range(6, 12)], "direction"] == "down").all()
    assert (results[~results["gene"].isin([f"g{k}" for k in range(18)])]["direction"] == "none").mean() > 0.97
    assert (first.loc[[f"g{k}" for k in range(6)], "pvalue_calibrated"] < 0.05).all()
    assert table.uns["rank_domains"]["pairs"]["n_up"].tolist()[0] == (first["direction"] == "up").sum()


def test_thresholds_decide_the_direction(table):
    strict = s3.tl.rank_domains(table, groupby="domain", min_log2fc=50, copy=True).results
    assert (strict["direction"] == "none").all()
    lax = s3.tl.rank_domains(table, groupby="domain", min_log2fc=0, alpha=1, copy=True).results
    wanted = np.where(lax["log2fc"] > 0, "up", np.where(lax["log2fc"] < 0, "down", "none"))
    below = lax["fdr"] < 1
    assert (lax["direction"].astype(str)[below] == wanted[below]).all()


def test_calibration_takes_back_what_smoothing_adds(table):
    found = s3.tl.rank_domains(table, groupby="domain", layer="s3rl", calibrate=99, copy=True).results
    null = found[found["gene"].isin([f"g{k}" for k in range(18, 59)])]
    assert (null["pvalue_calibrated"] < 0.05).mean() < 0.08
    assert (null["pvalue_calibrated"] < 0.05).mean() < (null["pvalue"] < 0.05).mean()


def test_without_the_base_of_the_logarithm_it_is_the_natural_one(table):
    with_base = s3.tl.rank_domains(table, groupby="domain", copy=True).results
    del table.uns["log1p"]
    pd.testing.assert_frame_equal(s3.tl.rank_domains(table, groupby="domain", copy=True).results, with_base)


def test_permutations_depend_on_the_seed_alone(table):
    arguments = {"groupby": "domain", "calibrate": 29, "library_key": "slide", "copy": True}
    first, again, other = (s3.tl.rank_domains(table, rng=seed, **arguments).results for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["pvalue_calibrated"].equals(other["pvalue_calibrated"])


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({"groupby": "layer"}, errors.MissingKeyError, r"obs\['layer'\]"),
        ({"groupby": "one"}, errors.LabelsError, r"obs\['one'\]: has fewer than two domains"),
        ({"min_spots": 500}, errors.LabelsError, r"obs\['domain'\]: has no group"),
        ({"connectivity_key": "near"}, errors.MissingKeyError, r"obsp\['near_connectivities'\]"),
        ({"layer": "smooth"}, errors.MissingKeyError, r"layers\['smooth'\]"),
        ({"layer": "counts"}, errors.CountsError, r"layers\['counts'\]"),
        ({"adjacent": 2}, errors.ParameterError, "adjacent"),
        ({"adjacent": "yes"}, errors.ParameterError, "adjacent"),
        ({"alpha": -1}, errors.ParameterError, "alpha"),
        ({"min_log2fc": -1}, errors.ParameterError, "min_log2fc"),
        ({"min_spots": 1}, errors.ParameterError, "min_spots"),
        ({"calibrate": 0}, errors.ParameterError, "calibrate"),
    ],
    ids=str,
)
def test_what_is_refused(table, arguments, kind, says):
    with pytest.raises(kind, match=says):
        s3.tl.rank_domains(table, **{"groupby": "domain", **arguments})
    assert not [key for key in table.uns if key.startswith("rank_domains")]


def test_domains_that_do_not_touch(table):
    graph = table.obsp["spatial_connectivities"].tolil()
    own = (table.obs["domain"] == "b").to_numpy()
    graph[own], graph[:, own] = 0, 0
    table.obsp["spatial_connectivities"] = graph.tocsr()
    with pytest.raises(errors.InputError, match=r"obs\['domain'\]: has no two domains that touch.*adjacent=False"):
        s3.tl.rank_domains(table, groupby="domain")
