"""Gene sets: planted ones are found, others at the nominal rate, and the numbers are those of the libraries."""

from __future__ import annotations

import logging
import random

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom
from tl.enrichment_tissue import GENES, PLANTED, G, planted_sets, random_sets, tissue, with_denoised

import s3rl as s3

FEW = {"n_random_sets": 200}


def wide(results: pd.DataFrame, column: str) -> pd.DataFrame:
    return results.pivot(index="term", columns="group", values=column)


@pytest.mark.parametrize(("method", "column"), [("ora", "fdr"), ("gsea", "fdr")])
def test_planted_sets_are_found_where_they_are_and_others_are_not(method, column):
    table = tissue()
    found = s3.tl.enrich(table, planted_sets() | random_sets(60), method=method, groupby="group", copy=True).results
    rates = wide(found, column)
    assert rates.loc["A", "a"] < 0.05
    assert rates.loc["B", "b"] < 0.05
    direction = wide(found, "nes") if method == "gsea" else wide(found, "fold")
    assert direction.loc["A", "a"] > 1.5
    assert direction.loc["B", "b"] > 1.5
    if method == "ora":
        assert (rates.loc["A", ["b", "c"]] > 0.5).all()
        assert set(found.set_index(["group", "term"]).loc[("a", "A"), "genes"].split(";")) <= set(planted_sets()["A"])


@pytest.mark.parametrize("method", ["ora", "gsea"])
def test_sets_without_a_pattern_have_no_more_small_p_values_than_they_should(method):
    sets = random_sets(250, seed=3)
    genes = {"genes": GENES[60:130]} if method == "ora" else {"groupby": "group"}
    found = s3.tl.enrich(
        tissue(planted=False), sets, method=method, params={"n_random_sets": 300}, copy=True, rng=2, **genes
    ).results
    share = (found["pvalue"] <= 0.05).mean()
    # a count cannot be cut at every level, so the hypergeometric test rejects less
    assert 0.0 < share < 0.085
    assert (found["fdr"] <= 0.05).mean() < 0.02


def test_over_representation_is_scipys_and_gseapys():
    import gseapy

    table, sets, own = tissue(), random_sets(8) | planted_sets(), [*GENES[:40], "UNKNOWN"]
    found = s3.tl.enrich(table, sets, genes=own, copy=True).results.set_index("term")
    measured = set(GENES)
    for term, genes in sets.items():
        overlap = len(set(genes) & set(own))
        assert found.loc[term, "overlap"] == overlap
        assert found.loc[term, "pvalue"] == pytest.approx(hypergeom.sf(overlap - 1, G, len(genes), 40))
    theirs = gseapy.enrich(gene_list=own[:40], gene_sets=sets, background=list(measured), outdir=None).results
    theirs = theirs.set_index("Term")
    both = found.loc[theirs.index]
    assert both["pvalue"].to_numpy() == pytest.approx(theirs["P-value"].to_numpy(float))
    assert both["odds_ratio"].to_numpy() == pytest.approx(theirs["Odds Ratio"].to_numpy(float))


def test_the_background_is_what_was_seen():
    table = tissue()
    x = table.X.tolil()
    x[:, 300:] = 0
    table.X = x.tocsr()
    found = s3.tl.enrich(table, {"A": GENES[:20] + GENES[300:310]}, genes=GENES[:30], copy=True).results
    assert found.loc[0, ["overlap", "size", "n_genes"]].tolist() == [20, 20, 30]
    assert found.loc[0, "pvalue"] == pytest.approx(hypergeom.sf(19, 300, 20, 30))


