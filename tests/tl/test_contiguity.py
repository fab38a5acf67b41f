"""Contiguity of a table: what is written, when training says so, and that the setting it names finds types."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import squidpy as sq
from sklearn.metrics import adjusted_rand_score

import s3rl as s3
from s3rl.errors import CoordinatesError, InputError
from s3rl.tl import S3RLParams

QUICK = {"max_epochs": 30, "n_mixtures": 8, "denoise": "none"}
FAST = QUICK | {"n_mixtures": 2}


def ready(adata: ad.AnnData) -> ad.AnnData:
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    return adata


@pytest.fixture(scope="module")
def layers() -> ad.AnnData:
    return ready(s3.datasets.simulated_cortex(300, 300, n_layers=3, image=False).tables["table"])


@pytest.fixture(scope="module")
def types() -> ad.AnnData:
    """Five cell types scattered over the tissue at random."""
    rng = np.random.default_rng(0)
    kind = rng.integers(5, size=300)
    means = rng.gamma(0.5, 1.0, 200) * np.exp(rng.normal(0, 1, (5, 200)))
    counts = rng.poisson(400 * (means / means.sum(axis=1, keepdims=True))[kind]).astype(np.float32)
    adata = ad.AnnData(counts, obsm={"spatial": rng.uniform(size=(300, 2))})
    adata.obs["type"] = pd.Categorical(kind.astype(str))
    return ready(adata)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "cell types" in record.getMessage()]


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, logger="s3rl")
    return caplog


def test_what_is_written(layers):
    adata = layers.copy()
    s3.tl.contiguity(adata)
    found, result = adata.uns["contiguity"], s3.tl.contiguity(layers, copy=True)
    assert "contiguity" not in layers.uns
    assert list(found) == list(result._fields)
    assert found["results"][["first", "last"]].values.tolist() == [[1, 6], [7, 18], [19, 30], [31, 60]]
    assert [found["near"], found["far"]] == found["results"]["shared"].iloc[[0, -1]].tolist()
    assert found["near"] > found["far"] > 0.05
    assert found["cell_types"] is False


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_it_survives_a_file(layers, tmp_path, kind):
    adata = layers.copy()
    s3.tl.contiguity(adata, key_added="shared")
    getattr(adata, f"write_{kind}")(tmp_path / "out")
    back = getattr(ad, f"read_{kind}")(tmp_path / "out").uns["shared"]
    pd.testing.assert_frame_equal(back["results"], adata.uns["shared"]["results"], check_index_type=False)
    assert bool(back["cell_types"]) is False
    assert float(back["near"]) == adata.uns["shared"]["near"]


def test_scattered_types_are_named_and_layers_are_not(types, layers, log):
    assert s3.tl.contiguity(types, copy=True).cell_types
    assert len(said(log)) == 1
    assert "S3RLParams.cell_types()" in said(log)[0]
    log.clear()
    assert not s3.tl.contiguity(layers, copy=True).cell_types
    assert not said(log)


def test_training_says_so_once_and_not_where_nothing_is_smoothed(types, layers, log):
    for adata, params, lines in (
        (types, S3RLParams(**FAST | {"max_epochs": 2}), 1),
        (layers, S3RLParams(**FAST | {"max_epochs": 2}), 0),
        (types, S3RLParams(**FAST | {"max_epochs": 2, "anchor_diffusion": 0.0}), 0),
        (types, S3RLParams(**FAST | {"max_epochs": 2, "consensus": 0.0, "anchor": 0.0}), 0),
    ):
        log.clear()
        s3.tl.s3rl(adata, 3, params=params, progress=False, copy=True)
        assert len(said(log)) == lines
    without = types.copy()
    del without.obsm["spatial"]
    log.clear()
    s3.tl.s3rl(without, 3, params=FAST | {"max_epochs": 2}, progress=False, copy=True)
    assert not said(log)


def test_the_setting_that_it_names_finds_the_types(types):
    form = S3RLParams.cell_types().as_dict() | QUICK
    found, usual = (s3.tl.s3rl(types, 5, params=p, progress=False, copy=True).domain for p in (form, QUICK))
    assert adjusted_rand_score(types.obs["type"], found) > 0.9
    assert adjusted_rand_score(types.obs["type"], usual) < 0.5


def test_too_little_is_refused_and_changes_nothing(layers):
    for small in (layers[:15].copy(), layers[:, layers.var_names[:3]].copy()):
        small.var["highly_variable"] = False
        small.X = small.X.toarray() + 0.5
        with pytest.raises(InputError, match="too few"):
            s3.tl.contiguity(small)
        assert "contiguity" not in small.uns
    broken = layers.copy()
    broken.obsm["spatial"][3] = np.nan
    with pytest.raises(CoordinatesError):
        s3.tl.contiguity(broken)


@pytest.mark.real
def test_cells_in_a_tumour_look_like_types_and_layers_of_cells_do_not(real_data):
    for path, looks in (("cosmx/nsclc_fov.h5ad", True), ("starmap/BY3_1k.h5ad", False), ("her2st/H1.h5ad", False)):
        adata = ad.read_h5ad(real_data / path)
        s3.pp.normalize(adata)
        assert s3.tl.contiguity(adata, copy=True).cell_types is looks
