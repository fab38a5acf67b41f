"""Polygons of the radar: counts of clusters, and the paper's rates."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from pl.interactions import COLORS, NAMES, some, table

import s3rl as s3
from s3rl import errors


@pytest.fixture
def both():
    return table(ligrec=some(1), ligrec_s3rl=some(2), other=some(3))


def radii(ax):
    return {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines}


def test_polygons_count_the_interactions_that_a_cluster_takes_part_in(both):
    ax = s3.pl.radar(both, use="pvalue", show=False)
    assert [label.get_text() for label in ax.get_xticklabels()] == NAMES
    for key, seed in (("ligrec", 1), ("ligrec_s3rl", 2)):
        small = some(seed) <= 0.05
        expected = [
            sum(small[s, t].sum() for s in range(3) for t in range(3) if cluster in (s, t)) for cluster in range(3)
        ]
        assert radii(ax)[key].tolist() == [*expected, expected[0]]
    assert [to_hex(color) for color in ax.collections[-1].get_facecolors()] == COLORS


def test_rates_of_several_results(both):
    ax = s3.pl.radar(both, "ligrec", ["ligrec_s3rl", "other"], kind="rates", use="pvalue", show=False)
    found = [s3.tl.compare_ligrec(both.uns["ligrec"], both.uns[key], use="pvalue") for key in ("ligrec_s3rl", "other")]
    largest = max(one.esr for one in found)
    for one, drawn in zip(found, radii(ax).values(), strict=True):
        assert np.allclose(drawn[:3], [100 * one.esr / largest, one.eep, one.ssp])
    assert [name.split(":")[0] for name in radii(ax)] == ["ligrec_s3rl", "other"]
    assert f"ESR {found[0].esr:.3g}" in next(iter(radii(ax)))
    assert ax.get_ylim() == (0.0, 100.0)


def test_rates_that_are_infinite_or_undefined(both):
    nothing, everything = np.full((3, 3, 2), 0.9), np.full((3, 3, 2), 0.001)
    data = table(ligrec=nothing, all=everything, none=nothing)
    ax = s3.pl.radar(data, "ligrec", ["all", "none"], kind="rates", show=False)
    drawn = list(radii(ax).values())
    assert drawn[0][:3].tolist() == [100.0, 100.0, 0.0]
    assert drawn[1][:3].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"raw_key": "none"}, errors.MissingKeyError, "uns['none']"),
        ({"denoised_key": []}, errors.ParameterError, "denoised_key"),
        ({"kind": "stars"}, errors.ParameterError, "kind"),
        ({"use": "q"}, errors.ParameterError, "use"),
        ({"ax": "left"}, errors.ParameterError, "ax"),
    ],
)
def test_what_is_refused(arguments, kind, key, both):
    with pytest.raises(kind) as caught:
        s3.pl.radar(both, show=False, **arguments)
    assert caught.value.key == key


def test_axes_that_are_not_polar(both):
    with pytest.raises(errors.ParameterError, match="ax: is not polar"):
        s3.pl.radar(both, ax=plt.subplots()[1], show=False)


def test_circles_stand_for_whole_interactions(both):
    ticks = s3.pl.radar(both, use="pvalue", show=False).get_yticks()
    assert len(ticks) > 1
    assert np.array_equal(ticks, np.round(ticks))
