"""Mixing of slices against plain loops over the published formulas."""

from __future__ import annotations

import sys

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from laws.contents import changed, contents

import s3rl as s3
from s3rl.errors import InputError, LabelsError, MissingExtraError, MissingKeyError, ParameterError

pytest.importorskip("harmonypy")


def make(apart: float, sizes=(80, 60), seed: int = 0) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    adata = ad.AnnData(np.ones((n, 1), np.float32))
    codes = np.repeat(np.arange(len(sizes)), sizes)
    adata.obs["slice"] = pd.Categorical([f"s{code}" for code in codes])
    adata.obs["s3rl_domain"] = pd.Categorical(rng.choice(["0", "1"], n))
    first = (adata.obs["s3rl_domain"] == "1").to_numpy()
    adata.obsm["X_s3rl"] = (rng.normal(size=(n, 4)) + apart * codes[:, None] + 20.0 * first[:, None]).astype(np.float32)
    return adata


def lisi_by_loops(x: np.ndarray, codes: np.ndarray, perplexity: float) -> np.ndarray:
    """Weights of perplexity ``perplexity`` by bisection, then the inverse Simpson index of their sums by slice."""
    found = []
    for i in range(len(x)):
        squares = np.sqrt(((x - x[i]) ** 2).sum(axis=1))
        near = [j for j in np.argsort(squares, kind="stable") if j != i][: int(perplexity * 3)]
        distances = squares[near]
        low, high, beta = 0.0, np.inf, 1.0
        for _ in range(100):
            weights = np.exp(-distances * beta)
            weights /= weights.sum()
            entropy = -(weights[weights > 0] * np.log(weights[weights > 0])).sum()
            if abs(entropy - np.log(perplexity)) < 1e-9:
                break
            if entropy > np.log(perplexity):
                low, beta = beta, beta * 2 if np.isinf(high) else (beta + high) / 2
            else:
                high, beta = beta, (beta + low) / 2
        shares = [weights[codes[near] == code].sum() for code in np.unique(codes)]
        found.append(1 / np.square(shares).sum())
    return np.array(found)


@pytest.mark.parametrize("apart", [0.0, 1.5])
def test_lisi_is_that_of_the_formula(apart):
    adata = make(apart)
    result = s3.tl.slice_mixing(adata, "slice", copy=True)
    expected = lisi_by_loops(adata.obsm["X_s3rl"].astype(float), adata.obs["slice"].cat.codes.to_numpy(), 30)
    np.testing.assert_allclose(result.spots, expected, atol=2e-3)
    assert result.ilisi == np.median(result.spots)
    for name in ("0", "1"):
        own = (adata.obs["s3rl_domain"] == name).to_numpy()
        assert result.domains.loc[name, "ilisi"] == np.median(result.spots[own])


@pytest.mark.parametrize("apart", [0.0, 2.0, 50.0])
def test_connectivity_is_that_of_networkx(apart):
    adata = make(apart)
    result = s3.tl.slice_mixing(adata, "slice", n_neighs=4, copy=True)
    x = adata.obsm["X_s3rl"].astype(float)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(x)))
    for i in range(len(x)):
        squares = ((x - x[i]) ** 2).sum(axis=1)
        graph.add_edges_from(
            (i, j) for j in np.argsort(squares, kind="stable") if j != i and squares[j] <= np.sort(squares)[4]
        )
    shares = []
    for name in ("0", "1"):
        own = np.flatnonzero(adata.obs["s3rl_domain"] == name)
        shares.append(max(map(len, nx.connected_components(graph.subgraph(own)))) / len(own))
        assert result.domains.loc[name, "connectivity"] == shares[-1]
        assert result.domains.loc[name, "n_spots"] == len(own)
        assert result.domains.loc[name, "n_slices"] == 2
    assert result.connectivity == np.mean(shares)


def test_slices_apart_and_slices_mixed():
    apart, mixed = (s3.tl.slice_mixing(make(shift), "slice", copy=True) for shift in (100.0, 0.0))
    assert apart.ilisi == pytest.approx(1, abs=1e-6)
    assert mixed.ilisi > 1.6
    assert mixed.best == apart.best == pytest.approx(1 / ((80 / 140) ** 2 + (60 / 140) ** 2))
    assert apart.connectivity < 0.7
    assert mixed.connectivity == 1


def test_few_spots_and_spots_without_a_domain():
    adata = make(0.0, sizes=(12, 9))
    adata.obs.loc[adata.obs_names[:4], "s3rl_domain"] = None
    result = s3.tl.slice_mixing(adata, "slice", n_neighs=5, copy=True)
    assert result.domains["n_spots"].sum() == 17
    assert np.isfinite(result.spots).all()
    assert ((result.spots >= 1) & (result.spots <= 2)).all()


def test_what_is_written_survives_a_file(tmp_path):
    adata = make(1.0)
    before = contents(adata)
    s3.tl.slice_mixing(adata, "slice", groupby="s3rl_domain", key_added="mixing")
    assert changed(before, contents(adata)) == {"uns/mixing"}
    result = s3.tl.slice_mixing(adata, "slice", copy=True)
    adata.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad").uns["mixing"]
    assert (back["ilisi"], back["connectivity"]) == (result.ilisi, result.connectivity)
    assert back["domains"].to_numpy().tolist() == result.domains.to_numpy().tolist()


def test_without_harmonypy(monkeypatch):
    monkeypatch.setitem(sys.modules, "harmonypy", None)
    with pytest.raises(MissingExtraError, match=r"s3rl-tools\[integration\]"):
        s3.tl.slice_mixing(make(0.0), "slice")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"library_key": "nothing"}, MissingKeyError, "nothing"),
        ({"library_key": "one"}, LabelsError, "one slice"),
        ({"groupby": "nothing"}, MissingKeyError, "nothing"),
        ({"use_rep": "nothing"}, MissingKeyError, "nothing"),
        ({"use_rep": "broken"}, InputError, "finite"),
        ({"n_neighs": 0}, ParameterError, "n_neighs"),
        ({"n_neighs": 140}, ParameterError, "n_neighs"),
        ({"n_neighs": True}, ParameterError, "n_neighs"),
    ],
)
def test_what_is_refused_changes_nothing(arguments, error, said):
    adata = make(0.0)
    adata.obs["one"] = "x"
    adata.obsm["broken"] = np.full((adata.n_obs, 2), np.nan)
    with pytest.raises(error, match=said):
        s3.tl.slice_mixing(adata, **{"library_key": "slice"} | arguments)
    assert "slice_mixing" not in adata.uns
