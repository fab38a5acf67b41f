"""Pictures of enrichment: what stands where, how large and in which colour."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from laws.contents import changed, contents
from tl.enrichment_tissue import GENES, planted_sets, random_sets, tissue

import s3rl as s3
from s3rl import errors

FEW = {"n_random_sets": 100}
MOTIFS = {"AP1": np.eye(4)[[3, 2, 0, 1, 3, 1, 0, 3]] * 40, "ETS/2": np.eye(4)[[0, 1, 1, 2, 2, 0]] * 40}


@pytest.fixture(scope="module")
def table():
    mpl.use("Agg")
    table, sets = tissue(), planted_sets() | random_sets(12)
    network = pd.concat([pd.DataFrame({"source": tf, "target": own, "weight": 1.0}) for tf, own in sets.items()])
    network["source"] = network["source"].replace({"A": "GENE7", "B": "GENE31"})
    for method in ("ora", "gsea"):
        s3.tl.enrich(table, sets, method=method, groupby="group", params=FEW)
    s3.tl.enrich(table, sets, method="ssgsea")
    s3.tl.enrich(table, sets, method="ssgsea", groupby="group", key_added="means")
    table.obsm["metagenes"] = np.column_stack([np.arange(150) < 50, np.arange(150) % 50 > 25]).astype(np.float32)
    families = {"GENE7": "bZIP", "GENE31": "NAC", "R0": "MYB"}
    s3.tl.tf_enrichment(table, network, families=families, groupby="group", metagenes_key="metagenes")
    s3.tl.tf_enrichment(table, network, genes=GENES[:25], key_added="listed")
    rng = np.random.default_rng(0)
    sequences = {gene: "".join(rng.choice(list("ACGT"), 60)) for gene in GENES[:80]}
    for gene in GENES[:15]:
        sequences[gene] = sequences[gene][:20] + "TGACTCAT" + sequences[gene][28:]
    s3.tl.motif_scan(table, MOTIFS, sequences=sequences, genes={"up": GENES[:20]}, max_pvalue=1e-3)
    s3.tl.motif_scan(table, MOTIFS, sequences=sequences, max_pvalue=1e-3, key_added="alone")
    return table


def labels(ticks) -> list[str]:
    return [tick.get_text() for tick in ticks]


def dots_of(ax) -> pd.DataFrame:
    """Dots by the names of their column and row."""
    drawn = ax.collections[0]
    columns, rows = labels(ax.get_xticklabels()), labels(ax.get_yticklabels())
    places = np.asarray(drawn.get_offsets())
    return pd.DataFrame(
        {
            "group": [columns[int(x)] for x in places[:, 0]],
            "row": [rows[int(y)] for y in places[:, 1]],
            "size": drawn.get_sizes(),
            "color": np.asarray(drawn.get_array()),
            "edge": drawn.get_linewidths(),
        }
    ).set_index(["group", "row"])


def test_dots_show_overlap_and_significance(table):
    (ax,) = s3.pl.enrich(table, show=False)
    assert labels(ax.get_xticklabels()) == ["a", "b", "c"]
    assert labels(ax.get_yticklabels())[0] == "A"
    drawn = dots_of(ax)
    results = table.uns["enrich_ora"]["results"].set_index(["group", "term"])
    for place, row in drawn.iterrows():
        assert row["color"] == pytest.approx(min(-np.log10(results.loc[place, "fdr"]), 20))
        assert (row["size"] > 0) == (results.loc[place, "overlap"] > 0)
        assert (row["edge"] == 1) == (results.loc[place, "fdr"] <= 0.05)
    assert drawn["size"].idxmax() in {("a", "A"), ("b", "B")}


def test_dots_of_a_ranking_have_the_sign_of_the_score(table):
    (ax,) = s3.pl.enrich(table, key="enrich_gsea", terms=["B", "A", "R1"], groups=["b", "a"], show=False)
    assert labels(ax.get_yticklabels()) == ["B", "A", "R1"]
    assert labels(ax.get_xticklabels()) == ["b", "a"]
    drawn = dots_of(ax)
    results = table.uns["enrich_gsea"]["results"].set_index(["group", "term"])
    assert drawn.loc[("a", "A"), "color"] > 0.5
    assert drawn.loc[("b", "A"), "color"] < 0
    assert np.sign(drawn["color"]).equals(np.sign(results.loc[drawn.index, "score"]).rename("color"))
    low, high = ax.collections[0].get_clim()
    assert low == -high


def test_calibrated_rates_are_taken_where_there_are(table):
    other = table.copy()
    results = other.uns["enrich_ora"]["results"]
    results["fdr_calibrated"] = np.where(results["term"] == "R3", 1e-3, 1.0)
    (ax,) = s3.pl.enrich(other, show=False)
    assert labels(ax.get_yticklabels()) == ["R3"]
    assert "calibrated" in ax.child_axes[0].get_ylabel()


def test_the_curve_ends_at_zero_and_reaches_the_score(table):
    (ax,) = s3.pl.enrich(table, key="enrich_gsea", kind="curve", terms=["A", "R2"], groups="a", show=False)
    results = table.uns["enrich_gsea"]["results"].set_index(["group", "term"])
    for line, term in zip(ax.get_lines(), ["A", "R2"], strict=False):
        height = line.get_ydata()
        assert height[-1] == pytest.approx(0, abs=1e-9)
        assert height[np.abs(height).argmax()] == pytest.approx(results.loc[("a", term), "score"])
        assert line.get_label().startswith(f"{term}\nNES {results.loc[('a', term), 'nes']:.2f}")
    marks = [len(drawn.get_segments()) for drawn in ax.collections]
    assert marks == [results.loc[("a", term), "size"] for term in ("A", "R2")]
    assert "in a" in ax.get_xlabel()
    (ax,) = s3.pl.enrich(table, key="enrich_gsea", kind="curve", show=False)
    best = results["nes"].abs().idxmax()
    assert ax.get_legend().get_texts()[0].get_text().startswith(best[1])


def test_maps_show_the_scores_where_the_spots_are(table):
    axes = s3.pl.enrich(table, key="enrich_ssgsea", terms=["B", "A"], library_key="group", show=False)
    assert len(axes) == 6
    assert [ax.get_title() for ax in axes[:2]] == ["a: B", "b: B"]
    drawn = axes[1].collections[0]
    names = table.uns["enrich_ssgsea"]["sets"]["term"].tolist()
    own = (table.obs["group"] == "b").to_numpy()
    assert np.allclose(drawn.get_array(), table.obsm["enrich_ssgsea"][own, names.index("B")])
    assert np.allclose(drawn.get_offsets(), table.obsm["spatial"][own])
    assert len(s3.pl.enrich(table, key="enrich_ssgsea", n_terms=3, show=False)) == 3


def test_scores_of_groups_are_less_the_mean_of_their_set(table):
    (ax,) = s3.pl.enrich(table, key="means", terms=["A", "B"], show=False)
    drawn = dots_of(ax)["color"].unstack()
    assert drawn.sum().to_numpy() == pytest.approx([0, 0], abs=1e-6)
    assert drawn["A"].idxmax() == "a"


def test_regulators_as_dots_and_as_bars(table):
    ax = s3.pl.tf_enrichment(table, show=False)
    results = table.uns["tf_enrichment"]["results"].set_index(["group", "tf"])
    drawn = dots_of(ax)
    assert {"GENE7", "GENE31"} <= set(drawn.index.get_level_values("row"))
    assert drawn.loc[("a", "GENE7"), "color"] == pytest.approx(-np.log10(results.loc[("a", "GENE7"), "fdr"]))
    ax = s3.pl.tf_enrichment(table, key="listed", n_top=3, show=False)
    listed = table.uns["listed"]["results"].set_index("tf")
    widths = [bar.get_width() for bar in ax.patches]
    names = labels(ax.get_yticklabels())
    assert names[0] == "GENE7"
    assert widths == pytest.approx(listed.loc[names, "fold"].tolist())
    ax = s3.pl.tf_enrichment(table, kind="families", show=False)
    assert set(labels(ax.get_yticklabels())) <= {"bZIP", "NAC", "MYB"}


def test_correlations_as_a_map_of_regulators_and_metagenes(table):
    for of in ("expression", "activity"):
        ax = s3.pl.tf_enrichment(table, kind="correlation", of=of, show=False)
        found = table.uns["tf_enrichment"]["correlation"]
        own = found[found["of"] == of].pivot(index="tf", columns="metagene", values="r")
        rows = labels(ax.get_yticklabels())
        assert np.allclose(ax.images[0].get_array(), own.loc[rows, ["0", "1"]])
        low, high = ax.images[0].get_clim()
        assert low == -high
        rate = found[found["of"] == of].pivot(index="tf", columns="metagene", values="fdr").loc[rows]
        assert len(ax.get_lines()) == (rate <= 0.05).to_numpy().sum()


def test_motifs_as_letters_beside_their_enrichment(table):
    figure = s3.pl.motif_scan(table, show=False)
    left, right = figure.axes[0], figure.axes[1]
    assert left.get_ylabel() == "AP1"
    assert len(left.patches) >= 8
    top = max(patch.get_path().vertices[:, 1].max() for patch in left.patches)
    assert 1.5 < top <= 2
    tested = table.uns["motif_scan"]["enrichment"].set_index("motif")
    assert right.patches[0].get_width() == pytest.approx(tested.loc["AP1", "fold"])
    assert "up" in right.get_title()
    figure = s3.pl.motif_scan(table, key="alone", motifs=["ETS/2"], show=False)
    assert len(figure.axes) == 2
    assert figure.axes[1].get_title() == "genes with the motif"


@pytest.mark.parametrize(
    ("function", "arguments", "kind", "key"),
    [
        ("enrich", {"key": "enrich"}, errors.MissingKeyError, "uns['enrich']"),
        ("enrich", {"key": "other"}, errors.InputError, "uns['other']"),
        ("enrich", {"kind": "pie"}, errors.ParameterError, "kind"),
        ("enrich", {"kind": "curve"}, errors.ParameterError, "kind"),
        ("enrich", {"kind": "map"}, errors.ParameterError, "kind"),
        ("enrich", {"terms": ["Z"]}, errors.MissingKeyError, "terms"),
        ("enrich", {"terms": []}, errors.MissingKeyError, "terms"),
        ("enrich", {"groups": "d"}, errors.MissingKeyError, "groups"),
        ("enrich", {"n_terms": 0}, errors.ParameterError, "n_terms"),
        ("enrich", {"max_fdr": 0}, errors.ParameterError, "max_fdr"),
        ("enrich", {"ax": 3}, errors.ParameterError, "ax"),
        ("enrich", {"save": "nowhere/picture.png"}, errors.StoreError, "save"),
        (
            "enrich",
            {"key": "enrich_gsea", "kind": "curve", "groups": ["a", "b"]},
            errors.ParameterError,
            "groups",
        ),
        (
            "enrich",
            {"key": "enrich_gsea", "kind": "curve", "terms": [f"R{i}" for i in range(7)]},
            errors.ParameterError,
            "terms",
        ),
        ("tf_enrichment", {"key": "tf"}, errors.MissingKeyError, "uns['tf']"),
        ("tf_enrichment", {"kind": "motifs"}, errors.ParameterError, "kind"),
        ("tf_enrichment", {"key": "listed", "kind": "families"}, errors.ParameterError, "kind"),
        ("tf_enrichment", {"names": "GENE8"}, errors.MissingKeyError, "names"),
        ("tf_enrichment", {"kind": "correlation", "of": "motif"}, errors.MissingKeyError, "of"),
        ("tf_enrichment", {"n_top": 1.5}, errors.ParameterError, "n_top"),
        ("motif_scan", {"key": "motifs"}, errors.MissingKeyError, "uns['motifs']"),
        ("motif_scan", {"motifs": "MYB"}, errors.MissingKeyError, "motifs"),
        ("motif_scan", {"groups": "down"}, errors.MissingKeyError, "groups"),
        ("motif_scan", {"n_top": 0}, errors.ParameterError, "n_top"),
    ],
)
def test_refused_with_the_key_and_nothing_changed(table, function, arguments, kind, key):
    other = table.copy()
    other.uns["other"] = {"params": {}}
    before = contents(other)
    with pytest.raises(kind) as caught:
        getattr(s3.pl, function)(other, show=False, **arguments)
    assert caught.value.key == key
    assert caught.value.fix
    assert changed(before, contents(other)) == set()


def test_one_axes_for_several_maps(table):
    import matplotlib.pyplot as plt

    with pytest.raises(errors.ParameterError, match="ax: is one"):
        s3.pl.enrich(table, key="enrich_ssgsea", ax=plt.subplots()[1], show=False)
    ax = plt.subplots()[1]
    assert s3.pl.enrich(table, key="enrich_ssgsea", terms="A", ax=ax, show=False) == [ax]
