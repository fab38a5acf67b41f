"""Planted factors of genes are found in the bulk."""

from __future__ import annotations

import numpy as np
import pytest
from deconvolution.mixtures import planted, shares
from scipy.optimize import approx_fprime

from s3rl.deconvolution import gene_effects as module
from s3rl.deconvolution.gene_effects import gene_effects


def test_planted_factors_are_found():
    rng = np.random.default_rng(0)
    means = rng.dirichlet(np.full(300, 0.5), size=5)
    factors = rng.lognormal(0, 0.7, 300)
    bulk = rng.dirichlet(np.full(5, 2.0)) @ means * factors
    found = gene_effects(bulk / bulk.sum(), means)
    assert np.corrcoef(np.log(found), np.log(factors))[0, 1] > 0.97


def test_without_factors_all_are_one():
    made = planted(depth=1e5)
    means = np.stack([shares(made.cells)[made.codes == kind].mean(axis=0) for kind in range(4)])
    bulk = made.truth.mean(axis=0) @ means
    assert np.allclose(gene_effects(bulk, means), 1.0, atol=2e-3)


def test_the_gradient_is_that_of_the_objective(monkeypatch):
    seen = {}

    def capture(function, start, **_):
        seen["function"], seen["start"] = function, start
        raise InterruptedError

    monkeypatch.setattr(module, "minimize", capture)
    rng = np.random.default_rng(2)
    with pytest.raises(InterruptedError):
        gene_effects(rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(30), size=3))
    at = rng.normal(size=3)
    numeric = approx_fprime(at, lambda x: seen["function"](x)[0], 1e-7)
    assert np.allclose(seen["function"](at)[1], numeric, atol=1e-5)
