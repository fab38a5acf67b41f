from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError

METHODS = ["s3rl", "raw", "mean", "diffusion"]


@pytest.fixture
def reported(grid):
    held_out = pd.DataFrame({"method": METHODS, "gain": [0.05, 0.0, -0.04, 0.01], "gain_se": [0.01] * 4})
    genes = pd.DataFrame(
        {"method": np.repeat(METHODS, 5), "gene": "g", "correlation": np.tile(np.linspace(0, 0.4, 5), 4)}
    )
    markers = genes.rename(columns={"correlation": "auc"}).assign(auc=lambda f: f["auc"] + 0.5, log2_fold_change=1.0)
    rates = pd.DataFrame(
        {
            "analysis": ["spatially_variable_genes"] * 3 + ["ligrec"] * 2,
            "clusters": [""] * 3 + ["regions"] * 2,
            "expression": ["raw", "denoised", "calibrated", "raw", "denoised"],
            "share": [0.05, 0.9, 0.01, 0.04, 0.2], "low": [0.04, 0.88, 0.0, 0.02, 0.15],
            "high": [0.06, 0.92, 0.02, 0.08, 0.25],
        }
    )  # fmt: skip
    grid.uns["denoising_report"] = {
        "held_out": held_out, "genes": genes, "markers": markers, "false_discoveries": rates, "params": {},
    }  # fmt: skip
    return grid


def axes_of(figure):
    return {ax.get_label(): ax for ax in figure.axes}


def test_bars_are_the_gains(reported) -> None:
    ax = axes_of(s3.pl.denoising_report(reported, show=False))["held out"]
    assert [bar.get_width() for bar in ax.patches] == [0.05, 0.0, -0.04, 0.01]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["s3rl", "counts", "mean of the gene", "diffusion"]
    assert ax.patches[0].get_facecolor() != ax.patches[1].get_facecolor()


def test_dashes_are_medians_and_the_mean_is_left_out(reported) -> None:
    axes = axes_of(s3.pl.denoising_report(reported, show=False))
    for name, middle in (("genes", 0.2), ("markers", 0.7)):
        dashes = axes[name].collections[-1].get_offsets()
        np.testing.assert_allclose(dashes[:, 0], middle)
        assert len(dashes) == 3


def test_rates_stand_on_their_places_beside_the_nominal_line(reported) -> None:
    ax = axes_of(s3.pl.denoising_report(reported, show=False))["false discoveries"]
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == [0.05, 0.9, 0.01, 0.04, 0.2]
    assert any(list(line.get_xdata()) == [0.05, 0.05] for line in ax.lines)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["raw", "denoised", "calibrated"]


def test_methods_without_a_value_leave_an_empty_row(reported) -> None:
    reported.uns["denoising_report"]["genes"] = reported.uns["denoising_report"]["genes"].iloc[:0]
    figure = s3.pl.denoising_report(reported, show=False)
    assert len(figure.axes) == 4


def test_letters_can_be_read_and_the_picture_is_saved(reported, tmp_path) -> None:
    figure = s3.pl.denoising_report(reported, save=tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 0
    assert min(text.get_fontsize() for ax in figure.axes for text in ax.get_xticklabels() + ax.get_yticklabels()) >= 7
    plt.close(figure)


def test_what_is_no_report_is_refused(reported) -> None:
    with pytest.raises(MissingKeyError, match="denoising_report"):
        s3.pl.denoising_report(reported, key="other", show=False)
    reported.uns["denoising_report"] = {"held_out": pd.DataFrame({"method": []})}
    with pytest.raises(InputError, match="held_out"):
        s3.pl.denoising_report(reported, show=False)
