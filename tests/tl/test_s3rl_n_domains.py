"""Training without a number of domains: what is chosen, kept, said and refused."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pytest
import squidpy as sq

import s3rl as s3
from s3rl.errors import ParameterError

QUICK = {"max_epochs": 4, "n_mixtures": 2}


@pytest.fixture(scope="module", autouse=True)
def _one_repeat():
    """Two repeats of a short comparison are enough to see where its result goes."""
    from s3rl.fit import n_domains

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(n_domains, "N_DOMAINS_MAX", 6)
        patch.setitem(n_domains.choose_n_domains.__kwdefaults__, "n_repeats", 2)
        yield


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    adata = s3.datasets.simulated_cortex(300, 120, n_layers=4, image=False).tables["table"]
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    return adata


@pytest.fixture(scope="module")
def fitted(tissue: ad.AnnData) -> ad.AnnData:
    adata = tissue.copy()
    s3.tl.s3rl(adata, params=QUICK, progress=False)
    return adata


def test_the_choice_is_that_of_the_evidence(tissue: ad.AnnData, fitted: ad.AnnData) -> None:
    from s3rl._slots.neighbors import spatial_graph_of
    from s3rl.fit.n_domains import choose_n_domains

    genes = tissue.var["highly_variable"].to_numpy()
    wanted = choose_n_domains(tissue.X[:, genes], spatial_graph_of(tissue), seed=0)
    kept = fitted.uns["s3rl"]["n_domains_evidence"]
    assert kept.keys() == wanted._asdict().keys()
    for name, value in wanted._asdict().items():
        np.testing.assert_array_equal(kept[name], value)
    assert fitted.uns["s3rl"]["n_domains"] == wanted.chosen
    assert fitted.obsm["s3rl_probabilities"].shape[1] == wanted.chosen
    assert len(fitted.uns["s3rl_domain_colors"]) == wanted.chosen


def test_passing_the_chosen_number_gives_the_same_model(tissue: ad.AnnData, fitted: ad.AnnData) -> None:
    again = tissue.copy()
    s3.tl.s3rl(again, fitted.uns["s3rl"]["n_domains"], params=QUICK, progress=False)
    np.testing.assert_array_equal(again.obsm["X_s3rl"], fitted.obsm["X_s3rl"])
    assert "n_domains_evidence" not in again.uns["s3rl"]


def test_the_evidence_survives_a_file(fitted: ad.AnnData, tmp_path) -> None:
    fitted.write_h5ad(tmp_path / "a.h5ad")
    fitted.write_zarr(tmp_path / "a.zarr")
    for read in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        for name, value in fitted.uns["s3rl"]["n_domains_evidence"].items():
            np.testing.assert_array_equal(read.uns["s3rl"]["n_domains_evidence"][name], value)


def test_one_line_says_what_was_chosen_and_a_run_goes_on_from_its_checkpoint(
    tissue: ad.AnnData, fitted: ad.AnnData, tmp_path, caplog
) -> None:
    file = tmp_path / "state"
    with caplog.at_level(logging.INFO, logger="s3rl"):
        once, twice = (
            s3.tl.s3rl(tissue, params=QUICK, progress=False, checkpoint=file, copy=True) for _ in range(2)
        )  # fmt: skip
    said = [message for message in caplog.messages if message.startswith("chose ")]
    assert len(said) == 2
    assert said[0].startswith(f"chose {fitted.uns['s3rl']['n_domains']} domains of 2 to 6")
    np.testing.assert_array_equal(once.embedding, twice.embedding)


def test_too_few_spots_to_choose(tissue: ad.AnnData) -> None:
    small = tissue[:29].copy()
    before = set(small.uns), set(small.obs)
    with pytest.raises(ParameterError, match=r"n_domains.*29 spots"):
        s3.tl.s3rl(small, params=QUICK, progress=False)
    assert (set(small.uns), set(small.obs)) == before


def test_tissue_without_domains_is_said_to_have_none(caplog) -> None:
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.poisson(2, size=(200, 60)).astype(np.float32))
    adata.obsm["spatial"] = rng.uniform(size=(200, 2))
    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    s3.pp.signed_neighbors(adata)
    with caplog.at_level(logging.INFO, logger="s3rl"):
        s3.tl.s3rl(adata, params=QUICK, progress=False)
    assert any("weaker than for one domain" in message for message in caplog.messages)
