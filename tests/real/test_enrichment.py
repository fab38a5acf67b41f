"""Gene sets on an annotated breast tumour: each kind of tissue has the sets that pathologists would expect.

Members of the sets are common knowledge of markers, some of each.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import s3rl as s3

MEMBERS = {
    "ADIPOCYTE": "ADIPOQ FABP4 PLIN1 PLIN4 LPL LEP CIDEC CIDEA CD36 G0S2 GPD1 LIPE PNPLA2 ADH1B PPARG CFD AQP7 RBP4 "
    "ACACB DGAT2 THRSP TIMP4 GPX3 RETN ACSL1",
    "LYMPHOCYTE": "CD3D CD3E CD3G CD2 CD5 CD7 CD4 CD8A TRAC TRBC1 TRBC2 IL7R CCR7 SELL LTB CD19 MS4A1 CD79B BANK1 "
    "CXCR5 CCL19 CCL21 CXCL13 CD52 CORO1A LCK ZAP70 CD37 CD48 CD53 PTPRC",
    "IMMUNOGLOBULIN": "IGHA1 IGHA2 IGHG1 IGHG2 IGHG3 IGHG4 IGHM IGKC IGLC2 IGLC3 IGLC7 JCHAIN MZB1 DERL3 TNFRSF17 XBP1 "
    "SSR4 SDC1 PRDM1 FKBP11 POU2AF1 CD79A",
    "GLAND": "KRT5 KRT14 KRT15 KRT17 KRT6B KRT23 SFRP1 OXTR MYLK ACTG2 CNN1 TP63 SCGB2A2 SCGB2A1 SCGB1D2 SCGB3A1 PIP "
    "LTF MUCL1 KIT ELF5 SLPI WFDC2",
    "COLLAGEN": "COL1A1 COL1A2 COL3A1 COL5A1 COL5A2 COL6A1 COL6A2 COL6A3 COL12A1 FN1 SPARC POSTN LUM DCN BGN FBN1 "
    "THBS2 FAP MMP2 MMP11 MMP14 LOX LOXL2 TGFBI VCAN FBLN1 ASPN CTHRC1 PDGFRB MFAP5",
    "ERBB2_AMPLICON": "ERBB2 GRB7 STARD3 PGAP3 MIEN1 TCAP PNMT ORMDL3 GSDMB PSMD3 MED24 CDK12 MED1 FBXL20 CDC6 RARA "
    "TOP2A IGFBP4",
    "NEURON": "SNAP25 SYT1 GAD1 GAD2 SLC17A7 NEFL NEFM NEFH STMN2 RBFOX3 MAP2 GRIN1 GRIN2B CAMK2A ENO2 SYP SYN1 NRGN",
}
SETS = {name: genes.split() for name, genes in MEMBERS.items()}
EXPECTED = {
    "adipose tissue": "ADIPOCYTE",
    "immune infiltrate": "LYMPHOCYTE",
    "connective tissue": "IMMUNOGLOBULIN",  # plasma cells lie in this stroma; its collagen is that around the tumour
    "breast glands": "GLAND",
    "cancer in situ": "ERBB2_AMPLICON",
    "invasive cancer": "COLLAGEN",
}


@pytest.fixture(scope="module")
def tumour(real_data):
    import anndata as ad

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = ad.read_h5ad(real_data / "her2st" / "H1.h5ad")
    table = table[:, np.asarray((table.X > 0).sum(axis=0)).ravel() >= 3].copy()
    s3.pp.normalize(table)
    return table


@pytest.fixture(scope="module")
def gmt(tmp_path_factory):
    file = tmp_path_factory.mktemp("sets") / "tissue.gmt"
    file.write_text("\n".join("\t".join([name, "markers", *genes]) for name, genes in SETS.items()))
    return file


@pytest.mark.real
@pytest.mark.parametrize("method", ["ora", "gsea"])
def test_tissues_have_their_sets(method, tumour, gmt):
    found = s3.tl.enrich(
        tumour, gmt, method=method, groupby="ground_truth", params={"min_size": 5, "n_random_sets": 3000}, copy=True
    ).results
    score = found.pivot(index="term", columns="group", values="odds_ratio" if method == "ora" else "nes")
    rate = found.pivot(index="term", columns="group", values="fdr")
    for tissue, name in EXPECTED.items():
        assert rate.loc[name, tissue] < 0.05, tissue
        if method == "ora":
            assert rate[tissue].idxmin() == name, tissue
    assert score.idxmax(axis=1)[["ADIPOCYTE", "LYMPHOCYTE", "GLAND"]].tolist() == [
        "adipose tissue",
        "immune infiltrate",
        "breast glands",
    ]
    if method == "ora":
        assert (rate.loc["NEURON"] > 0.05).all()


@pytest.mark.real
def test_scores_of_spots_are_high_in_their_tissue(tumour, gmt):
    scores = s3.tl.enrich(tumour, gmt, method="ssgsea", copy=True).scores
    tissue = pd.Categorical(tumour.obs["ground_truth"])
    means = scores.groupby(np.asarray(tissue, dtype=object)).mean()
    assert means[["ADIPOCYTE", "LYMPHOCYTE", "GLAND", "ERBB2_AMPLICON"]].idxmax().tolist() == [
        "adipose tissue",
        "immune infiltrate",
        "breast glands",
        "cancer in situ",
    ]
