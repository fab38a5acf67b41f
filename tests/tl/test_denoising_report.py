"""The report about the denoised layer: what it says, what it leaves alone, what it refuses."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import squidpy as sq
from scipy.stats import chisquare

import s3rl as s3
from s3rl.errors import CountsError, LabelsError, MissingKeyError, ParameterError
from s3rl.statistics.heldout import Part, thin
from s3rl.tl import _denoising_report_held_out as parts_of
from s3rl.tl._denoising_report_null import _even, shuffled
from s3rl.tl._denoising_report_refit import plan_of

QUICK = {"max_epochs": 30, "n_mixtures": 3}
GIVEN = {"params": QUICK, "progress": False, "device": "cpu"}


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    adata = s3.datasets.simulated_cortex(300, 150, n_layers=4, image=False, rng=1).tables["table"]
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    return adata


@pytest.fixture(scope="module")
def report(tissue: ad.AnnData) -> s3.tl.DenoisingReport:
    found = s3.tl.denoising_report(tissue, 4, **GIVEN, copy=True)
    assert found is not None
    return found


def test_denoised_expression_explains_counts_that_it_has_not_seen(report) -> None:
    frame = report.held_out.set_index("method")
    assert tuple(frame.index) == parts_of.METHODS
    best = frame.drop(index="s3rl")
    assert frame.loc["s3rl", "log_likelihood"] > best["log_likelihood"].max()
    assert frame.loc["s3rl", "deviance"] < best["deviance"].min()
    assert frame.loc["s3rl", "gain"] > 5 * frame.loc["s3rl", "gain_se"]
    assert frame.loc["raw", "gain"] == 0
    np.testing.assert_allclose(frame["gain"], frame["log_likelihood"] - frame.loc["raw", "log_likelihood"], atol=1e-9)


def test_genes_and_markers(tissue, report) -> None:
    genes = report.genes
    mean = genes.groupby("method", observed=True)["correlation"].apply(lambda v: v.fillna(0).mean())
    np.testing.assert_allclose(mean[report.held_out["method"]], report.held_out["correlation"])
    assert set(genes["gene"]) <= set(tissue.var_names)
    assert genes["counts"].min() >= 30
    areas = report.markers.groupby("method")["auc"].mean()
    assert areas["s3rl"] > areas["raw"] + 0.05
    assert areas["mean"] == pytest.approx(0.5)
    assert report.markers.groupby(["method", "domain"]).size().max() <= 10
    planted = tissue.var_names[tissue.var["layer"].notna()] if "layer" in tissue.var else tissue.var_names
    assert set(report.markers["gene"]) & set(planted)


def test_false_discoveries_where_there_is_nothing(report) -> None:
    frame = report.false_discoveries.set_index(["analysis", "clusters", "expression"])
    assert len(frame) == 9
    for analysis in ("spatially_variable_genes", "ligrec"):
        own = frame.loc[analysis].reset_index()
        raw = own[(own["expression"] == "raw") & (own["clusters"] != "found")]
        denoised = own[(own["expression"] == "denoised") & (own["clusters"] != "found")]
        assert raw["low"].max() <= 0.05
        assert denoised["share"].min() > 2 * raw["share"].max()
    assert frame.loc[("spatially_variable_genes", "", "calibrated"), "nominal"]
    np.testing.assert_array_equal(frame["nominal"], frame["low"] <= 0.05)


def test_a_blur_loses_and_the_truth_wins(tissue) -> None:
    """The scores, for a layer that is put in the place of the model's."""
    rng = np.random.default_rng(0)
    regions = tissue.obs["domain"].cat.codes.to_numpy()
    profiles = rng.dirichlet(np.full(tissue.n_vars, 0.3), regions.max() + 1)
    truth = profiles[regions]
    counts = sp.csr_matrix(np.stack([rng.multinomial(600, own) for own in truth]))
    kept, rest = thin(counts, 0.5, rng)
    choosing, judging = thin(rest, 0.25, rng)
    parts = parts_of.Parts(kept, Part.of(choosing), Part.of(judging))
    plan = plan_of(tissue, 4, QUICK, "s3rl_neighbors", None, 0, "cpu", False)
    table = tissue.copy()
    x = np.log1p(kept.toarray() / kept.toarray().sum(axis=1, keepdims=True) * 1e4)
    table.X = sp.csr_matrix(x.astype(np.float32))
    wide = np.linalg.inv(np.eye(tissue.n_obs) + 200 * laplacian(tissue))
    scores = {}
    for name, layer in (("truth", np.log1p(1e4 * truth)), ("blur", np.log1p(wide @ np.expm1(x)))):
        table.layers["s3rl"] = layer.astype(np.float32)
        frame = pd.DataFrame(
            [parts_of.judged(p, parts, np.arange(3)).row for p in parts_of.predictions(table, parts, plan)]
        ).set_index("method")["log_likelihood"]
        scores[name] = frame
    assert scores["truth"]["s3rl"] == scores["truth"].max()
    assert scores["blur"]["s3rl"] < scores["blur"]["diffusion"]
    assert scores["blur"]["s3rl"] < scores["blur"]["raw"]


