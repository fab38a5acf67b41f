"""Regulators: planted regulons are found, families and metagenes with them, and what is refused."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pandas as pd
import pytest
from laws.contents import changed, contents
from scipy.stats import hypergeom, linregress, pearsonr
from tl.enrichment_tissue import GENES, G, random_sets, tissue, with_denoised

import s3rl as s3
from s3rl import errors

REGULONS = {"GENE10": [*GENES[:18], *GENES[200:206]], "TF2": [*GENES[5:25], *GENES[210:214]], "TF3": GENES[30:52]}
FAMILIES = {"GENE10": "bZIP", "TF2": "bZIP", "TF3": "NAC", "R0": "MYB", "R1": "MYB", "unknown": "WRKY"}


def network(others: int = 40, weighted: bool = True) -> pd.DataFrame:
    regulons = REGULONS | random_sets(others)
    frame = pd.concat([pd.DataFrame({"source": tf, "target": own}) for tf, own in regulons.items()], ignore_index=True)
    return frame.assign(weight=1.0) if weighted else frame


def test_planted_regulons_and_their_family_are_found_where_they_are():
    table = tissue()
    found = s3.tl.tf_enrichment(table, network(), families=FAMILIES, groupby="group", copy=True)
    rates = found.results.pivot(index="tf", columns="group", values="fdr")
    assert (rates.loc[["GENE10", "TF2"], "a"] < 1e-3).all()
    assert rates.loc["TF3", "b"] < 1e-3
    assert (rates["c"] > 0.05).all()
    assert (rates.drop(list(REGULONS)) <= 0.05).to_numpy().mean() < 0.03
    families = found.families.set_index(["group", "family"])
    assert set(found.families["family"]) == {"bZIP", "NAC", "MYB"}
    assert families.loc[("a", "bZIP"), "fdr"] < 1e-6
    assert families.loc[("a", "bZIP"), ["n_tfs", "n_enriched"]].tolist() == [2, 2]
    assert families.loc[("a", "MYB"), ["n_tfs", "n_enriched"]].tolist() == [2, 0]
    assert families.loc[("a", "NAC"), "fdr"] > 0.05
    assert set(found.results.loc[found.results["tf"] == "TF3", "family"]) == {"NAC"}


def test_a_family_is_its_targets_together_each_counted_once():
    own = GENES[:40]
    found = s3.tl.tf_enrichment(tissue(), network(2, weighted=False), families=FAMILIES, genes=own, copy=True)
    row = found.families.set_index("family").loc["bZIP"]
    union = set(REGULONS["GENE10"]) | set(REGULONS["TF2"])
    overlap = len(union & set(own))
    assert row[["overlap", "size"]].tolist() == [overlap, len(union)]
    assert row["pvalue"] == pytest.approx(hypergeom.sf(overlap - 1, G, len(union), 40))
    assert set(row["genes"].split(";")) == union & set(own)
    assert found.activity is None
    assert "activity" not in found.results


def test_regulators_without_a_pattern_are_not_found_more_often_than_they_should():
    regulons = random_sets(300, seed=5)
    frame = pd.concat([pd.DataFrame({"source": tf, "target": own}) for tf, own in regulons.items()])
    found = s3.tl.tf_enrichment(tissue(planted=False), frame, genes=GENES[60:140], copy=True).results
    assert 0 < (found["pvalue"] <= 0.05).mean() < 0.07


def test_activity_is_the_slope_of_expression_on_weights():
    table, rng = tissue(), np.random.default_rng(0)
    frame = network(3)
    frame["weight"] = rng.normal(size=len(frame))
    s3.tl.tf_enrichment(table, frame, groupby="group")
    described = table.uns["tf_enrichment"]
    activity = pd.DataFrame(table.obsm["tf_enrichment"], index=table.obs_names, columns=described["tfs"])
    for tf in ("TF2", "R1"):
        weights = frame[frame["source"] == tf].set_index("target")["weight"].reindex(GENES).fillna(0.0).to_numpy()
        for spot in (0, 77):
            line = linregress(weights, table.X[spot].toarray().ravel())
            assert activity.loc[f"s{spot}", tf] == pytest.approx(line.slope / line.stderr, rel=1e-4)
    ranking = s3.tl.enrich(table, {"x": GENES[:20]}, method="gsea", groupby="group", params={"n_random_sets": 9})
    assert ranking is None
    scores = table.uns["enrich_gsea"]["ranking"]
    line = linregress(weights, pd.Series(scores["scores"][:, 1], index=scores["genes"]).reindex(GENES))
    row = described["results"].set_index(["group", "tf"]).loc[("b", "R1")]
    assert row["activity"] == pytest.approx(line.slope / line.stderr)
    assert row["activity_pvalue"] == pytest.approx(line.pvalue)


def test_planted_activity_is_high_where_the_targets_are():
    found = s3.tl.tf_enrichment(tissue(), network(5), groupby="group", copy=True)
    means = found.activity.groupby(np.repeat(["a", "b", "c"], 50)).mean()
    assert means["TF2"].idxmax() == "a"
    assert means["TF3"].idxmax() == "b"
    rows = found.results.set_index(["group", "tf"])
    assert rows.loc[("a", "TF2"), "activity_fdr"] < 1e-6
    assert rows.loc[("b", "TF3"), "activity"] > 5


def test_metagenes_and_regulators():
    table = tissue()
    s3.tl.metagenes(table, GENES[:60], n=2)
    found = s3.tl.tf_enrichment(table, network(4), groupby="group", metagenes_key="metagenes", copy=True).correlation
    expressed = found[found["of"] == "expression"].set_index(["tf", "metagene"])
    assert {tf for tf, _ in expressed.index} == {"GENE10"}
    own = table[:, "GENE10"].X.toarray().ravel()
    for k in ("0", "1"):
        expected = pearsonr(own, table.obsm["metagenes"][:, int(k)])
        assert expressed.loc[("GENE10", k), "r"] == pytest.approx(expected.statistic, rel=1e-4)
        assert expressed.loc[("GENE10", k), "pvalue"] == pytest.approx(expected.pvalue, rel=1e-2)
    active = found[found["of"] == "activity"].pivot(index="tf", columns="metagene", values="r")
    best = active.loc[["TF2", "TF3"]].to_numpy().argmax(axis=1)
    assert sorted(best) == [0, 1]
    assert (active.loc[["TF2", "TF3"]].max(axis=1) > 0.6).all()


def test_calibrated_tests_on_denoised_values(caplog):
    table = with_denoised(tissue())
    rng = np.random.default_rng(3)
    table.obsm["patterns"] = np.column_stack([table.obsm["X_s3rl"][:, 0], rng.normal(size=table.n_obs)])
    lone = pd.DataFrame({"source": np.repeat(GENES[60:160], 5), "target": np.tile(GENES[:5], 100)})
    frame = pd.concat([network(0, weighted=False), lone])
    with caplog.at_level(logging.INFO, "s3rl"):
        found = s3.tl.tf_enrichment(
            table, frame, groupby="group", layer="s3rl", families=FAMILIES, metagenes_key="patterns", calibrate=True,
            params={"n_perms": 150, "min_log2fc": 0.0}, copy=True,
        )  # fmt: skip
    assert sum("denoised" in line for line in caplog.messages) == 1
    assert found.results["post_denoising"].all()
    rows = found.results.set_index(["group", "tf"])
    assert rows.loc[("a", "TF2"), "pvalue_calibrated"] <= 0.02
    assert found.families.set_index(["group", "family"]).loc[("a", "bZIP"), "pvalue_calibrated"] <= 0.02
    none = found.correlation[found.correlation["tf"].isin(GENES[60:160]) & (found.correlation["metagene"] == "0")]
    assert (none["pvalue"] <= 0.05).mean() > 0.3
    assert (none["pvalue_calibrated"] <= 0.05).mean() < 0.12


def test_a_network_from_a_file_and_an_activity_that_nobody_wants(tmp_path):
    network(3).to_csv(tmp_path / "net.csv", index=False)
    quiet = {"params": {"activity": False}, "groupby": "group", "copy": True}
    found = s3.tl.tf_enrichment(tissue(), tmp_path / "net.csv", **quiet)
    assert found.activity is None
    pd.testing.assert_frame_equal(found.results, s3.tl.tf_enrichment(tissue(), network(3), **quiet).results)


def test_activities_of_a_run_before_go_with_it():
    table = tissue()
    s3.tl.tf_enrichment(table, network(3), groupby="group")
    assert "tf_enrichment" in table.obsm
    s3.tl.tf_enrichment(table, network(3), groupby="group", params={"activity": False})
    assert "tf_enrichment" not in table.obsm


REFUSED = [
    ({"network": 3}, errors.ParameterError, "network"),
    ({"network": pd.DataFrame({"tf": ["A"]})}, errors.InputError, "network"),
    ({"network": network().replace({gene: gene.lower() for gene in GENES})}, errors.InputError, "network"),
    ({"params": {"min_targets": 200}}, errors.ParameterError, "network"),
    ({"params": {"activity": "yes"}}, errors.ParameterError, "params.activity"),
    ({"families": {}}, errors.ParameterError, "families"),
    ({"metagenes_key": "metagenes"}, errors.MissingKeyError, "obsm['metagenes']"),
    ({"groupby": "layer"}, errors.MissingKeyError, "obs['layer']"),
    ({"genes": GENES[:9]}, errors.ParameterError, "genes"),
    ({"groupby": None, "genes": []}, errors.ParameterError, "genes"),
    ({"calibrate": True}, errors.ParameterError, "calibrate"),
    ({"rng": "one"}, errors.ParameterError, "rng"),
]


@pytest.mark.parametrize(("arguments", "kind", "key"), REFUSED, ids=lambda value: "")
def test_refused_with_the_key_and_nothing_changed(arguments, kind, key):
    table = tissue()
    before = contents(table)
    with pytest.raises(kind) as caught:
        s3.tl.tf_enrichment(table, **({"network": network(weighted=False), "groupby": "group"} | arguments))
    assert caught.value.key == key
    assert caught.value.fix
    assert changed(before, contents(table)) == set()


def test_without_decoupler(monkeypatch):
    monkeypatch.setitem(sys.modules, "decoupler", None)
    with pytest.raises(errors.MissingExtraError, match=r"s3rl-tools\[enrichment\]"):
        s3.tl.tf_enrichment(tissue(), network(3), groupby="group")
    assert s3.tl.tf_enrichment(tissue(), network(3, weighted=False), groupby="group", copy=True) is not None


@pytest.mark.parametrize("calibrate", [99, 1, "yes", None])
def test_calibrate_is_no_number_of_permutations(calibrate):
    """Elsewhere it may be one; here a number would be passed over in silence."""
    adata = with_denoised(tissue())
    network = pd.DataFrame({"source": "TF", "target": GENES[:20]})
    for call, given in ((s3.tl.enrich, random_sets(3)), (s3.tl.tf_enrichment, network)):
        with pytest.raises(errors.ParameterError, match=r"calibrate: must be True or False.*n_perms") as caught:
            call(adata, given, groupby="group", layer="s3rl", calibrate=calibrate)
        assert caught.value.key == "calibrate"
