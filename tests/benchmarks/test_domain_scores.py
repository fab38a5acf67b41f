"""Scores, floors and tissues of the benchmark against loops, dense algebra and what was asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from benchmarks.bench import modules
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

BENCH = modules()
chaos, pas, scores = (getattr(BENCH["scores"], name) for name in ("chaos", "pas", "scores"))


def chaos_by_loops(domain, xy):
    x = [[(row[j] - np.mean(xy[:, j])) / np.std(xy[:, j]) for j in range(2)] for row in xy]
    total = 0.0
    for i in range(len(x)):
        same = [j for j in range(len(x)) if domain[j] == domain[i]]
        if len(same) > 2:
            total += min(np.hypot(x[i][0] - x[j][0], x[i][1] - x[j][1]) for j in same if j != i)
    return total / len(x)


def pas_by_loops(domain, xy):
    abnormal = 0
    for i in range(len(xy)):
        others = [j for j in range(len(xy)) if j != i]
        near = sorted(others, key=lambda j, i=i: (round(float(np.hypot(*(xy[i] - xy[j]))), 6), j))[:10]
        abnormal += sum(domain[j] != domain[i] for j in near) >= 6
    return abnormal / len(xy)


def array(side):
    row, column = np.divmod(np.arange(side**2), side)
    return np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(3) / 2])


@pytest.mark.parametrize("seed", range(4))
def test_coherence_is_that_of_the_loops(seed):
    rng = np.random.default_rng(seed)
    xy = rng.normal(size=(90, 2)) * [1, 30]
    domain = np.where(xy[:, 1] + rng.normal(0, 15, 90) > 0, "a", "b")
    domain[:2], domain[2:5] = "c", "d"  # two spots, which add nothing, and three
    assert chaos(domain, xy) == pytest.approx(chaos_by_loops(domain, xy))
    assert pas(domain, xy) == pytest.approx(pas_by_loops(domain, xy))
    assert 0.05 < pas(domain, xy) < 0.6


def test_neighbours_at_the_same_distance_are_taken_in_the_order_of_the_table():
    xy = array(9) * 137.0
    domain = np.random.default_rng(0).integers(0, 2, 81).astype(str)
    assert pas(domain, xy) == pytest.approx(pas_by_loops(domain, xy / 137.0))


def test_five_others_of_ten_are_not_abnormal():
    xy = np.column_stack([np.cos(np.linspace(0, 2 * np.pi, 11)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 11)[:-1])])
    xy = np.vstack([[0, 0], xy])
    five = np.array(["a"] * 6 + ["b"] * 5)
    six = np.array(["a"] * 5 + ["b"] * 6)
    # all of the ten others are neighbours: five b's have six a's, five a's have six b's
    assert pas(five, xy) == pytest.approx(5 / 11)
    assert pas(six, xy) == pytest.approx(5 / 11)


def test_agreement_is_of_labelled_spots_and_coherence_of_all():
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(60, 2))
    truth = pd.Series(pd.Categorical(["x", "y", None] * 20))
    found = rng.integers(0, 3, 60).astype(str)
    found[:6] = "unassigned"
    one = scores(found, truth, xy)
    known = truth.notna().to_numpy()
    assert one["ari"] == adjusted_rand_score(truth[known], found[known])
    assert one["nmi"] == normalized_mutual_info_score(truth[known], found[known])
    assert (one["n_domains"], one["n_found"]) == (2, 3)
    assert one["chaos"] == chaos(found[6:], xy[6:])
    assert one["pas"] == pas(found[6:], xy[6:])
    moved = found.copy()
    moved[~known] = np.where(moved[~known] == "0", "1", "0")
    other = scores(moved, truth, xy)
    assert (other["ari"], other["nmi"]) == (one["ari"], one["nmi"])
    assert other["chaos"] != one["chaos"]


def test_smoothing_of_the_floors_is_dense_algebra():
    floors = BENCH["floors"]
    rng = np.random.default_rng(0)
    dense = np.triu(rng.random((40, 40)) < 0.1, 1).astype(float)
    dense += dense.T
    graph, x = sp.csr_matrix(dense), rng.normal(size=(40, 3))
    laplacian = np.diag(dense.sum(axis=1)) - dense
    np.testing.assert_allclose(floors.diffused(x, graph), np.linalg.inv(np.eye(40) + laplacian) @ x)
    means = [x[[i, *np.flatnonzero(dense[i])]].mean(axis=0) for i in range(40)]
    np.testing.assert_allclose(floors.mean_of_neighbours(x, graph), means)


@pytest.mark.parametrize("name", BENCH["tissues"].TISSUES)
def test_tissue_is_the_same_each_time_and_has_the_domains_it_says(name):
    spec, tissue = BENCH["tissues"].SPECS[name], BENCH["tissues"].tissue
    one, again, other = tissue(name), tissue(name), tissue(name, draw=1)
    assert (one.X != again.X).nnz == 0
    assert one.obs["ground_truth"].equals(again.obs["ground_truth"])
    assert one.shape != other.shape or (one.X != other.X).nnz > 0
    assert 600 <= one.n_obs == spec.n_spots <= 1500
    assert one.X.min() >= 0
    assert np.array_equal(one.X.data, np.round(one.X.data))
    wanted = np.array(spec.shares) / sum(spec.shares)
    np.testing.assert_allclose(one.obs["ground_truth"].value_counts(sort=False) / one.n_obs, wanted, atol=0.03)
    assert one.X.sum(axis=1).mean() == pytest.approx(spec.counts, rel=0.05)


@pytest.mark.parametrize("name", BENCH["tissues"].TISSUES)
def test_tissue_is_neither_trivial_nor_beyond_reach(name):
    floors, methods = BENCH["floors"], BENCH["methods"]
    adata = BENCH["tissues"].tissue(name)
    truth = adata.obs["ground_truth"]
    methods.prepare(adata)
    alone = floors.floor(adata, truth.nunique(), 0, view="pca", cluster="mixture")
    assert adjusted_rand_score(truth, alone) < 0.7
    view = floors.mean_of_neighbours(floors.principal_components(adata, 0), floors.graph_of(adata))
    told = LinearDiscriminantAnalysis().fit(view, truth).predict(view)
    assert adjusted_rand_score(truth, told) > 0.6
