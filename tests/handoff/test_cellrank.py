"""Every call of the page about trajectories runs as it stands there; cellrank takes our slots."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "downstream" / "trajectory.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    import matplotlib.pyplot as plt

    pytest.importorskip("cellrank")
    plt.switch_backend("Agg")
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in BLOCKS:
            exec(compile(block, "trajectory.md", "exec"), names)
    plt.close("all")
    return names


def test_the_page_orders_the_layers(names):
    adata = names["adata"]
    assert spearmanr(adata.obs["s3rl_pseudotime"], adata.obs["depth"])[0] < -0.9
    assert adata.obsm["both_fates"].shape == (400, 2)
    assert list(adata.uns["both_trajectory"]["states"]) == ["WM", "L1"]
    assert names["drivers"]["gene"].isin(adata.var_names).all()
    assert len(adata.uns["dynamics"]["results"]) == 6


def test_the_kernel_by_hand_gives_the_fates_that_we_give(names):
    adata = names["adata"]
    estimator = names["estimator"]
    walk = estimator.transition_matrix
    assert walk.shape == (400, 400)
    np.testing.assert_allclose(np.asarray(walk.sum(axis=1)).ravel(), 1, rtol=1e-5)
    # from a middle layer, along the pseudotime that starts there
    import cellrank as cr

    from s3rl.statistics.absorption import absorption

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        along = cr.kernels.PseudotimeKernel(adata, time_key="both_pseudotime")
        along.compute_transition_matrix(threshold_scheme="soft", n_jobs=1, backend="threading", show_progress_bar=False)
    kernel = 0.72 * along + 0.18 * names["around"] + 0.1 * names["tissue"]
    terminal = adata.uns["both_trajectory"]["terminal"]
    ends = [adata.obs_names.get_indexer(terminal.loc[terminal["state"] == state, "spot"]) for state in ("WM", "L1")]
    found = absorption(kernel.transition_matrix, ends)
    assert np.corrcoef(found[:, 0], adata.obsm["both_fates"][:, 0])[0, 1] > 0.98
    assert np.abs(found - adata.obsm["both_fates"]).mean() < 0.05


def test_the_calls_are_six_lines():
    by_hand = [line for line in BLOCKS[-1].splitlines() if line and not line.startswith("import")]
    assert len(by_hand) == 6
