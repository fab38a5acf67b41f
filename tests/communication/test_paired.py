"""The authors' paired t-test against scipy's."""

from __future__ import annotations

import numpy as np
from scipy.stats import ttest_rel

from s3rl.communication.paired import paired_t


def test_pvalues_are_those_of_scipy():
    rng = np.random.default_rng(0)
    values = rng.gamma(1.0, size=(20, 40)).astype(np.float32)
    ligand, receptor = rng.integers(0, 40, (2, 700))
    different = ligand != receptor
    found = paired_t(values, ligand, receptor)
    expected = ttest_rel(values[:, ligand].astype(float), values[:, receptor].astype(float), axis=0).pvalue
    assert np.allclose(found[different], expected[different], rtol=1e-5)


def test_differences_that_do_not_vary_are_no_test():
    values = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0], [0.5, 1.5, 0.0]])
    assert np.isnan(paired_t(values, np.array([0, 0, 2]), np.array([1, 0, 2]))).all()
