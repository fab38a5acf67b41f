"""Roles of genes, mean counts and negative-binomial draws."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats

from s3rl.datasets import CortexParams, _expression


@pytest.mark.parametrize(("mean", "dispersion"), [(0.3, 0.5), (4.0, 2.0), (20.0, 0.1), (1.5, 0.0)])
def test_moments_and_zeros_of_the_negative_binomial(mean, dispersion):
    n = 200_000
    drawn = _expression.negative_binomial(np.full(n, mean), dispersion, np.random.default_rng(3))
    law = scipy.stats.nbinom(1 / dispersion, 1 / (1 + mean * dispersion)) if dispersion else scipy.stats.poisson(mean)
    variance = mean + dispersion * mean**2
    assert law.var() == pytest.approx(variance)
    assert drawn.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / n))
    assert drawn.var() == pytest.approx(variance, rel=0.05)
    assert (drawn == 0).mean() == pytest.approx(law.pmf(0), abs=0.006)


def test_roles_of_the_genes():
    params = CortexParams(marker_share=0.2, gradient_share=0.1, n_pairs=6)
    genes = _expression.make_genes(400, 4, params, np.random.default_rng(0))
    kinds, counts = np.unique(genes.kind.astype(str), return_counts=True)
    assert dict(zip(kinds, counts, strict=True)) == {
        "marker": 80,
        "gradient": 40,
        "ligand": 12,
        "receptor": 12,
        "null": 256,
    }
    assert len(set(genes.names)) == 400
    np.testing.assert_array_equal(np.bincount(genes.layer[genes.kind == "marker"]), 20)
    ligand, receptor = genes.layer[genes.kind == "ligand"], genes.layer[genes.kind == "receptor"]
    np.testing.assert_array_equal(np.abs(ligand - receptor), [1] * 6 + [0] * 6)
    assert (ligand[:6] >= 0).all()
    assert (receptor[:6] >= 0).all()
    assert (ligand[6:] == -1).all()
    assert {-1, 1} == set(ligand[:6] - receptor[:6])
    assert (genes.fold[genes.layer >= 0] > 1).all()
    assert (genes.fold[genes.layer < 0] == 1).all()
    assert (genes.slope.any(axis=1) == (genes.kind == "gradient")).all()


def test_mean_counts_against_a_loop():
    params = CortexParams(gradient=1.3)
    genes = _expression.make_genes(60, 3, params, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    weights = rng.dirichlet(np.ones(3), 5)
    depth, along = rng.random(5), rng.random(5)
    expected = np.empty((5, 60))
    for i in range(5):
        for g in range(60):
            mean = genes.base[g]
            if genes.layer[g] >= 0:
                share = weights[i, genes.layer[g]]
                mean *= share * genes.fold[g] + (1 - share)
            slope = genes.slope[g]
            expected[i, g] = mean * np.exp(slope[0] * (depth[i] - 0.5) + slope[1] * (along[i] - 0.5))
    np.testing.assert_allclose(_expression.mean_counts(genes, weights, depth, along), expected)


def draw(n: int, *, dropout: float = 0.0, counts_per_gene: float = 5.0, seed: int = 1, batch: float = 1.0):
    params = CortexParams(counts_per_gene=counts_per_gene)
    genes = _expression.make_genes(40, 2, params, np.random.default_rng(0))
    half = np.full(n, 0.5)
    counts = _expression.draw_counts(
        genes,
        np.full((n, 2), 0.5),
        half,
        half,
        np.ones(n),
        batch=np.full(40, batch),
        dispersion=0.5,
        dropout=dropout,
        seed=seed,
        path=(1,),
    )
    return genes, counts


def test_draws_are_sparse_whole_numbers_with_the_planted_mean():
    genes, counts = draw(3000, batch=2.0)
    assert sp.issparse(counts)
    assert counts.format == "csr"
    assert counts.dtype == np.float32
    np.testing.assert_array_equal(counts.data, np.rint(counts.data))
    assert (counts.data > 0).all()
    expected = 2.0 * _expression.mean_counts(genes, np.full((1, 2), 0.5), np.array([0.5]), np.array([0.5]))[0]
    error = np.sqrt((expected + 0.5 * expected**2) / 3000)
    assert (np.abs(np.asarray(counts.mean(axis=0)).ravel() - expected) < 5 * error).all()


def test_dropout_takes_its_share():
    _, whole = draw(3000)
    _, dropped = draw(3000, dropout=0.4)
    assert dropped.sum() / whole.sum() == pytest.approx(0.6, abs=0.03)


def test_no_spot_is_empty():
    _, counts = draw(2000, counts_per_gene=0.001, dropout=0.9)
    np.testing.assert_array_equal(np.diff(counts.indptr), np.maximum(np.diff(counts.indptr), 1))
    assert counts.sum(axis=1).min() == 1


def test_first_blocks_of_rows_do_not_depend_on_later_ones():
    _, few = draw(1024)
    _, many = draw(2500)
    np.testing.assert_array_equal(few.toarray(), many[:1024].toarray())
    assert (many[1024:2048] != few).nnz > 0
