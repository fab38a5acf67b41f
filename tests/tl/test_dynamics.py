"""Genes along a pseudotime: planted trends, measures by hand, what denoising alone makes of them, refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from tl.tracks import cortex, fork

import s3rl as s3


@pytest.fixture(scope="module")
def forked():
    return fork()


@pytest.fixture(scope="module")
def layered():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cortex()


def measure(adata, genes, **arguments):
    given = {"time_key": "time", "layers": (None,), "copy": True}
    return s3.tl.dynamics(adata, genes, **{**given, **arguments})


def test_planted_trends(forked):
    found = measure(forked, ["G0", "G1", "G2", "G9"]).results.set_index("gene")
    assert found.loc["G0", "r2"] > 0.4
    assert found.loc["G0", "pearson"] > 0.6
    assert found.loc["G1", "pearson"] < -0.6
    assert found.loc["G9", "r2"] < 0.05
    assert found["r2_chance"].between(-0.1, 0.05).all()
    assert (found["partner"] == "").all()
    assert found["trend_pearson"].isna().all()
    assert not found["post_denoising"].any()
    values = forked.X.toarray()[:, 0].astype(float)
    assert found.loc["G0", "pearson"] == pytest.approx(pearsonr(values, forked.obs["time"])[0])
    order = np.argsort(forked.obs["time"].to_numpy())
    parts = [values[order][start : start + 15] for start in range(0, 300, 15)]
    spread = np.sqrt(np.mean([part.var() for part in parts]) * 15 / 14)
    assert found.loc["G0", "cv"] == pytest.approx(spread / values.mean())


def test_a_gene_that_rises_and_falls_needs_no_direction(forked):
    adata = forked.copy()
    time = adata.obs["time"].to_numpy()
    adata.layers["hump"] = np.tile((1.1 - np.abs(time - 1))[:, None], (1, 30)).astype(np.float32)
    found = measure(adata, "G0", layers=("hump",)).results.iloc[0]
    assert found["r2"] > 0.95
    assert abs(found["pearson"]) < 0.25
    assert found["layer"] == "hump"


def test_pairs(forked):
    adata = forked.copy()
    s3.tl.dynamics(adata, ["G5"], pairs=[("G0", "G1"), ("G0", "G2")], time_key="time", layers=(None,))
    table = adata.uns["dynamics"]["results"]
    assert table["gene"].tolist() == ["G5", "G0", "G1", "G2", "G0", "G0"]
    assert table["partner"].tolist() == ["", "", "", "", "G1", "G2"]
    single = table[table["partner"] == ""].set_index("gene")
    first = table[table["partner"] == "G1"].iloc[0]
    dense = adata.X.toarray().astype(float)
    assert first["pearson"] == pytest.approx(pearsonr(dense[:, 0], dense[:, 1])[0])
    assert first["trend_pearson"] < -0.9
    assert first["r2"] == pytest.approx(single.loc[["G0", "G1"], "r2"].mean())
    assert first["cv"] == pytest.approx(single.loc[["G0", "G1"], "cv"].mean())
    trends = adata.uns["dynamics"]["trends"]
    assert trends.groupby("gene", observed=True).size().to_dict() == dict.fromkeys(["G5", "G0", "G1", "G2"], 50)
    rising = trends[trends["gene"] == "G0"]
    assert pearsonr(rising["pseudotime"], rising["trend"])[0] > 0.9
    assert rising["pseudotime"].iloc[[0, -1]].tolist() == [adata.obs["time"].min(), adata.obs["time"].max()]


def test_one_gene_is_measured_as_among_many(forked):
    together = measure(forked, list(forked.var_names)).results.set_index("gene")
    alone = measure(forked, "G3").results.iloc[0]
    for name in ("r2", "pearson", "cv"):
        assert alone[name] == pytest.approx(together.loc["G3", name], abs=1e-10)
    flat = forked.copy()
    silent = flat.X.tolil()
    silent[:, 4] = 0
    flat.X = silent.tocsr()
    assert measure(flat, "G4").results[["r2", "pearson", "cv", "pvalue"]].isna().all(axis=None)


def test_raw_beside_denoised_says_what_denoising_alone_makes(layered, caplog):
    layered.obs["surface"] = -layered.obs["depth"]
    marker = "MARK-WM-6"
    noise = layered.var_names[layered.var["kind"] == "null"][0]
    with caplog.at_level("INFO", logger="s3rl"):
        found = s3.tl.dynamics(layered, [marker, noise], time_key="surface", calibrate=49, copy=True).results
    assert caplog.text.count("post-denoising") == 1
    found = found.set_index(["layer", "gene"])
    assert found.index.get_level_values("layer").unique().tolist() == ["X", "s3rl"]
    assert found.loc["s3rl", "post_denoising"].all()
    assert not found.loc["X", "post_denoising"].any()
    assert (found.loc["s3rl", "r2"] > found.loc["X", "r2"]).all()
    assert (found.loc["s3rl", "cv"] < found.loc["X", "cv"]).all()
    assert (found.loc["s3rl", "r2_chance"] > 0.1).all()
    assert (found.loc["X", "r2_chance"].abs() < 0.05).all()
    denoised = found.loc["s3rl"]
    assert denoised.loc[marker, "r2"] - denoised.loc[marker, "r2_chance"] > 0.2
    assert found.loc[("X", marker), "pvalue_calibrated"] == pytest.approx(1 / 50)
    assert found.loc[("X", noise), "pvalue_calibrated"] > 1 / 50


def test_without_a_denoised_layer_the_default_is_x_alone(forked, caplog):
    with caplog.at_level("INFO", logger="s3rl"):
        found = s3.tl.dynamics(forked, "G0", time_key="time", copy=True).results
    assert found["layer"].tolist() == ["X"]
    assert "only X is used" in caplog.text


def test_spots_without_a_time_are_left_out(forked):
    adata = forked.copy()
    adata.obs["part"] = adata.obs["time"].where(adata.obs["group"] != "left")
    kept = (adata.obs["group"] != "left").to_numpy()
    found = measure(adata, ["G0", "G3"], time_key="part", calibrate=19).results
    alone = measure(adata[kept].copy(), ["G0", "G3"], time_key="time", calibrate=19).results
    shared = ["r2", "pearson", "cv", "pvalue"]
    pd.testing.assert_frame_equal(found[shared], alone[shared])
    assert found["pvalue_calibrated"].notna().all()


def test_the_seed_decides(forked):
    one, same, other = (measure(forked, "G0", rng=seed).results["r2"].iloc[0] for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(
    ("genes", "arguments", "kind", "words"),
    [
        (["G0", "MBP"], {}, "MissingKeyError", ("genes", "MBP")),
        (None, {}, "ParameterError", ("genes", "no gene")),
        ([], {}, "ParameterError", ("genes",)),
        (["G0", "G0"], {}, "ParameterError", ("genes",)),
        (None, {"pairs": [("G0",)]}, "ParameterError", ("pairs", "two genes")),
        (None, {"pairs": [("G0", "G0")]}, "ParameterError", ("pairs",)),
        (None, {"pairs": ["G0", "G1", "G2"]}, "ParameterError", ("pairs",)),
        (None, {"pairs": [("G0", "MBP")]}, "MissingKeyError", ("genes", "MBP")),
        ("G0", {"time_key": "age"}, "MissingKeyError", ("obs['age']", "s3.tl.trajectory")),
        ("G0", {"time_key": "group"}, "InputError", ("obs['group']", "numbers")),
        ("G0", {"time_key": "still"}, "InputError", ("obs['still']", "same")),
        ("G0", {"time_key": "sparse"}, "InputError", ("obs['sparse']", "20 spots")),
        ("G0", {"layers": ("none",)}, "MissingKeyError", ("layers['none']",)),
        ("G0", {"layers": ("counts",)}, "CountsError", ("layers['counts']",)),
        ("G0", {"n_knots": 1}, "ParameterError", ("n_knots",)),
        ("G0", {"n_windows": 2.5}, "ParameterError", ("n_windows",)),
        ("G0", {"calibrate": "yes"}, "ParameterError", ("calibrate",)),
        ("G0", {"library_key": "slice"}, "MissingKeyError", ("obs['slice']",)),
        ("G0", {"rng": -3}, "ParameterError", ("rng",)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals_name_the_key_and_change_nothing(forked, genes, arguments, kind, words):
    adata = forked.copy()
    adata.obs["still"] = 2.0
    adata.obs["sparse"] = adata.obs["time"].where(np.arange(300) < 19)
    adata.layers["counts"] = np.random.default_rng(0).poisson(3, adata.shape)
    with pytest.raises(getattr(s3.errors, kind)) as caught:
        s3.tl.dynamics(adata, genes, **{"time_key": "time", "layers": (None,), **arguments})
    assert type(caught.value).__name__ == kind
    for word in words:
        assert word in str(caught.value)
    assert caught.value.fix
    assert not adata.uns
