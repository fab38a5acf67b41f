"""The calls on the pages about what comes after the domains run as they stand there."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import s3rl as s3

SITE = "TGACGTCAGG"
PAGES = Path(__file__).resolve().parents[2] / "docs" / "downstream"
MOTIFS = "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF M1\nletter-probability matrix: alength= 4 w= 10\n" + "".join(
    " ".join("0.97" if base == letter else "0.01" for base in "ACGT") + "\n" for letter in SITE
)


def run(page: str, names: dict[str, Any]) -> dict[str, Any]:
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    code = re.findall(r"```python\n(.*?)```", (PAGES / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in code:
            exec(compile(block, f"{page}.md", "exec"), names)
    plt.close("all")
    return names


@pytest.fixture(scope="module")
def trained():
    import squidpy as sq

    adata = s3.datasets.simulated_tumour(n_spots=300, n_null=40, rng=1).tables["table"]
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    s3.tl.s3rl(adata, n_domains=5, params={"max_epochs": 40}, progress=False, device="cpu")
    return adata


def test_genes():
    adata = run("genes", {})["adata"]
    assert {"spatially_variable_genes", "spatially_variable_genes_domain", "metagenes"} <= set(adata.uns)
    assert adata.obsm["metagenes"].shape == (300, 3)


def test_structures():
    adata = run("structures", {})["adata"]
    assert "distance_to_WM" in adata.obs
    assert {"distance_gradient", "coexpression"} <= set(adata.uns)


def test_comparing():
    adata = run("comparing", {})["adata"]
    assert {"rank_domains", "bulk_correlation"} <= set(adata.uns)


def test_deconvolution():
    found = run("deconvolution", {})
    np.testing.assert_allclose(found["table"].sum(axis=1), 1, rtol=1e-5)
    truth = found["adata"].obsm["proportions_truth"]
    names = list(found["adata"].uns["proportions_truth"]["names"])
    tumour = np.asarray(truth)[:, names.index("tumour")]
    assert np.corrcoef(tumour, found["table"]["tumour"])[0, 1] > 0.8


def test_communication(trained):
    pytest.importorskip("liana")
    found = run("communication", {"adata": trained.copy()})
    assert sum(found["found"].counts.values()) == len(found["found"].quadrants)


def test_enrichment(trained, tmp_path, monkeypatch):
    pytest.importorskip("gseapy")
    pytest.importorskip("pymemesuite")
    monkeypatch.chdir(tmp_path)
    adata = trained.copy()
    genes = adata.var_names[:24].tolist()
    sets = {"HALLMARK_ADIPOGENESIS": ["ADIPOQ", "PLIN1", "LPL", "FABP4", "PLIN4", "LIPE", *genes[:6]], "B": genes[6:20]}
    Path("hallmark.gmt").write_text("".join("\t".join([name, "", *own]) + "\n" for name, own in sets.items()))
    rows = [f"{tf},{gene},1.0" for tf, own in (("STAT1", genes[:12]), ("IRF1", genes[8:24])) for gene in own]
    Path("network.csv").write_text("source,target,weight\n" + "\n".join(rows) + "\n")
    Path("families.csv").write_text("tf,family\nSTAT1,STAT\nIRF1,IRF\n")
    Path("motifs.meme").write_text(MOTIFS)
    draw = np.random.default_rng(0)
    with Path("promoters.fa").open("w") as file:
        for number, gene in enumerate(genes):
            letters = "".join(draw.choice(list("ACGT"), 120))
            file.write(f">{gene}\n{letters[:50]}{SITE if number < 12 else letters[50:60]}{letters[60:]}\n")
    run("enrichment", {"adata": adata, "genes": genes})
    assert {"enrich_ora", "enrich_gsea", "enrich_ssgsea", "tf_enrichment", "motif_scan"} <= set(adata.uns)
    assert set(genes[:12]) <= set(adata.uns["motif_scan"]["results"]["gene"])