def test_preranked_scores_are_those_of_the_walk_and_of_gseapy():
    import gseapy

    rng = np.random.default_rng(4)
    scores = pd.Series(rng.normal(size=G), index=GENES)
    sets = random_sets(6)
    found = s3.tl.enrich(tissue(), sets, method="gsea", genes=scores, copy=True).results.set_index("term")
    ranked = scores.sort_values(ascending=False)
    theirs = gseapy.prerank(
        ranked, sets, permutation_num=200, min_size=1, max_size=500, outdir=None, no_plot=True, seed=1
    ).res2d.set_index("Term")
    for term, genes in sets.items():
        hits = ranked.index.isin(genes)
        up = np.where(hits, ranked.abs(), 0) / ranked[hits].abs().sum()
        path = np.cumsum(up - ~hits / (~hits).sum())
        score = path.max() if path.max() > -path.min() else path.min()
        assert found.loc[term, "score"] == pytest.approx(score)
        assert found.loc[term, "score"] == pytest.approx(float(theirs.loc[term, "ES"]))
        assert found.loc[term, "nes"] == pytest.approx(float(theirs.loc[term, "NES"]), rel=0.15)
        assert found.loc[term, "pvalue"] == pytest.approx(float(theirs.loc[term, "NOM p-val"]), abs=0.12)
        assert set(found.loc[term, "genes"].split(";")) == set(theirs.loc[term, "Lead_genes"].split(";"))


def test_names_of_any_case_are_kept_as_they_are():
    """gseapy compares capitals where it thinks that it should."""
    table = tissue()
    table.var_names = [f"c{i}orf1" if i % 2 else f"GENE{i}" for i in range(G)]
    sets = {"A": list(table.var_names[:25]), "B": list(table.var_names[30:60])}
    found = s3.tl.enrich(table, sets, method="gsea", groupby="group", params=FEW, copy=True).results
    assert set(found["size"]) == {25, 30}
    assert s3.tl.enrich(table, sets, method="ssgsea", copy=True).scores.notna().all(axis=None)


@pytest.mark.parametrize("method", ["ssgsea", "gsva"])
def test_scores_of_spots_are_high_where_the_set_is(method):
    table = tissue()
    s3.tl.enrich(table, planted_sets(), method=method)
    scores = pd.DataFrame(table.obsm[f"enrich_{method}"], columns=table.uns[f"enrich_{method}"]["sets"]["term"])
    assert table.obsm[f"enrich_{method}"].dtype == np.float32
    means = scores.groupby(table.obs["group"].to_numpy()).mean()
    assert means["A"].idxmax() == "a"
    assert means["B"].idxmax() == "b"
    groups = s3.tl.enrich(table, planted_sets(), method=method, groupby="group", copy=True)
    assert groups.scores is None
    assert wide(groups.results, "score").loc["A"].idxmax() == "a"


def test_ssgsea_is_gseapys_whatever_the_chunk_and_the_order_of_genes(monkeypatch):
    import gseapy

    from s3rl.tl import _enrich_methods

    table, sets = tissue(), planted_sets()
    # no ties, of which gseapy takes any order
    table.X = (table.X.toarray() + 0.1 * np.random.default_rng(0).random(table.shape)).astype(np.float32)
    found = s3.tl.enrich(table, sets, method="ssgsea", copy=True).scores
    frame = pd.DataFrame(table.X.T, index=GENES, columns=table.obs_names)
    theirs = gseapy.ssgsea(frame, sets, min_size=1, outdir=None, threads=1).res2d.pivot(
        index="Name", columns="Term", values="NES"
    )
    pd.testing.assert_frame_equal(
        found, theirs.loc[found.index, found.columns].astype(np.float32), check_names=False, rtol=1e-4
    )
    monkeypatch.setattr(_enrich_methods, "_CHUNK", 40)
    other = table[:, np.random.default_rng(1).permutation(G)].copy()
    pd.testing.assert_frame_equal(s3.tl.enrich(other, sets, method="ssgsea", copy=True).scores, found, rtol=1e-6)


def test_ties_do_not_depend_on_the_order_of_genes():
    table, sets = tissue(), planted_sets()
    other = table[:, ::-1].copy()
    for method in ("ssgsea", "gsva"):
        once, again = (s3.tl.enrich(data, sets, method=method, copy=True).scores for data in (table, other))
        pd.testing.assert_frame_equal(once, again, rtol=1e-5, atol=1e-6)


