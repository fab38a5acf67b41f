"""Domains beside their uncertainty: the same places, colours on the scale that is drawn, boxes of each domain."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_hex, to_rgb

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError, ParameterError


@pytest.fixture
def unsure(grid):
    """The lattice with an uncertainty that rises from left to right and a little downwards, from 0 to 0.6."""
    grid.obs["s3rl_uncertainty"] = 0.6 * (np.arange(100) % 20 + np.arange(100) // 20 / 5) / 19.8
    grid.obs["s3rl_agreement"] = 1.0
    return grid


def circles(ax) -> EllipseCollection:
    (found,) = [c for c in ax.collections if isinstance(c, EllipseCollection)]
    return found


def test_both_maps_have_every_spot_at_its_place(unsure):
    figure = s3.pl.uncertainty(unsure)
    domains, uncertain, _ = figure.axes[:3]
    for ax in (domains, uncertain):
        assert np.array_equal(circles(ax).get_offsets(), unsure.obsm["spatial"])
    codes = unsure.obs["s3rl_domain"].cat.codes
    drawn = [to_hex(color) for color in circles(domains).get_facecolors()]
    assert drawn == [unsure.uns["s3rl_domain_colors"][code] for code in codes]


def test_colours_are_those_of_the_scale_beside_them(unsure):
    figure = s3.pl.uncertainty(unsure, cmap="viridis")
    bar = figure.axes[3]
    assert bar.get_ylim() == (0, pytest.approx(0.6))
    shades = plt.get_cmap("viridis")(unsure.obs["s3rl_uncertainty"] / 0.6)[:, :3]
    drawn = np.array([to_rgb(color) for color in circles(figure.axes[1]).get_facecolors()])
    assert np.abs(drawn - shades).max() < 0.03


def test_the_title_says_whether_mixtures_took_part(unsure):
    assert s3.pl.uncertainty(unsure).axes[1].get_title() == "uncertainty"
    del unsure.obs["s3rl_agreement"]
    assert s3.pl.uncertainty(unsure).axes[1].get_title() == "uncertainty (model alone)"


def test_boxes_are_the_quartiles_of_each_domain(unsure):
    ax = s3.pl.uncertainty(unsure).axes[2]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "1", "2"]
    for name, box in zip("012", ax.patches, strict=True):
        own = unsure.obs["s3rl_uncertainty"][unsure.obs["s3rl_domain"] == name]
        left, right = np.percentile(own, (25, 75))
        assert (box.get_x(), box.get_width()) == pytest.approx((left, right - left))
        assert to_hex(box.get_facecolor()) == unsure.uns["s3rl_domain_colors"][int(name)]


def test_every_slice_has_a_row_and_all_one_scale(unsure):
    figure = s3.pl.uncertainty(unsure, library_key="half")
    maps = figure.axes[:6]
    assert [ax.get_title() for ax in maps[::3]] == ["left: s3rl_domain", "right: s3rl_domain"]
    assert [len(circles(ax).get_offsets()) for ax in (maps[1], maps[4])] == [50, 50]
    assert figure.axes[6].get_ylim() == figure.axes[7].get_ylim()
    # the left half has no spot of the third domain
    assert [len(ax.patches) for ax in (maps[2], maps[5])] == [2, 2]


def test_an_image_lies_below_the_domains_alone(unsure):
    scales = {"tissue_hires_scalef": 0.2, "spot_diameter_fullres": 30.0}
    unsure.uns["spatial"] = {"slide": {"images": {"hires": np.full((140, 450, 3), 0.5)}, "scalefactors": scales}}
    domains, uncertain, _ = s3.pl.uncertainty(unsure).axes[:3]
    assert domains.images
    assert not uncertain.images


def test_what_cannot_be_drawn_is_refused(unsure):
    with pytest.raises(ParameterError, match="colour map"):
        s3.pl.uncertainty(unsure, cmap="none such")
    unsure.obs.loc["spot3", "s3rl_uncertainty"] = 1.5
    with pytest.raises(InputError, match="0 to 1"):
        s3.pl.uncertainty(unsure)
    unsure.obs["s3rl_uncertainty"] = "high"
    with pytest.raises(InputError, match="0 to 1"):
        s3.pl.uncertainty(unsure)
    del unsure.obs["s3rl_uncertainty"]
    with pytest.raises(MissingKeyError, match="s3rl_uncertainty"):
        s3.pl.uncertainty(unsure)
