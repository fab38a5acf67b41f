"""Margin, agreement and uncertainty against loops over spots and runs."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from fit.problems import small, tissue
from hypothesis import given
from hypothesis import strategies as st

from s3rl.fit import inputs
from s3rl.fit.uncertainty import margin, spot_uncertainty, votes

P = np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [0.0, 0.0, 1.0], [1 / 3, 1 / 3, 1 / 3]])


def named_best(run: np.ndarray, labels: np.ndarray, c: int) -> np.ndarray:
    """The run under the names, of all possible ones, that put the most spots where the labels have them."""
    return max((np.array(names)[run] for names in permutations(range(c))), key=lambda named: (named == labels).sum())


def agreement_of(runs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of the votes that each spot's own domain has."""
    c = int(max(np.max(runs), np.max(labels))) + 1
    return votes(runs, labels, c)[np.arange(len(labels)), labels]


@st.composite
def labelled(draw):
    c, n, m = draw(st.integers(2, 4)), draw(st.integers(4, 20)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    labels = rng.integers(c, size=n)
    noisy = [np.where(rng.random(n) < 0.2, rng.integers(c, size=n), rng.permutation(c)[labels]) for _ in range(m)]
    return np.array(noisy), labels, c


@given(labelled())
def test_votes_are_those_of_a_loop_over_all_ways_to_name_the_groups(case):
    runs, labels, c = case
    found = votes(runs, labels, c)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    own = found[np.arange(len(labels)), labels]
    # several ways of naming may agree with as many spots, so that only the sum is settled
    expected = np.mean([(named_best(run, labels, c) == labels).sum() for run in runs])
    assert own.sum() == pytest.approx(expected)
    np.testing.assert_array_equal(agreement_of(runs, labels), own)


def test_names_of_groups_do_not_matter():
    labels = np.array([0, 0, 1, 1, 2, 2])
    runs = np.array([[2, 2, 0, 0, 1, 1], [1, 1, 2, 2, 0, 1]])
    np.testing.assert_array_equal(agreement_of(runs, labels), [1, 1, 1, 1, 1, 0.5])
    assert votes(runs, labels, 3)[5].tolist() == [0.5, 0, 0.5]


def test_margin_is_the_highest_less_the_second():
    expected = [sorted(row)[-1] - sorted(row)[-2] for row in P]
    np.testing.assert_allclose(margin(P), expected, atol=1e-6)
    assert margin(P).dtype == np.float32


def test_uncertainty_is_how_often_two_draws_differ():
    runs = np.array([[0, 1, 2, 0], [0, 0, 2, 1], [1, 1, 2, 0], [0, 1, 2, 2]])
    found = spot_uncertainty(P, runs)
    shares = votes(runs, P.argmax(axis=1), 3)
    for i in range(len(P)):
        differ = sum(P[i, j] * shares[i, k] for j in range(3) for k in range(3) if j != k)
        assert found.uncertainty[i] == pytest.approx(differ, abs=1e-6)
    assert found.uncertainty[2] == 0
    assert found.agreement is not None
    np.testing.assert_allclose(found.agreement, shares[np.arange(4), P.argmax(axis=1)])


def test_without_mixtures_both_draws_are_of_the_model():
    found = spot_uncertainty(P, None)
    assert found.agreement is None
    np.testing.assert_allclose(found.uncertainty, 1 - (P**2).sum(axis=1), atol=1e-6)


def test_all_are_shares_whatever_the_rounding():
    p = np.full((3, 7), 1 / 7, dtype=np.float32)
    p[1] = [1 + 1e-6, 0, 0, 0, 0, 0, 0]
    found = spot_uncertainty(p, np.zeros((2, 3), dtype=np.int16))
    for part in found:
        assert part is not None
        assert part.dtype == np.float32
        assert (part >= 0).all()
        assert (part <= 1 + 1e-6).all()


def test_the_mixtures_are_those_of_the_consensus(monkeypatch):
    voted = []
    usual = inputs.vote
    monkeypatch.setattr(inputs, "vote", lambda runs: voted.extend(runs) or usual(runs))
    # more groups than layers, so that no two mixtures are alike
    runs = tissue().targets(small(n_mixtures=6, batch="none"), 6, seed=4).mixtures
    assert runs is not None
    assert runs.dtype == np.int16
    assert len({run.tobytes() for run in runs}) == 6
    np.testing.assert_array_equal(runs, [run.argmax(axis=1) for run in voted])


def test_without_a_consensus_there_are_no_mixtures():
    assert tissue().targets(small(consensus=0.0, size_prior="equal")).mixtures is None
