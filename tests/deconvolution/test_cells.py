"""The mapping of single cells: sums, one step of expectation-maximisation, the heaviest cells."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from deconvolution.mixtures import planted, shares

from s3rl.deconvolution.cells import mapping
from s3rl.deconvolution.reference import metacells

MADE = planted(n=30, g=40, k=3, per_type=9)
# the cells of a type are not next to each other in a real reference
ORDER = np.random.default_rng(0).permutation(27)
CELLS = sp.csr_matrix(shares(MADE.cells[ORDER]), dtype=np.float32)
CODES = MADE.codes[ORDER]
GROUPS = metacells(CELLS, CODES, 3, 3, seed=0)
WEIGHTS = np.random.default_rng(1).dirichlet(np.ones(len(GROUPS.types)), size=30).astype(np.float32)
PROPORTIONS = (WEIGHTS @ np.eye(3)[GROUPS.types]).astype(np.float32)
SPOTS = shares(MADE.spots).astype(np.float32)


@pytest.mark.parametrize("top", [1, 4, 100])
def test_sums_over_a_type_are_its_proportion(top):
    found = mapping(WEIGHTS, GROUPS, CELLS, SPOTS, PROPORTIONS, top)
    assert found.shape == (30, 27)
    assert found.dtype == np.float32
    assert found.has_sorted_indices
    for kind in range(3):
        own = found[:, np.flatnonzero(kind == CODES)].toarray()
        assert np.allclose(own.sum(axis=1), PROPORTIONS[:, kind], atol=1e-6)
        assert ((own > 0).sum(axis=1) <= top).all()


def test_all_cells_together_are_one_step_of_expectation_maximisation():
    found = mapping(WEIGHTS, GROUPS, CELLS, SPOTS, PROPORTIONS, 100).toarray()
    sizes = np.bincount(GROUPS.members)
    cells = CELLS.toarray().astype(float)
    start = WEIGHTS[:, GROUPS.members] / sizes[GROUPS.members]
    expected = np.zeros_like(start)
    for spot in range(30):
        fitted = start[spot] @ cells
        fitted /= fitted.sum()
        for cell in range(27):
            expected[spot, cell] = start[spot, cell] * (cells[cell] * SPOTS[spot] / fitted).sum()
    for kind in range(3):
        own = kind == CODES
        expected[:, own] *= PROPORTIONS[:, [kind]] / expected[:, own].sum(axis=1, keepdims=True)
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_the_heaviest_cells_are_kept():
    every = mapping(WEIGHTS, GROUPS, CELLS, SPOTS, PROPORTIONS, 100).toarray()
    few = mapping(WEIGHTS, GROUPS, CELLS, SPOTS, PROPORTIONS, 2).toarray()
    for kind in range(3):
        own = np.flatnonzero(kind == CODES)
        best = np.sort(np.argsort(-every[:, own], axis=1)[:, :2], axis=1)
        kept = np.sort(np.argsort(-few[:, own], axis=1)[:, :2], axis=1)
        assert np.array_equal(best, kept)
