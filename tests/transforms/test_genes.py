from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from s3rl.errors import DataTypeError, ParameterError
from s3rl.transforms import DropGenes


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_share_of_genes_asked_for_is_zero_and_the_rest_as_before(dtype):
    expression = np.arange(1, 2001).astype(dtype)
    before = expression.copy()
    out = DropGenes(0.3)({"expression": expression}, np.random.default_rng(0))["expression"]
    np.testing.assert_array_equal(expression, before)
    assert out.dtype == dtype
    assert 0.25 < (out == 0).mean() < 0.35
    np.testing.assert_array_equal(out[out != 0], before[out != 0])


def test_rows_and_keys_lose_the_same_genes():
    sample = {"expression": np.ones((4, 50)), "raw": np.full(50, 3)}
    out = DropGenes(0.5, keys=("expression", "raw"))(sample, np.random.default_rng(1))
    gone = out["raw"] == 0
    assert 5 < gone.sum() < 45
    assert ((out["expression"] == 0) == gone).all()


@pytest.mark.parametrize("value", [sp.csr_array(np.eye(3)), [1, 2], np.float64(3), None])
def test_other_than_dense_expression(value):
    with pytest.raises(DataTypeError, match="toarray"):
        DropGenes()({"expression": value}, np.random.default_rng(0))


@pytest.mark.parametrize("rate", [-0.1, 1.1, None])
def test_rate(rate):
    with pytest.raises(ParameterError, match="rate"):
        DropGenes(rate)
