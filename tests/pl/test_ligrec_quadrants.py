"""Places, colours and counts of the quadrants."""

from __future__ import annotations

import numpy as np
import pytest
from pl.interactions import some, table

import s3rl as s3
from s3rl import errors


@pytest.fixture
def both():
    raw, denoised = some(1), some(2)
    raw[0, 0, 0] = np.nan
    return table(ligrec=raw, ligrec_s3rl=denoised)


def test_circles_lie_at_the_significance_before_and_after(both):
    ax = s3.pl.ligrec_quadrants(both, use="pvalue", show=False)
    rows = s3.tl.compare_ligrec(both.uns["ligrec"], both.uns["ligrec_s3rl"], use="pvalue").quadrants
    drawn = {collection.get_label(): collection for collection in ax.collections}
    assert set(drawn) == set(rows["quadrant"])
    for name, own in rows.groupby("quadrant", observed=True):
        expected = {
            (round(float(-np.log10(a)), 3), round(float(-np.log10(b)), 3))
            for a, b in own[["raw", "denoised"]].fillna(1.0).to_numpy()
        }
        offsets = drawn[name].get_offsets()
        assert {(round(float(x), 3) + 0.0, round(float(y), 3) + 0.0) for x, y in offsets} == expected


def test_corners_say_how_many_and_the_title_the_rates(both):
    ax = s3.pl.ligrec_quadrants(both, use="pvalue", show=False)
    found = s3.tl.compare_ligrec(both.uns["ligrec"], both.uns["ligrec_s3rl"], use="pvalue")
    texts = {text.get_text(): text.get_position() for text in ax.texts}
    assert set(texts) == {f"{name}: {number}" for name, number in found.counts.items()}
    at = {name.split(":")[0]: place for name, place in texts.items()}
    assert at["new"][0] < 0.5 < at["new"][1]
    assert at["lost"][1] < 0.5 < at["lost"][0]
    assert f"ESR {found.esr:.3g}" in ax.get_title()
    assert f"SSP {found.ssp:.1f} %" in ax.get_title()


def test_lines_lie_at_alpha(both):
    ax = s3.pl.ligrec_quadrants(both, alpha=0.01, show=False)
    assert {line.get_xdata()[0] for line in ax.lines} | {line.get_ydata()[0] for line in ax.lines} >= {2.0}


def test_axes_name_the_column_that_each_table_has(both):
    entry = both.uns["ligrec_s3rl"]["results"]
    both.uns["ligrec_s3rl"]["results"] = entry.assign(fdr_calibrated=entry["fdr"])
    ax = s3.pl.ligrec_quadrants(both, use="fdr_calibrated", show=False)
    assert "calibrated" not in ax.get_xlabel()
    assert "calibrated FDR" in ax.get_ylabel()


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"raw_key": "none"}, errors.MissingKeyError, "uns['none']"),
        ({"denoised_key": "none"}, errors.MissingKeyError, "uns['none']"),
        ({"use": "q"}, errors.ParameterError, "use"),
        ({"alpha": 0}, errors.ParameterError, "alpha"),
        ({"ax": 3}, errors.ParameterError, "ax"),
    ],
)
def test_what_is_refused(arguments, kind, key, both):
    with pytest.raises(kind) as caught:
        s3.pl.ligrec_quadrants(both, show=False, **arguments)
    assert caught.value.key == key
