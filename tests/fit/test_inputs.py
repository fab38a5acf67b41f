from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from fit.problems import CPU, small, tissue
from oracles.layers import diffused

from s3rl.fit.inputs import Slide, fingerprint, gene_weights, targets_of
from s3rl.fit.params import S3RLParams

PROBLEM = tissue()
N, G = PROBLEM.x.shape


def test_slide_holds_the_matrices():
    slide = PROBLEM.slide(small())
    dense = PROBLEM.x.toarray()
    assert np.array_equal(slide.expression.rows(slice(0, N)).numpy(), dense)
    np.testing.assert_allclose(slide.expression_norm.numpy(), np.linalg.norm(dense, axis=1), rtol=1e-6)
    assert slide.graph.n_edges == PROBLEM.attraction.nnz
    smooth = slide.diffusion.apply(torch.eye(N)).numpy()
    np.testing.assert_allclose(smooth, diffused(np.eye(N), PROBLEM.spatial, 1.0), atol=0.02)
    assert PROBLEM.slide(small(diffusion=0.0)).diffusion is None


def test_each_pair_counts_once():
    targets = PROBLEM.targets(small())
    for hood, graph in ((targets.attracting, PROBLEM.attraction), (targets.repelling, PROBLEM.repulsion)):
        assert hood.n_edges == graph.nnz // 2
        assert (hood.rows < hood.columns).all()
        assert graph.toarray()[hood.rows.numpy(), hood.columns.numpy()].all()


def test_targets_are_those_that_are_asked_for():
    full = PROBLEM.targets(small())
    assert full.consensus.shape == (N, 3)
    torch.testing.assert_close(full.sizes, full.consensus.mean(dim=0))
    torch.testing.assert_close(full.sizes.sum(), torch.tensor(1.0))
    torch.testing.assert_close(full.anchor.mean(dim=0), torch.zeros(full.anchor.shape[1]), atol=1e-5, rtol=0)
    assert full.anchor.std(dim=0, correction=0).max().item() == pytest.approx(1, rel=1e-5)
    equal = PROBLEM.targets(small(size_prior="equal"))
    assert equal.sizes is None
    assert equal.consensus is not None
    bare = PROBLEM.targets(S3RLParams.paper())
    assert (bare.anchor, bare.consensus, bare.sizes) == (None, None, None)


@pytest.mark.parametrize(("batch", "slices"), [("none", None), ("center", np.arange(N) % 2)])
def test_a_panel_whose_genes_all_lie_in_space_keeps_more_components(batch, slices):
    """Every gene is a wave of its own on a ring of spots."""
    places = np.arange(N)
    ring = sp.csr_matrix((np.ones(N), (places, (places + 1) % N)), shape=(N, N))
    ring, params = ring + ring.T, small(batch=batch)
    waves = np.array([np.cos((g // 2 + 1) * 2 * np.pi * places / N + g % 2 * np.pi / 2) for g in range(33)]).T
    noise = np.random.default_rng(0).normal(size=waves.shape)
    empty = sp.csr_matrix((N, N))
    for values, wanted in ((2 + waves + 0.1 * noise, 32), (5 + noise, 20)):
        given = sp.csr_matrix(values.astype(np.float32)), ring, empty, ring
        found = targets_of(*given, 3, params, seed=0, device=CPU, slices=slices)
        assert found.anchor.shape == (N, wanted)


def test_targets_repeat():
    first, again, other = (PROBLEM.targets(small(), 6, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.consensus, again.consensus)
    assert torch.equal(first.anchor, again.anchor)
    assert not torch.equal(first.consensus, other.consensus)


def test_gene_weights_are_capped():
    x = PROBLEM.x.tolil()
    x[:, 0] = 0
    x[4, 0] = 0.1
    x[:, 1] = 0
    weights = gene_weights(x.tocsr())
    deviation = x.toarray().std(axis=0)
    assert weights[0] == 10
    assert weights[1] == 1
    np.testing.assert_allclose(weights[2:].numpy(), np.minimum(1 / deviation[2:], 10), rtol=1e-5)


def test_fingerprint_names_data_parameters_and_seed():
    matrices = PROBLEM[:4]
    mark = fingerprint(small(), 0, 3, *matrices)
    assert mark == fingerprint(small(), 0, 3, *(m.copy() for m in matrices))
    changed = PROBLEM.x.copy()
    changed.data[7] += 1e-6 + changed.data[7] * 1e-6
    moved = PROBLEM.spatial.copy()
    moved.data[0] = 2
    others = [
        fingerprint(small(n_latent=7), 0, 3, *matrices),
        fingerprint(small(), 1, 3, *matrices),
        fingerprint(small(), 0, 4, *matrices),
        fingerprint(small(), 0, 3, changed, *matrices[1:]),
        fingerprint(small(), 0, 3, *matrices[:3], moved),
        fingerprint(small(), 0, 3, sp.csr_matrix(PROBLEM.x[::-1]), *matrices[1:]),
    ]
    assert len({mark, *others}) == 7


def test_nothing_handed_in_is_changed():
    before = [(m.indptr.copy(), m.indices.copy(), m.data.copy()) for m in PROBLEM[:4]]
    PROBLEM.targets(small())
    Slide.of(PROBLEM.x, PROBLEM.attraction, PROBLEM.spatial, small(), CPU)
    for matrix, parts in zip(PROBLEM[:4], before, strict=True):
        for now, then in zip((matrix.indptr, matrix.indices, matrix.data), parts, strict=True):
            assert np.array_equal(now, then)