def test_a_gmt_file_and_a_ranking_of_scanpy(tmp_path):
    import scanpy as sc

    table, sets = tissue(), planted_sets()
    lines = ["\t".join([name, "x", *genes]) for name, genes in sets.items()]
    (tmp_path / "sets.gmt").write_text("\n".join(lines))
    own = s3.tl.enrich(table, tmp_path / "sets.gmt", groupby="group", copy=True).results
    sc.tl.rank_genes_groups(table, "group", method="wilcoxon", tie_correct=True, key_added="marks")
    for method in ("ora", "gsea"):
        ours = s3.tl.enrich(table, sets, method=method, groupby="group", params=FEW, copy=True).results
        theirs = s3.tl.enrich(table, sets, method=method, markers_key="marks", params=FEW, copy=True).results
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-4)
        if method == "ora":
            pd.testing.assert_frame_equal(ours, own)


def test_thresholds_decide_what_marks_a_group():
    table, sets = tissue(), planted_sets()
    few = s3.tl.enrich(table, sets, groupby="group", params={"n_markers": 7}, copy=True).results
    assert set(few.loc[few["group"] == "a", "n_genes"]) == {7}
    none = s3.tl.enrich(table, sets, groupby="group", params={"min_log2fc": 30.0}, copy=True).results
    assert len(none) == 6
    assert (none["n_genes"] == 0).all()
    assert (none["pvalue"] == 1).all()
    assert (none["genes"] == "").all()


def test_spots_without_a_name_take_no_part():
    table = tissue()
    extra = tissue(seed=9)
    extra.obs_names = [f"x{i}" for i in range(extra.n_obs)]
    import anndata as ad

    both = ad.concat([table, extra])
    both.obs["group"] = pd.Categorical([*table.obs["group"], *[None] * extra.n_obs])
    for method in ("ora", "gsea", "ssgsea"):
        more = {"groupby": "group", "copy": True, "method": method, "params": FEW}
        found = s3.tl.enrich(both, planted_sets(), **more).results
        alone = s3.tl.enrich(table, planted_sets(), **more).results
        pd.testing.assert_frame_equal(found, alone, rtol=1e-5 if method != "ssgsea" else 0.05, atol=1e-8)