def laplacian(adata: ad.AnnData) -> np.ndarray:
    near = ((adata.obsp["spatial_connectivities"] + adata.obsp["spatial_connectivities"].T) > 0).toarray().astype(float)
    return np.diag(near.sum(axis=1)) - near


def test_shuffled_tissue_keeps_genes_and_totals_of_slices(tissue) -> None:
    table = tissue.copy()
    table.obs["slice"] = pd.Categorical(np.where(np.arange(table.n_obs) % 2, "a", "b"))
    table.obsp["spatial_connectivities"] = within(table.obsp["spatial_connectivities"], table.obs["slice"])
    s3.pp.signed_neighbors(table, library_key="slice")
    counts = sp.csr_matrix(table.layers["counts"], dtype=np.float64)
    plan = plan_of(table, 4, {"max_epochs": 1, "n_mixtures": 1}, "s3rl_neighbors", "slice", 0, "cpu", False)
    null = shuffled(table, counts, table.obs["domain"], plan)
    found = null.table.X.toarray() > 0
    dense = counts.toarray() > 0
    assert null.decoys.sum() == int(0.2 * table.n_vars)
    together = np.flatnonzero(~null.decoys)
    for name in ("a", "b"):
        own = (table.obs["slice"] == name).to_numpy()
        np.testing.assert_array_equal(found[own][:, together].sum(axis=0), dense[own][:, together].sum(axis=0))
    rows = {row.tobytes() for row in dense[:, together]}
    assert all(row.tobytes() in rows for row in found[:, together])
    assert not np.array_equal(found, dense)


def test_even_genes_have_the_same_share_of_the_new_totals(tissue) -> None:
    """Whatever share the genes had that they replace, here one to ten times as much in one spot as in another."""
    plan = plan_of(tissue, 4, {"max_epochs": 1, "n_mixtures": 1}, "s3rl_neighbors", None, 0, "cpu", False)
    counts = sp.csr_matrix(tissue.layers["counts"], dtype=np.float64)
    decoys = shuffled(tissue, counts, tissue.obs["domain"], plan).decoys
    factors = np.where(decoys, np.random.default_rng(0).integers(1, 11, tissue.n_obs)[:, None], 1)
    null = shuffled(tissue, sp.csr_matrix(counts.multiply(factors)), tissue.obs["domain"], plan)
    np.testing.assert_array_equal(null.decoys, decoys)
    new = null.table.layers["counts"].toarray()
    even, totals = new[:, decoys].sum(axis=1), new.sum(axis=1)
    assert chisquare(even, even.sum() * totals / totals.sum()).pvalue > 1e-3


