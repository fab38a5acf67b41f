"""Clusters of a representation: against scikit-learn, igraph and a known truth."""

from __future__ import annotations

import random

import anndata as ad
import igraph
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import torch
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

import s3rl as s3
from s3rl.errors import GraphError, InputError, MissingKeyError, ParameterError

SIZES = (60, 40, 25)
CALLS = [("kmeans", {"n_domains": 3}), ("gmm", {"n_domains": 3}), ("leiden", {"resolution": 0.3})]


def bare(points: np.ndarray) -> ad.AnnData:
    return ad.AnnData(np.zeros((len(points), 1), np.float32), obsm={"X_s3rl": points})


@pytest.fixture
def blobs() -> ad.AnnData:
    rng = np.random.default_rng(3)
    truth = np.repeat([1, 0, 2], (SIZES[1], SIZES[0], SIZES[2]))
    centres = rng.normal(size=(3, 6)) * 6
    adata = ad.AnnData(np.zeros((len(truth), 2), np.float32))
    adata.obs["truth"] = truth.astype(str)
    adata.obsm["X_s3rl"] = (centres[truth] + rng.normal(size=(len(truth), 6))).astype(np.float32)
    return adata


@pytest.mark.parametrize(("method", "arguments"), CALLS)
def test_finds_what_is_there_and_numbers_by_size(blobs, method, arguments):
    assert s3.tl.cluster(blobs, method, **arguments) is None
    found = blobs.obs[f"s3rl_{method}"]
    assert list(found.cat.categories) == ["0", "1", "2"]
    assert found.value_counts()[["0", "1", "2"]].tolist() == list(SIZES)
    assert adjusted_rand_score(blobs.obs["truth"], found) == 1.0
    colors = blobs.uns[f"s3rl_{method}_colors"]
    assert isinstance(colors, list)
    assert len(set(colors)) == 3


@pytest.mark.parametrize(("method", "arguments"), CALLS)
def test_writes_two_slots_and_changes_nothing_else(blobs, method, arguments):
    before = blobs.copy()
    result = s3.tl.cluster(blobs, method, copy=True, **arguments)
    assert set(blobs.obs) == set(before.obs)
    assert not blobs.uns
    assert not blobs.obsp
    s3.tl.cluster(blobs, method, key_added="mine", **arguments)
    assert set(blobs.obs) - set(before.obs) == {"mine"}
    assert set(blobs.uns) == {"mine_colors"}
    assert not blobs.obsp
    assert np.array_equal(blobs.obsm["X_s3rl"], before.obsm["X_s3rl"])
    pd.testing.assert_series_equal(result.domain, blobs.obs["mine"], check_names=False)
    assert result.colors == blobs.uns["mine_colors"]


@pytest.mark.parametrize(("method", "arguments"), CALLS)
def test_global_random_states_neither_matter_nor_change(method, arguments):
    # structure is absent, so that the start decides
    adata = bare(np.random.default_rng(0).normal(size=(150, 5)))
    labels = []
    for state in (1, 2):
        random.seed(state)
        np.random.seed(state)  # noqa: NPY002
        torch.manual_seed(state)
        before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
        labels.append(s3.tl.cluster(adata, method, rng=7, copy=True, **arguments).domain)
        assert random.getstate() == before[0]
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), before[2])
    assert labels[0].equals(labels[1])


def test_global_random_states_survive_libraries_that_draw_from_them(blobs, monkeypatch):
    neighbors = sc.pp.neighbors

    def careless(*args, **kwargs):
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        return neighbors(*args, **kwargs)

    monkeypatch.setattr(sc.pp, "neighbors", careless)
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    s3.tl.cluster(blobs, "leiden")
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
def test_threads_do_not_change_the_result(method):
    adata = bare(np.random.default_rng(0).normal(size=(600, 5)))
    labels = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            labels.append(s3.tl.cluster(adata, method, n_domains=6, copy=True).domain)
    assert labels[0].equals(labels[1])