def test_seeds_and_global_states():
    table, sets = tissue(), planted_sets() | random_sets(5)
    state, numbers = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    once, again, other = (
        s3.tl.enrich(table, sets, method="gsea", groupby="group", rng=seed, params=FEW, copy=True).results
        for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(once, again)
    assert not once["pvalue"].equals(other["pvalue"])
    assert once["score"].equals(other["score"])
    assert random.getstate() == state
    assert np.array_equal(np.random.get_state()[1], numbers)  # noqa: NPY002


def test_denoised_tests_are_flagged_and_logged_once(caplog):
    table = with_denoised(tissue())
    with caplog.at_level(logging.INFO, "s3rl"):
        s3.tl.enrich(table, planted_sets(), groupby="group", layer="s3rl")
    assert sum("denoised" in line for line in caplog.messages) == 1
    assert table.uns["enrich_ora_s3rl"]["results"]["post_denoising"].all()
    assert table.uns["enrich_ora_s3rl"]["params"]["post_denoising"]
    caplog.clear()
    with caplog.at_level(logging.INFO, "s3rl"):
        found = s3.tl.enrich(table, planted_sets(), groupby="group", copy=True).results
    assert not found["post_denoising"].any()
    assert not any("denoised" in line for line in caplog.messages)


@pytest.mark.parametrize("method", ["ora", "gsea"])
def test_calibrated_p_values_hold_where_others_do_not(method):
    """Genes of a set go up and down together, from spot to spot and without a place: nothing is there to be found."""
    rng = np.random.default_rng(8)
    table = tissue(planted=False)
    values = table.X.toarray()
    sets = {f"S{i}": GENES[i * 20 : (i + 1) * 20] for i in range(20)}
    for number in range(20):
        values[:, number * 20 : (number + 1) * 20] *= rng.gamma(1, 1, (table.n_obs, 1))
    table.X = values.astype(np.float32)
    with_denoised(table)
    found = s3.tl.enrich(
        table, sets, method=method, groupby="group", layer="s3rl", calibrate=True, copy=True,
        params={"n_perms": 150, "min_log2fc": 0.0, "n_markers": 60} | FEW,
    ).results  # fmt: skip
    assert (found["pvalue"] <= 0.05).mean() >= 0.15
    assert (found["pvalue_calibrated"] <= 0.05).mean() < 0.14
    assert found["pvalue_calibrated"].min() >= 1 / 151


@pytest.mark.parametrize("method", ["ora", "gsea"])
def test_calibrated_tests_still_find_what_is_there(method):
    table = with_denoised(tissue())
    found = s3.tl.enrich(
        table, planted_sets() | random_sets(10), method=method, groupby="group", layer="s3rl", calibrate=True,
        copy=True, params={"n_perms": 200, "min_log2fc": 0.0} | FEW,
    ).results  # fmt: skip
    rates = wide(found, "pvalue_calibrated")
    assert rates.loc["A", "a"] <= 0.02
    assert rates.loc["B", "b"] <= 0.02
    assert (rates.iloc[2:] <= 0.05).to_numpy().mean() < 0.2


def test_the_null_compares_groups_of_denoised_genes():
    from s3rl._slots.markers import ranking_of
    from s3rl.statistics.readout import readout
    from s3rl.tl._enrich_calibrate import null_of

    table = with_denoised(tissue())
    table.obs["group"] = table.obs["group"].where(np.arange(table.n_obs) % 7 > 0)
    ranking = ranking_of(table, "group", "s3rl", fix="")
    null = null_of(table, ranking, "group", "s3rl", None, n_perms=70, seed=0)
    raw = table[:, ranking.genes].X.toarray()
    smooth = readout(table.obsm["X_s3rl"]).smooth(raw)
    named = table.obs["group"].notna().to_numpy()
    for number, name in enumerate("abc"):
        own = (table.obs["group"] == name).to_numpy()
        apart = smooth[own].mean(axis=0) - smooth[named & ~own].mean(axis=0)
        assert null.observed[:, number] == pytest.approx(apart / raw.std(axis=0), rel=1e-3, abs=1e-6)
    assert np.concatenate(list(null.permuted), axis=1).shape == (len(ranking.genes), 70, 3)


def test_nothing_asks_the_network(monkeypatch):
    import socket

    def refuse(*_, **__):
        raise AssertionError("a connection was asked for")

    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for method in ("ora", "gsea", "ssgsea", "gsva"):
        s3.tl.enrich(tissue(), planted_sets(), method=method, groupby="group", params=FEW, copy=True)
    network = pd.DataFrame({"source": ["A"] * 9, "target": GENES[:9], "weight": 1.0})
    assert s3.tl.tf_enrichment(tissue(), network, groupby="group", copy=True).activity is not None


def test_planted_genes_are_named():
    found = s3.tl.enrich(tissue(), planted_sets(), groupby="group", copy=True).results
    row = found.set_index(["group", "term"]).loc[("b", "B")]
    assert set(row["genes"].split(";")) <= set(PLANTED["b"])
    assert len(row["genes"].split(";")) == row["overlap"]


def test_scores_of_spots_of_a_run_before_go_with_it_and_those_of_others_stay():
    table, sets = tissue(), planted_sets()
    table.obsm["mine"] = np.ones((table.n_obs, 2))
    s3.tl.enrich(table, sets, method="ssgsea")
    s3.tl.enrich(table, sets, method="ssgsea", groupby="group")
    for _ in range(2):
        s3.tl.enrich(table, sets, groupby="group", key_added="mine")
    assert "enrich_ssgsea" not in table.obsm
    assert (table.obsm["mine"] == 1).all()
