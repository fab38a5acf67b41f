"""Moran, Geary and trends as forms: against loops, against dense matrices, within slices and groups."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.autocorrelation import gearys_c, morans_i

from s3rl.statistics.autocorrelation import (
    centred,
    graph_form,
    hits_of_permutations,
    parts_of,
    row_normalised,
    statistic,
    trend_form,
    value_of,
)
from s3rl.statistics.permutations import permutation
from s3rl.statistics.quadratic import upper_tail
from s3rl.statistics.readout import readout
from s3rl.statistics.within_groups import group_of, large_enough, own_neighbours, pvalues_after_denoising

RNG = np.random.default_rng(0)
XY = RNG.uniform(size=(60, 2))
ONE = np.zeros(60, dtype=np.int64)
TWO = np.repeat([0, 1], [25, 35])
ORACLES = {"moran": morans_i, "geary": gearys_c}


@pytest.mark.parametrize("mode", ["moran", "geary"])
def test_the_statistic_is_that_of_a_loop(mode):
    graph = own_neighbours(XY, parts_of(ONE), 5)
    form = graph_form("near", graph, mode, parts_of(ONE))
    raw = RNG.exponential(size=(60, 4))
    values = centred(raw, parts_of(ONE))
    squares = (values**2).sum(axis=0)
    found = statistic(form, form.value(values), squares, 60, mode)
    weights = row_normalised(graph).toarray()
    assert np.allclose(found, [ORACLES[mode](weights, column) for column in raw.T])
    assert np.allclose(value_of(form, found, squares, 60, mode), form.value(values))


@pytest.mark.parametrize("mode", ["moran", "geary"])
def test_more_alike_is_larger_in_both_modes(mode):
    form = graph_form("near", own_neighbours(XY, parts_of(ONE), 6), mode, parts_of(ONE))
    values = centred(np.column_stack([XY[:, 0], RNG.permutation(XY[:, 0])]), parts_of(ONE))
    smooth, shuffled = form.value(values)
    assert smooth > shuffled
    smooth, shuffled = upper_tail(form.value(values), form.expected(values))
    assert smooth < 1e-6 < 0.01 < shuffled


@pytest.mark.parametrize("mode", ["moran", "geary", "trend"])
def test_moments_within_slices_are_those_of_permutations_within_slices(mode):
    parts = parts_of(TWO)
    form = trend_form("t", XY, parts) if mode == "trend" else graph_form("g", own_neighbours(XY, parts, 5), mode, parts)
    values = centred(RNG.exponential(size=(60, 1)) * (1 + 3 * TWO[:, None]), parts)
    drawn = np.array([form.value(values[permutation(0, k, 60, TWO)])[0] for k in range(4000)])
    expected = form.expected(values)
    assert drawn.mean() == pytest.approx(expected.mean[0], abs=4 * drawn.std() / np.sqrt(4000))
    assert drawn.var() == pytest.approx(expected.variance[0], rel=0.1)


def test_a_trend_explains_planes_and_their_curvature_and_nothing_of_a_checkerboard():
    x, y = np.meshgrid(np.arange(8.0), np.arange(8.0))
    xy, parts = np.column_stack([x.ravel(), y.ravel()]), parts_of(np.zeros(64))
    form = trend_form("trend", xy, parts)
    board = np.where((xy.sum(axis=1) % 2) == 0, 1.0, -1.0)
    values = centred(np.column_stack([xy[:, 0] - 2 * xy[:, 1], (xy[:, 0] - 3) ** 2, board]), parts)
    assert np.allclose(form.value(values) / (values**2).sum(axis=0), [1, 1, 0], atol=0.01)


def test_there_is_no_trend_over_one_point():
    assert trend_form("trend", np.ones((20, 2)), parts_of(np.zeros(20))) is None


def test_on_a_line_a_trend_has_two_terms():
    line = np.column_stack([np.arange(30.0), np.zeros(30)])
    assert trend_form("trend", line, parts_of(np.zeros(30))).bases[0].shape == (30, 2)


def test_forms_of_combinations():
    group = group_of("all", np.arange(60), XY, TWO, "geary")
    columns, weights = RNG.normal(size=(60, 4)), RNG.normal(size=4)
    assert len(group.forms) == 3
    for form in group.forms:
        direct = form.value((columns @ weights)[:, None])[0]
        assert weights @ form.between(columns) @ weights == pytest.approx(direct)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=24, max_size=60), st.integers(0, 99))
def test_own_neighbours_are_in_one_slice_and_both_ways(codes, seed):
    codes = np.array(codes)
    keep = large_enough(codes)
    codes = codes[keep]
    if not len(codes):
        return
    xy = np.random.default_rng(seed).integers(0, 5, size=(len(codes), 2)).astype(float)
    graph = own_neighbours(xy, parts_of(codes), 6)
    rows, columns = graph.nonzero()
    assert (codes[rows] == codes[columns]).all()
    assert (rows != columns).all()
    assert (graph != graph.T).nnz == 0
    assert graph.sum(axis=1).min() >= 1


def test_a_constant_column_is_exactly_zero():
    values = centred(np.full((60, 1), 0.1), parts_of(TWO))
    assert not values.any()


def test_hits_do_not_depend_on_which_genes_are_together():
    group = group_of("all", np.arange(60), XY, ONE, "moran")
    values = centred(RNG.normal(size=(60, 5)), parts_of(ONE))
    together = hits_of_permutations(group.forms, values, ONE, 3, 40)
    assert np.array_equal(together[:, 2:3], hits_of_permutations(group.forms, values[:, 2:3], ONE, 3, 40))
    assert (together > 0).any()
    assert (together <= 40).all()


def test_values_of_different_slices_are_not_exchanged():
    """All that varies is in one slice; in the other nothing would be its neighbour."""
    parts = parts_of(TWO)
    form = graph_form("near", own_neighbours(XY[TWO == 0], (np.arange(25),), 5), "moran", (np.arange(25),))
    whole = sp.block_diag([form.matrix, sp.csr_matrix((35, 35))], format="csr")
    values = centred(np.where(TWO == 0, XY[:, 0], 0.0)[:, None] + 1e-3 * XY[:, :1], parts)
    hits = hits_of_permutations([form._replace(matrix=whole)], values, TWO, 3, 60)[0, 0]
    orders = [permutation(3, number, 60, TWO)[:25] for number in range(60)]
    drawn = np.array([form.value(values[order])[0] for order in orders])
    assert hits == (drawn >= form.value(values[:25])[0]).sum()
    # noise in the second slice instead, so that many reach it
    values = centred(RNG.normal(size=(60, 8)), parts)
    hits = hits_of_permutations([form._replace(matrix=whole)], values, TWO, 3, 60)[0]
    drawn = np.array([form.value(values[order]) for order in orders])
    assert np.array_equal(hits, (drawn >= form.value(values[:25])).sum(axis=0))


@pytest.mark.parametrize("mode", ["moran", "geary"])
def test_pvalues_after_denoising_are_those_of_denoised_permutations(mode):
    """Against H as a dense matrix, and statistics as ratios of its products."""
    denoiser = readout(RNG.normal(size=(60, 4)))
    smoother = denoiser.basis @ np.diag(denoiser.gain) @ denoiser.basis.T
    values = RNG.exponential(size=(60, 6))
    rows = np.flatnonzero(TWO == 1)
    group = group_of("second", rows, XY[rows], np.zeros(len(rows), dtype=np.int64), mode)
    found = pvalues_after_denoising([group], sp.csc_matrix(values), denoiser, TWO, 5, 60)[0]

    def ratios(raw: np.ndarray) -> np.ndarray:
        smooth = (smoother @ raw)[rows]
        smooth = smooth - smooth.mean(axis=0)
        return np.array([form.value(smooth) for form in group.forms]) / (smooth**2).sum(axis=0)

    # the inverse of each permutation that the function draws
    orders = [np.argsort(permutation(5, number, 60, TWO)) for number in range(60)]
    hits = np.sum([ratios(values[order]) >= ratios(values) - 1e-9 for order in orders], axis=0)
    many = hits >= 10
    assert many.any()
    assert np.allclose(found[many], (1 + hits[many]) / 61)
    assert (found[~many] < 0.4).all()
