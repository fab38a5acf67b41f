"""Networks of co-expression: against numpy and scipy, planted pairs found, errors typed."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

import s3rl as s3
from s3rl import errors

N = 120


@pytest.fixture
def table() -> ad.AnnData:
    """Three genes that go together in group a only, one against them, and four that do not."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=N)
    x = 2 + 0.3 * rng.normal(size=(N, 8))
    group = np.repeat(["a", "b"], N // 2)
    x[:, :3] += 0.4 * (shared * (group == "a"))[:, None]
    x[:, 3] -= 0.4 * shared * (group == "a")
    x[:, 7] = 0
    adata = ad.AnnData(np.abs(x).astype(np.float32), var=pd.DataFrame(index=[f"g{k}" for k in range(8)]))
    adata.obs["group"] = pd.Categorical(group)
    adata.obs["slide"] = pd.Categorical(np.tile(["s", "t"], N // 2))
    embedding = np.column_stack([shared, rng.normal(size=(N, 3))])
    adata.obsm["X_s3rl"] = embedding.astype(np.float32)
    adata.layers["s3rl"] = (embedding @ np.linalg.lstsq(embedding, x, rcond=None)[0] + 3).astype(np.float32)
    adata.obsm["spatial"] = rng.uniform(size=(N, 2))
    return adata


GENES = [f"g{k}" for k in range(7)]


@pytest.mark.parametrize(("method", "oracle"), [("pearson", pearsonr), ("spearman", spearmanr)])
def test_edges_are_those_of_scipy(table, method, oracle):
    found = s3.tl.coexpression(table, GENES, groupby="group", threshold=0.3, method=method, copy=True).results
    for layer, values in (("X", table.X), ("s3rl", table.layers["s3rl"])):
        for group in "ab":
            rows = (table.obs["group"] == group).to_numpy()
            own = found[(found["group"] == group) & (found["layer"] == layer)]
            by_pair = {(row["gene_1"], row["gene_2"]): row for row in own.to_dict("records")}
            for i in range(7):
                for j in range(i + 1, 7):
                    wanted = oracle(values[rows, i].astype(float), values[rows, j].astype(float))
                    edge = by_pair.pop((f"g{i}", f"g{j}"), None)
                    assert (edge is not None) == (abs(wanted.statistic) >= 0.3)
                    if edge is not None:
                        assert edge["r"] == pytest.approx(wanted.statistic)
                        assert edge["pvalue"] == pytest.approx(wanted.pvalue, rel=1e-6, abs=1e-30)
                        assert edge["post_denoising"] == (layer == "s3rl")
            assert by_pair == {}


def test_planted_genes_are_one_module_where_they_were_planted(table):
    s3.tl.coexpression(table, GENES, groupby="group", layers=(None,))
    result = table.uns["coexpression"]
    genes = result["genes"].set_index(["group", "gene"])
    assert genes.loc["a"].loc[["g0", "g1", "g2"], "module"].tolist() == [0, 0, 0]
    # the gene that runs against them is joined to them and belongs to no module
    assert genes.loc[("a", "g3"), "module"] == -1
    assert genes.loc[("a", "g3"), "degree"] == 3
    networks = result["networks"].set_index("group")
    assert networks.loc["a", ["n_edges", "n_positive", "n_negative", "n_modules", "largest_module"]].tolist() == [
        6, 3, 3, 1, 3,
    ]  # fmt: skip
    assert networks.loc["b", "n_edges"] <= 1
    assert networks.loc["a", ["n_spots", "n_genes", "n_pairs"]].tolist() == [60, 7, 21]


def test_fdr_is_over_all_pairs_and_not_the_edges_alone(table):
    from scipy.stats import false_discovery_control

    every = s3.tl.coexpression(table, GENES, threshold=0, layers=(None,), copy=True).results
    few = s3.tl.coexpression(table, GENES, threshold=0.3, layers=(None,), copy=True).results
    assert len(every) == 21
    assert np.allclose(every["fdr"], false_discovery_control(every["pvalue"]))
    merged = few.merge(every, on=["gene_1", "gene_2"])
    assert 0 < len(merged) == len(few)
    assert np.allclose(merged["fdr_x"], merged["fdr_y"])


def test_calibrated_p_of_what_smoothing_alone_makes(table):
    """Denoised, nearly every pair of unrelated genes correlates; permutations say that they need not."""
    found = s3.tl.coexpression(table, GENES, threshold=0, calibrate=99, copy=True).results
    unrelated = found["gene_1"].isin(["g4", "g5", "g6"]) & found["gene_2"].isin(["g4", "g5", "g6"])
    denoised = found[unrelated & (found["layer"] == "s3rl")]
    assert (denoised["pvalue"] < 0.05).mean() > 0.6
    assert (denoised["pvalue_calibrated"] > 0.05).all()
    planted = found[(found["gene_1"] == "g0") & (found["gene_2"] == "g1") & (found["layer"] == "s3rl")]
    assert planted["pvalue_calibrated"].iloc[0] < 0.05


def test_permutations_depend_on_the_seed_alone(table):
    arguments = {"threshold": 0, "calibrate": 29, "library_key": "slide", "copy": True}
    first, again, other = (s3.tl.coexpression(table, GENES, rng=seed, **arguments).results for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["pvalue_calibrated"].equals(other["pvalue_calibrated"])


def test_a_gene_without_variation_has_no_edge(table, caplog):
    with caplog.at_level(logging.INFO, logger="s3rl"):
        found = s3.tl.coexpression(table, [*GENES, "g7"], threshold=0, layers=(None,), copy=True)
    assert "g7" not in {*found.results["gene_1"], *found.results["gene_2"]}
    assert found.networks["n_pairs"].tolist() == [21]


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({"genes": ["g0"]}, errors.ParameterError, "genes: must name 2"),
        ({"genes": None}, errors.ParameterError, "genes: must name 2"),
        ({"genes": ["g0", "g0"]}, errors.ParameterError, "genes: .*each once"),
        ({"genes": ["g0", "TREM2"]}, errors.MissingKeyError, "genes: .*TREM2"),
        ({"threshold": 1.5}, errors.ParameterError, "threshold"),
        ({"threshold": "high"}, errors.ParameterError, "threshold"),
        ({"method": "kendall"}, errors.ParameterError, "method: is no method"),
        ({"groupby": "type"}, errors.MissingKeyError, r"obs\['type'\]"),
        ({"groupby": "group", "min_spots": 100}, errors.LabelsError, r"obs\['group'\]: has no group"),
        ({"layers": "smooth"}, errors.MissingKeyError, r"layers\['smooth'\]"),
        ({"calibrate": "yes"}, errors.ParameterError, "calibrate"),
        ({"library_key": "slice"}, errors.MissingKeyError, r"obs\['slice'\]"),
    ],
    ids=str,
)
def test_what_is_refused(table, arguments, kind, says):
    with pytest.raises(kind, match=says):
        s3.tl.coexpression(table, **{"genes": GENES, **arguments})
    assert "coexpression" not in table.uns
