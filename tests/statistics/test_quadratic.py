"""Moments of quadratic forms against all permutations, and the p-values that follow from them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from s3rl.statistics.permuted_tail import PermutedTail
from s3rl.statistics.quadratic import (
    Cumulants,
    cauchy_combination,
    cumulants,
    moments_of_basis,
    moments_of_graph,
    upper_tail,
)

N = 7


def orthonormal(values: np.ndarray) -> np.ndarray:
    return np.linalg.svd(values - values.mean(axis=0), full_matrices=False)[0]


def problems() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(N, N))
    dense = dense + dense.T
    sparse = dense * (np.abs(dense) > 1)
    hollow = dense - np.diag(np.diag(dense))
    basis = orthonormal(rng.normal(size=(N, 2)))
    found = {name: (m, moments_of_graph(sp.csr_matrix(m))) for name, m in (("dense", dense), ("sparse", sparse))}
    return found | {
        "hollow": (hollow, moments_of_graph(sp.csr_matrix(hollow))),
        "basis": (basis @ basis.T, moments_of_basis(basis)),
    }


@pytest.mark.parametrize("name", ["dense", "sparse", "hollow", "basis"])
@pytest.mark.parametrize("seed", [0, 1])
def test_moments_are_those_of_all_permutations(name, seed):
    matrix, moments = problems()[name]
    values = np.random.default_rng(seed).exponential(size=N) ** (1 + seed)
    values -= values.mean()
    orders = np.array(list(itertools.permutations(range(N))))
    forms = np.einsum("pi,ij,pj->p", values[orders], matrix, values[orders])
    found = cumulants(moments, values[:, None])
    assert found.mean[0] == pytest.approx(forms.mean())
    assert found.variance[0] == pytest.approx(forms.var())
    assert found.third[0] == pytest.approx(((forms - forms.mean()) ** 3).mean())


def test_columns_are_apart():
    _, moments = problems()["sparse"]
    values = np.random.default_rng(0).normal(size=(N, 3))
    values -= values.mean(axis=0)
    together = cumulants(moments, values)
    for column in range(3):
        alone = cumulants(moments, values[:, [column]])
        assert np.allclose([part[column] for part in together], [part[0] for part in alone])


def test_the_tail_without_skewness_is_normal_and_with_it_a_gamma():
    moments = Cumulants(np.zeros(2), np.ones(2), np.array([0.0, 1.0]))
    found = upper_tail(np.array([1.5, 1.5]), moments)
    assert found[0] == pytest.approx(stats.norm.sf(1.5))
    # a gamma distribution of shape 4 has skewness 1
    assert found[1] == pytest.approx(stats.gamma(4).sf(4 + 1.5 * 2))


def test_the_tail_does_not_end():
    """A negative skewness would give exactly 0 beyond the end of its distribution."""
    moments = Cumulants(np.zeros(2), np.ones(2), np.array([-1.0, 0.0]))
    found = upper_tail(np.array([9.0, 99.0]), moments)
    assert np.log(found[0]) == pytest.approx(stats.norm.logsf(9.0))
    assert found[1] == 1e-300


def test_nothing_is_said_without_spread():
    moments = Cumulants(np.zeros(1), np.zeros(1), np.zeros(1))
    assert np.isnan(upper_tail(np.array([0.0]), moments)).all()


def test_equal_pvalues_combine_to_themselves():
    p = np.array([1e-250, 1e-40, 1e-16, 1e-9, 0.003, 0.2, 0.7])
    assert np.allclose(np.log(cauchy_combination(np.tile(p, (3, 1)))), np.log(p))


def test_a_combination_follows_the_smallest_and_leaves_out_what_was_not_tested():
    combined = cauchy_combination(np.array([[1e-30, 0.2, np.nan, np.nan], [0.9999, 0.4, 0.01, np.nan]]))
    assert combined[0] == pytest.approx(2e-30)
    assert 0.2 < combined[1] < 0.4
    assert combined[2] == pytest.approx(0.01)
    assert np.isnan(combined[3])


def test_a_few_permutations_tell_of_a_far_tail():
    """Draws of a normal distribution, 6 standard deviations below 0."""
    rng = np.random.default_rng(0)
    tail = PermutedTail((300,))
    for _ in range(200):
        tail.add(rng.normal(size=300) - 6)
    found = np.log10(tail.pvalues())
    # the sample skewness moves the tail; without a fit all would be 1 / 201
    assert np.median(found) == pytest.approx(np.log10(stats.norm.sf(6)), abs=1.5)
    assert found.max() < np.log10(1 / 201)


def test_many_hits_are_a_share():
    tail = PermutedTail((2,))
    for number in range(99):
        tail.add(np.array([1.0 if number < 24 else -1.0, 0.0]))
    assert tail.pvalues() == pytest.approx([0.25, 1.0])