def test_even_genes_have_the_same_share_everywhere() -> None:
    rng = np.random.default_rng(0)
    codes, totals = np.repeat([0, 1], 100), rng.integers(50, 500, 200).astype(float)
    counts = sp.csr_matrix(np.column_stack([np.where(codes, 9, 1), np.arange(200)]).astype(float))
    found = _even(counts, totals, codes, rng).toarray()
    for code in (0, 1):
        np.testing.assert_array_equal(found[codes == code].sum(axis=0), counts.toarray()[codes == code].sum(axis=0))
    expected = found[codes == 1, 1].sum() * totals[codes == 1] / totals[codes == 1].sum()
    assert chisquare(found[codes == 1, 1], expected).pvalue > 1e-3


def within(graph: sp.spmatrix, slices: pd.Series) -> sp.csr_matrix:
    joined = sp.coo_matrix(graph)
    codes = slices.cat.codes.to_numpy()
    same = codes[joined.row] == codes[joined.col]
    return sp.csr_matrix((joined.data[same], (joined.row[same], joined.col[same])), graph.shape)


def test_the_model_says_what_is_not_given(tissue, caplog) -> None:
    adata = tissue.copy()
    s3.tl.s3rl(adata, 3, params={"max_epochs": 2, "n_mixtures": 2}, progress=False, device="cpu")
    empty = adata.layers["counts"].copy().tolil()
    empty[4] = 0
    empty[4, 0] = 1
    adata.layers["counts"] = sp.csr_matrix(empty)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="s3rl"):
        s3.tl.denoising_report(adata, groupby="domain", progress=False, rng=3)
    params = adata.uns["denoising_report"]["params"]
    assert (params["n_domains"], params["model"]["max_epochs"], params["groupby"]) == (3, 2, "domain")
    assert (params["n_spots"], params["n_left_out"], params["seed"]) == (299, 1, 3)
    assert "1 of 300 spots have no counts on one side" in caplog.text
    assert caplog.text.count("wrote") == 1
    assert set(adata.uns["denoising_report"]["markers"]["domain"]) <= set(adata.obs["domain"])


def fractions(adata: ad.AnnData) -> None:
    adata.layers["counts"] = adata.X.copy()


def nearly_empty(adata: ad.AnnData) -> None:
    counts = adata.layers["counts"].copy().tolil()
    counts[: adata.n_obs - 30, 1:] = 0
    counts[: adata.n_obs - 30, 0] = 1
    adata.layers["counts"] = sp.csr_matrix(counts)


@pytest.mark.parametrize(
    ("given", "spoil", "kind", "key"),
    [
        ({}, None, MissingKeyError, "uns['s3rl']"),
        ({"n_domains": 1}, None, ParameterError, "n_domains"),
        ({"n_domains": 3, "held_out": 0.0}, None, ParameterError, "held_out"),
        ({"n_domains": 3, "held_out": "half"}, None, ParameterError, "held_out"),
        ({"n_domains": 3, "counts_layer": "umi"}, None, MissingKeyError, "umi"),
        ({"n_domains": 3, "neighbors_key": "none"}, None, MissingKeyError, "none"),
        ({"n_domains": 3, "groupby": "cell"}, None, MissingKeyError, "cell"),
        ({"n_domains": 3, "library_key": "depth"}, None, LabelsError, "depth"),
        ({"n_domains": 3, "params": {"denoise": "none"}}, None, ParameterError, "params.denoise"),
        ({"n_domains": 3, "key_added": "a/b"}, None, ParameterError, "key_added"),
        ({"n_domains": 3}, fractions, CountsError, "layers['counts']"),
        ({"n_domains": 3}, nearly_empty, CountsError, "held_out"),
    ],
)
def test_refused(tissue, given, spoil, kind, key) -> None:
    adata = tissue.copy()
    if spoil is not None:
        spoil(adata)
    before = set(adata.uns)
    with pytest.raises(kind, match=key.replace("[", r"\[").replace("]", r"\]")):
        s3.tl.denoising_report(adata, **({"progress": False} | given))
    assert set(adata.uns) == before
