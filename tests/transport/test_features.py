"""Components against a dense decomposition, dissimilarity against a loop, genes in common."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist

from s3rl.errors import InputError
from s3rl.transport.features import (
    dissimilarity,
    features_of,
    joint_components,
    paired,
    shared_genes,
    smoothed,
    unit_rows,
)


def counts(n: int, g: int, seed: int) -> sp.csr_matrix:
    return sp.random(n, g, 0.3, "csr", np.float32, random_state=np.random.default_rng(seed))


def test_genes_in_common_are_those_that_both_express():
    first = sp.csr_matrix(np.array([[1.0, 0, 0, 2], [0, 0, 3, 0]]))
    second = sp.csr_matrix(np.array([[1.0, 1, 0, 0], [0, 0, 3, 1]]))
    first.data[first.indices == 2] = 0  # stored, but zero
    assert shared_genes(first, second).tolist() == [0, 3]


@pytest.mark.parametrize(("n", "m", "g"), [(70, 60, 80), (20, 15, 200), (90, 80, 12)])
def test_components_are_those_of_the_dense_matrix_centred_by_slice(n, m, g):
    first, second = counts(n, g, 0), counts(m, g, 1)
    parts = joint_components(first, second, 10)
    dense = np.vstack([x.toarray() - x.toarray().mean(0) for x in (first, second)])
    left, values, _ = np.linalg.svd(dense, full_matrices=False)
    expected = left[:, :10] * values[:10]
    found = np.vstack(parts)
    assert np.allclose(found @ found.T, expected @ expected.T, atol=1e-4)


def test_dissimilarity_is_half_of_one_minus_the_cosine():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 3)), rng.normal(size=(5, 3))
    expected = cdist(a, b, "cosine") / 2
    assert np.allclose(dissimilarity(a, b), expected)
    rows, columns = np.array([0, 5, 2]), np.array([1, 1, 4])
    assert np.allclose(paired(unit_rows(a), unit_rows(b), rows, columns), expected[rows, columns])


def test_smoothing_takes_the_mean_of_the_nearest():
    xy = np.column_stack([np.arange(10.0) ** 1.1, np.zeros(10)])
    values = np.arange(10.0)[:, None] ** 2
    found = smoothed(values, xy, n_neighs=2)
    near = np.argsort(np.abs(xy[:, None, 0] - xy[:, 0]), axis=1)[:, :3]
    assert np.allclose(found, values[near].mean(axis=1))


def test_slices_without_genes_in_common_are_refused():
    first = sp.csr_matrix(np.repeat([[1.0, 2, 0, 0, 0]], 12, 0))
    second = sp.csr_matrix(np.repeat([[0, 0, 1.0, 2, 3]], 12, 0))
    xy = np.random.default_rng(0).uniform(size=(12, 2))
    with pytest.raises(InputError, match="genes in common"):
        features_of(first, second, xy, xy)


def test_features_are_centred_and_zero_rows_have_no_direction():
    rng = np.random.default_rng(0)
    parts = features_of(
        rng.normal(size=(20, 3)) + 9, rng.normal(size=(15, 3)), rng.normal(size=(20, 2)), rng.normal(size=(15, 2))
    )
    assert abs(parts[0].mean()) < 0.5
    assert np.array_equal(unit_rows(np.zeros((2, 3))), np.zeros((2, 3)))