def test_rng_matters():
    adata = bare(np.random.default_rng(0).normal(size=(300, 20)))
    runs = {tuple(s3.tl.cluster(adata, "kmeans", n_domains=9, rng=seed, copy=True).domain) for seed in range(3)}
    assert len(runs) > 1


def test_mixture_shares_one_covariance():
    """Two long parallel bands: k-means cuts them across, a tied mixture separates them, as scikit-learn's own does."""
    rng = np.random.default_rng(0)
    band = np.repeat([0, 1], 150)
    points = np.column_stack([rng.normal(scale=12, size=300), 5.0 * band + rng.normal(scale=0.4, size=300)])
    adata = bare(points)
    s3.tl.cluster(adata, "gmm", n_domains=2)
    s3.tl.cluster(adata, "kmeans", n_domains=2)
    with threadpool_limits(1):
        own = GaussianMixture(2, covariance_type="tied", n_init=3, random_state=0).fit_predict(points)
    assert adjusted_rand_score(band, own) == 1.0
    assert adjusted_rand_score(band, adata.obs["s3rl_gmm"]) == 1.0
    assert adjusted_rand_score(band, adata.obs["s3rl_kmeans"]) < 0.1


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_units_of_the_representation_do_not_matter(blobs, scale):
    noisy = np.asarray(blobs.obsm["X_s3rl"], dtype=np.float64) * 0.3
    noisy += np.random.default_rng(0).normal(size=noisy.shape)
    blobs.obsm["one"], blobs.obsm["other"] = noisy, noisy * scale
    one, other = (s3.tl.cluster(blobs, "gmm", n_domains=4, use_rep=rep, copy=True).domain for rep in ("one", "other"))
    assert adjusted_rand_score(one, other) == 1.0


def test_leiden_on_the_neighbours_that_scanpy_finds(blobs):
    reference = blobs.copy()
    sc.pp.neighbors(reference, use_rep="X_s3rl", n_neighbors=9, transformer="sklearn")
    s3.tl.cluster(reference, "leiden", neighbors_key="neighbors", key_added="given")
    s3.tl.cluster(reference, "leiden", n_neighs=9, key_added="found")
    assert (reference.obs["given"] == reference.obs["found"]).all()


def test_leiden_optimises_modularity_of_a_given_graph():
    """Two cliques and a bridge: the best partition is known."""
    size = 8
    graph = sp.block_diag([np.ones((size, size)) - np.eye(size)] * 2).tolil()
    graph[0, size] = graph[size, 0] = 1
    adata = ad.AnnData(np.zeros((2 * size, 1), np.float32))
    adata.obsp["g_connectivities"] = sp.csr_matrix(graph)
    adata.uns["g"] = {"connectivities_key": "g_connectivities"}
    s3.tl.cluster(adata, "leiden", neighbors_key="g")
    codes = adata.obs["s3rl_leiden"].cat.codes.to_numpy()
    assert len(set(codes[:size])) == len(set(codes[size:])) == 1
    assert codes[0] != codes[-1]
    edges = igraph.Graph.Adjacency((graph.toarray() > 0).tolist(), mode="undirected")
    assert edges.modularity(codes.tolist()) == pytest.approx(edges.community_multilevel().modularity)


