"""Signatures, telling genes and metacells against loops and planted groups."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from deconvolution.mixtures import planted, shares

from s3rl.deconvolution.reference import metacells, signatures, telling_genes

PLANTED = planted()
CELLS = sp.csr_matrix(shares(PLANTED.cells), dtype=np.float32)


def test_signatures_are_the_means_of_the_types():
    means = signatures(CELLS, PLANTED.codes, 4)
    for kind in range(4):
        assert np.allclose(means[kind], shares(PLANTED.cells)[PLANTED.codes == kind].mean(axis=0), rtol=1e-5)


def test_telling_genes_are_those_that_differ_not_those_that_are_high():
    means = np.array([[0.5, 0.3, 0.1, 0.1], [0.5, 0.1, 0.3, 0.1]])
    assert telling_genes(means, 2).tolist() == [1, 2]
    assert telling_genes(means, 9).tolist() == [0, 1, 2, 3]


def test_metacells_stay_within_their_type_and_find_planted_groups():
    rng = np.random.default_rng(1)
    states = np.repeat(np.arange(4), 12)
    profiles = rng.dirichlet(np.full(60, 0.3), size=4)
    cells = sp.csr_matrix(shares(rng.poisson(2000 * profiles[states])), dtype=np.float32)
    codes = states // 2
    found = metacells(cells, codes, 2, 2, seed=0)
    assert np.array_equal(found.types[found.members], codes)
    assert found.types.tolist() == [0, 0, 1, 1]
    assert len({(member, state) for member, state in zip(found.members, states, strict=True)}) == 4
    for group in range(4):
        assert np.allclose(found.profiles[group], cells[found.members == group].toarray().mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize(("size", "groups"), [(1, 1), (5, 1), (6, 2), (30, 10), (90, 10)])
def test_a_metacell_has_three_cells_at_least_on_average(size, groups):
    codes = np.repeat([0, 1], [size, 3])
    cells = sp.csr_matrix(np.random.default_rng(0).dirichlet(np.ones(20), codes.size), dtype=np.float32)
    found = metacells(cells, codes, 2, 10, seed=0)
    assert (found.types == 0).sum() == groups
    assert (found.types == 1).sum() == 1


def test_equal_cells_make_one_group_and_the_seed_makes_the_groups():
    codes = np.zeros(12, dtype=np.int64)
    same = sp.csr_matrix(np.full((12, 5), 0.2), dtype=np.float32)
    assert metacells(same, codes, 1, 4, seed=0).types.tolist() == [0]
    one, again = (metacells(CELLS, PLANTED.codes, 4, 5, seed=3) for _ in range(2))
    assert one.profiles.tobytes() == again.profiles.tobytes()
    assert np.array_equal(one.members, again.members)
