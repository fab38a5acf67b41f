"""Genes in groups: the same as k-means over all spots."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from s3rl.statistics.metagenes import grouped


def genes(rng: np.random.Generator) -> np.ndarray:
    patterns = rng.normal(size=(3, 90))
    noisy = np.repeat(patterns, [5, 9, 7], axis=0) + 0.5 * rng.normal(size=(21, 90))
    return (noisy - noisy.mean(axis=1, keepdims=True)) / noisy.std(axis=1, keepdims=True)


def test_correlations_say_as_much_as_all_spots():
    values = genes(np.random.default_rng(0))
    found = grouped(values @ values.T / 90, 3, 0)
    direct = KMeans(3, n_init=20, random_state=0).fit_predict(values)
    assert adjusted_rand_score(direct, found.codes) == 1.0
    for code in range(3):
        mean = values[found.codes == code].mean(axis=0)
        oracle = [np.corrcoef(gene, mean)[0, 1] for gene in values[found.codes == code]]
        assert np.allclose(found.correlation[found.codes == code], oracle)


def test_numbers_go_by_size():
    values = genes(np.random.default_rng(1))
    found = grouped(values @ values.T / 90, 3, 0)
    assert np.array_equal(found.codes, np.repeat([2, 0, 1], [5, 9, 7]))


def test_one_group_takes_all():
    values = genes(np.random.default_rng(2))
    assert not grouped(values @ values.T / 90, 1, 0).codes.any()
