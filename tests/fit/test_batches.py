from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from fit.problems import small, tissue

from s3rl.errors import MissingExtraError
from s3rl.fit.batches import centred_components, integrated_components, resolved_batch, slice_share
from s3rl.fit.inputs import Slide
from s3rl.fit.views import principal_components
from s3rl.nn import ExpressionEncoderLayer, SparseMatrix

PROBLEM = tissue()
SLICES = np.arange(PROBLEM.x.shape[0]) % 3
SHIFTED = sp.csr_matrix(
    PROBLEM.x.toarray() + np.array([[0.0], [2.0], [5.0]])[SLICES] * (np.arange(PROBLEM.x.shape[1]) % 2)
)


def test_share_of_slices_is_that_of_an_analysis_of_variance():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(90, 2)) + np.array([[0, 0], [3, 0], [1, 0]])[np.arange(90) % 3]
    codes = np.arange(90) % 3
    for column, found in zip(values.T, slice_share(values, codes), strict=True):
        within = sum(((column[codes == s] - column[codes == s].mean()) ** 2).sum() for s in range(3))
        assert found == pytest.approx(1 - within / ((column - column.mean()) ** 2).sum())


def test_slices_are_centred_only_where_they_differ(caplog):
    assert resolved_batch(PROBLEM.x, SLICES, "auto", seed=0) == "none"
    with caplog.at_level("INFO", logger="s3rl"):
        assert resolved_batch(SHIFTED, SLICES, "auto", seed=0) == "center"
    assert "genes are centred within slices" in caplog.text
    assert resolved_batch(SHIFTED, SLICES * 0, "auto", seed=0) == "none"
    assert resolved_batch(SHIFTED, SLICES * 0, "harmony", seed=0) == "none"
    for word in ("none", "center", "harmony"):
        assert resolved_batch(SHIFTED, SLICES, word, seed=0) == word


def test_centred_components_equal_a_dense_decomposition():
    dense = SHIFTED.toarray().astype(np.float64)
    centred = dense - np.stack([dense[s == SLICES].mean(axis=0) for s in range(3)])[SLICES]
    deviation = centred.std(axis=0)
    scaled = centred / np.where(deviation > 1e-6, deviation, 1)
    scaled = np.minimum(scaled, 10)
    scaled -= np.stack([scaled[s == SLICES].mean(axis=0) for s in range(3)])[SLICES]
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    found = centred_components(SHIFTED, 6, SLICES, seed=0)
    np.testing.assert_allclose(np.abs(found), np.abs((left * values)[:, :6]), atol=1e-4 * values[0])
    np.testing.assert_allclose(slice_share(found, SLICES), 0, atol=1e-6)
    assert np.array_equal(found, centred_components(SHIFTED, 6, SLICES, seed=0))


def test_without_slices_components_are_the_usual_ones():
    usual = principal_components(PROBLEM.x, 5, seed=1)
    assert np.array_equal(integrated_components(PROBLEM.x, 5, None, "center", seed=1), usual)
    assert np.array_equal(integrated_components(PROBLEM.x, 5, SLICES, "none", seed=1), usual)


def test_harmony_brings_slices_together_and_leaves_the_random_state():
    before = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    first, again = (integrated_components(SHIFTED, 5, SLICES, "harmony", seed=1) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.shape == (len(SLICES), 5)
    assert slice_share(first, SLICES).max() < 0.2
    assert np.array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[1])


def test_harmony_that_is_not_installed(monkeypatch):
    import builtins

    inner = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "harmonypy":
            raise ImportError(name)
        return inner(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="integration"):
        resolved_batch(SHIFTED, SLICES, "harmony", seed=0)


def test_the_encoder_centres_genes_within_slices():
    layer = ExpressionEncoderLayer(SHIFTED.shape[1], 4, generator=torch.Generator().manual_seed(0))
    dense = SHIFTED.toarray()
    centred = dense - np.stack([dense[s == SLICES].mean(axis=0) for s in range(3)])[SLICES]
    masked = torch.arange(len(SLICES)) < 5
    found = layer.project(SparseMatrix.from_scipy(SHIFTED), masked, torch.from_numpy(SLICES))
    wanted = layer.project(SparseMatrix.from_scipy(sp.csr_matrix(centred)), masked)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_a_slide_keeps_slices_only_where_they_are_centred():
    graphs = (PROBLEM.attraction, PROBLEM.spatial)
    for batch, kept in (("none", False), ("center", True), ("harmony", True)):
        slide = Slide.of(PROBLEM.x, *graphs, small(batch=batch), torch.device("cpu"), SLICES)
        assert (slide.slices is not None) == kept
