"""Every call of the page about other tools runs as it stands there, and does what the page says."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "downstream" / "handoff.md").read_text(encoding="utf-8")
VIEWERS = {"napari": "napari_spatialdata", "Vitessce": "vitessce"}


def blocks(title: str) -> list[str]:
    """Code under a heading; the first heading's is that before it."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    section = next(part for part in sections if part.startswith(title))
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def run(code: list[str], names: dict[str, Any]) -> dict[str, Any]:
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in code:
            exec(compile(block, "handoff.md", "exec"), names)
    plt.close("all")
    return names


@pytest.fixture(scope="module")
def prepared():
    return run(blocks("# Hand-off"), {})


@pytest.fixture
def names(prepared, tmp_path, monkeypatch):
    import spatialdata as sd

    monkeypatch.chdir(tmp_path)
    elements = {name: element for _, name, element in prepared["sdata"].gen_elements() if name != "table"}
    sdata = sd.SpatialData.init_from_elements({**elements, "table": prepared["adata"].copy()})
    return prepared | {"sdata": sdata, "adata": sdata.tables["table"]}


def test_squidpy(names):
    colors = list(names["adata"].uns["s3rl_domain_colors"])
    run(blocks("squidpy"), names)
    adata = names["adata"]
    scores = adata.uns["s3rl_domain_nhood_enrichment"]["zscore"]
    assert scores.shape == (4, 4)
    assert (np.diag(scores) > 0).all()
    occurrence = adata.uns["s3rl_domain_co_occurrence"]["occ"]
    assert occurrence.shape[:2] == (4, 4)
    assert np.isfinite(occurrence).all()
    assert names["denoised"]["I"].mean() > 2 * adata.uns["moranI"]["I"].mean()
    assert names["found"]["pvalues"].shape[1] == 16
    assert list(adata.uns["s3rl_domain_colors"]) == colors


def test_scanpy(names):
    run(blocks("scanpy"), names)
    adata = names["adata"]
    assert np.isfinite(adata.obsm["X_umap"]).all()
    assert adata.obs["leiden"].nunique() > 1
    assert adata.obs["signed_leiden"].nunique() > 1
    assert adata.uns["paga"]["connectivities"].shape == (4, 4)
    assert set(adata.uns["dendrogram_s3rl_domain"]["categories_ordered"]) == {"0", "1", "2", "3"}
    assert adata.uns["rank_genes_groups"]["names"].dtype.names == ("0", "1", "2", "3")


def test_cellrank(names):
    pytest.importorskip("cellrank")
    run([blocks("scanpy")[0], *blocks("cellrank")], names)
    rows = names["kernel"].transition_matrix
    assert rows.shape == (300, 300)
    assert np.allclose(np.asarray(rows.sum(axis=1)).ravel(), 1)
    order = names["adata"].obs[["depth", "dpt_pseudotime"]].corr("spearman").iloc[0, 1]
    assert order > 0.5


def test_liana(names):
    pytest.importorskip("liana")
    run([blocks("squidpy")[2], *blocks("liana")], names)
    table = names["adata"].uns["liana_res"]
    assert {"source", "target", "magnitude_rank", "specificity_rank"} <= set(table)
    assert set(table["source"]) <= {"0", "1", "2", "3"}
    assert names["local"].shape[0] == 300


def test_decoupler(names):
    pytest.importorskip("decoupler")
    run(["import pandas as pd", *blocks("decoupler")], names)
    assert list(names["adata"].obsm["score_ulm"].columns) == ["set0", "set1", "set2", "set3"]


def test_napari(names, monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", os.environ.get("QT_QPA_PLATFORM", "offscreen"))
    pytest.importorskip("napari_spatialdata", exc_type=ImportError)
    import time

    from qtpy.QtWidgets import QApplication

    write, napari, _ = blocks("Viewers")
    run([write, napari], names)
    until = time.monotonic() + 30
    while names["window"].get_layer("spots") is None and time.monotonic() < until:
        QApplication.processEvents()
    layer = names["window"].get_layer("spots")
    assert len(layer.data) == 300
    assert layer.metadata["table_names"] == ["table"]
    names["window"]._viewer.close()


def test_vitessce(names):
    pytest.importorskip("vitessce")
    pytest.importorskip("starlette")
    write, _, vitessce = blocks("Viewers")
    run([blocks("scanpy")[0], write, vitessce], names)
    described = names["config"].to_dict(base_url="http://localhost")
    paths = str(described)
    for path in ("tables/table/obs/s3rl_domain", "tables/table/layers/s3rl", "obsm/X_umap", "images/he"):
        assert path in paths
        assert Path("tissue.zarr", path).exists() or Path("tissue.zarr/tables/table", path).exists()


def test_the_page_has_no_call_that_is_not_run():
    here = ("# Hand-off", "squidpy", "scanpy", "cellrank", "liana", "decoupler", "Viewers")
    assert sum(len(blocks(title)) for title in here) == PAGE.count("```python")