def test_tissue_on_the_features_of_tiles(blobs):
    """Leiden on unit vectors, as the encoder of tiles writes them, under a name that says where it comes from."""
    cosines = np.asarray(blobs.obsm.pop("X_s3rl"))
    blobs.obsm["X_simclr"] = cosines / np.linalg.norm(cosines, axis=1, keepdims=True)
    assert s3.tl.cluster(blobs, method="leiden", use_rep="X_simclr", resolution=0.3) is None
    assert adjusted_rand_score(blobs.obs["truth"], blobs.obs["simclr_leiden"]) == 1.0
    assert set(blobs.uns) == {"simclr_leiden_colors"}
    assert set(blobs.obs) == {"truth", "simclr_leiden"}
    with pytest.raises(MissingKeyError, match=r"s3\.tl\.s3rl\("):
        s3.tl.cluster(blobs, "leiden")
    del blobs.obsm["X_simclr"]
    with pytest.raises(MissingKeyError, match=r"s3\.tl\.simclr\("):
        s3.tl.cluster(blobs, "leiden", use_rep="X_simclr")


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"method": "kmeans", "n_domains": 2, "use_rep": "X_pca"}, "pca_kmeans"),
        ({"method": "kmeans", "n_domains": 2, "use_rep": "codes"}, "codes_kmeans"),
        ({"method": "leiden", "use_rep": "X_pca", "neighbors_key": "neighbors"}, "s3rl_leiden"),
        ({"method": "leiden", "use_rep": "X_pca", "key_added": "mine"}, "mine"),
    ],
)
def test_the_name_says_which_representation(blobs, arguments, key):
    blobs.obsm["X_pca"] = blobs.obsm["codes"] = blobs.obsm["X_s3rl"]
    sc.pp.neighbors(blobs, use_rep="X_s3rl", n_neighbors=9, transformer="sklearn")
    before = set(blobs.obs), set(blobs.uns)
    s3.tl.cluster(blobs, **arguments)
    assert set(blobs.obs) - before[0] == {key}
    assert set(blobs.uns) - before[1] == {f"{key}_colors"}


def test_resolution_makes_more_clusters(blobs):
    counts = [
        s3.tl.cluster(blobs, "leiden", resolution=value, copy=True).domain.nunique() for value in (0.05, 1.0, 5.0)
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


@pytest.mark.parametrize(
    ("method", "arguments", "key"),
    [
        ("louvain", {}, "method"),
        ("kmeans", {}, "n_domains"),
        ("gmm", {"n_domains": 1}, "n_domains"),
        ("gmm", {"n_domains": 126}, "n_domains"),
        ("kmeans", {"n_domains": 2.5}, "n_domains"),
        ("kmeans", {"n_domains": True}, "n_domains"),
        ("kmeans", {"n_domains": 3, "resolution": 1.0}, "resolution"),
        ("gmm", {"n_domains": 3, "n_neighs": 5}, "n_neighs"),
        ("kmeans", {"n_domains": 3, "neighbors_key": "neighbors"}, "neighbors_key"),
        ("leiden", {"n_domains": 3}, "n_domains"),
        ("leiden", {"resolution": 0.0}, "resolution"),
        ("leiden", {"resolution": float("nan")}, "resolution"),
        ("leiden", {"n_neighs": 125}, "n_neighs"),
        ("leiden", {"n_neighs": 5, "neighbors_key": "neighbors"}, "n_neighs"),
        ("kmeans", {"n_domains": 3, "rng": -1}, "rng"),
    ],
)
def test_arguments_outside_of_their_range(blobs, method, arguments, key):
    with pytest.raises(ParameterError) as caught:
        s3.tl.cluster(blobs, method, **arguments)
    assert caught.value.key == key
    assert list(blobs.obs) == ["truth"]


def test_slots_that_are_missing_or_wrong(blobs):
    with pytest.raises(MissingKeyError, match=r"X_pca.*X_s3rl"):
        s3.tl.cluster(blobs, "kmeans", n_domains=3, use_rep="X_pca")
    with pytest.raises(MissingKeyError, match="nowhere"):
        s3.tl.cluster(blobs, "leiden", neighbors_key="nowhere")
    blobs.uns["odd"] = {"params": {}}
    with pytest.raises(GraphError, match="odd"):
        s3.tl.cluster(blobs, "leiden", neighbors_key="odd")
    blobs.obsp["negative"] = sp.csr_matrix(-np.ones((125, 125)))
    blobs.uns["odd"] = {"connectivities_key": "negative"}
    with pytest.raises(GraphError, match="negative"):
        s3.tl.cluster(blobs, "leiden", neighbors_key="odd")
    blobs.obsm["X_s3rl"][4, 0] = np.nan
    with pytest.raises(InputError, match="1 of 125 spots, first 4"):
        s3.tl.cluster(blobs, "gmm", n_domains=3)
