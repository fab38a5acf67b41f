"""Quadrants of two tables: joined by what they name, counted by plain loops."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import s3rl as s3
from s3rl import errors

PLACE = ["source", "target", "ligand", "receptor"]


def table(seed, rows=60, share=0.7):
    """Some of the interactions of three clusters and seven pairs, in an order of their own."""
    rng = np.random.default_rng(seed)
    places = pd.MultiIndex.from_product([list("abc"), list("abc"), list("XYZUVW"), ["R"]], names=PLACE).to_frame(False)
    kept = places.sample(round(share * len(places)), random_state=seed).reset_index(drop=True)
    values = rng.random((len(kept), 2)) ** 3
    return kept.assign(pvalue=values[:, 0], fdr=values.max(axis=1))


def loops(raw, denoised, column, alpha):
    small = [
        {tuple(row[PLACE]): row[column] <= alpha for _, row in frame.iterrows()} for frame in (raw, denoised)
    ]  # fmt: skip
    names = {(True, True): "kept", (False, True): "new", (True, False): "lost", (False, False): "neither"}
    return {
        place: names[bool(small[0].get(place, False)), bool(small[1].get(place, False))]
        for place in {*small[0], *small[1]}
    }


@pytest.mark.parametrize("column", ["fdr", "pvalue"])
def test_quadrants_are_those_of_plain_loops(column):
    raw, denoised = table(1), table(2)
    found = s3.tl.compare_ligrec(raw, denoised, use=column, alpha=0.2)
    expected = loops(raw, denoised, column, 0.2)
    assert {tuple(row[PLACE]): row["quadrant"] for _, row in found.quadrants.iterrows()} == expected
    counts = {name: list(expected.values()).count(name) for name in ("kept", "new", "lost", "neither")}
    assert found.counts == counts
    assert min(counts.values()) > 0
    assert math.isclose(found.esr, counts["new"] / counts["lost"])
    assert math.isclose(found.eep, 100 * counts["new"] / (counts["new"] + counts["lost"]))
    assert math.isclose(found.ssp, 100 * counts["kept"] / (counts["kept"] + counts["lost"]))


def test_neither_table_is_changed():
    raw, denoised = table(1), table(2)
    before = raw.copy(), denoised.copy()
    found = s3.tl.compare_ligrec(raw, denoised)
    found.quadrants.loc[:, "raw"] = 7.0
    pd.testing.assert_frame_equal(raw, before[0])
    pd.testing.assert_frame_equal(denoised, before[1])


def test_a_table_with_itself_loses_nothing():
    found = s3.tl.compare_ligrec(table(3), table(3))
    assert found.counts["new"] == found.counts["lost"] == 0
    assert math.isnan(found.esr)
    assert math.isnan(found.eep)
    assert found.ssp == 100.0


def test_entries_results_and_frames_are_the_same():
    raw, denoised = table(1), table(2)
    entry = {"results": denoised, "params": {"test": "permutation"}}
    result = s3.tl.LigrecResult(denoised, {"test": "permutation"})
    expected = s3.tl.compare_ligrec(raw, denoised)
    for other in (entry, result):
        found = s3.tl.compare_ligrec(raw, other)
        assert found[1:] == expected[1:]
        pd.testing.assert_frame_equal(found.quadrants, expected.quadrants)


def test_categories_and_text_name_the_same_interaction():
    raw, denoised = table(1), table(2)
    coded = raw.astype(dict.fromkeys(PLACE, "category"))
    pd.testing.assert_frame_equal(
        s3.tl.compare_ligrec(coded, denoised).quadrants, s3.tl.compare_ligrec(raw, denoised).quadrants
    )


def test_calibrated_values_stand_beside_plain_ones_of_raw_data():
    raw, denoised = table(1), table(2)
    denoised["fdr_calibrated"] = denoised["fdr"].to_numpy()[::-1]
    found = s3.tl.compare_ligrec(raw, denoised, use="fdr_calibrated")
    swapped = denoised.assign(fdr=denoised["fdr_calibrated"])
    assert found.counts == s3.tl.compare_ligrec(raw, swapped, use="fdr").counts


@pytest.mark.parametrize(
    ("change", "arguments", "kind", "says"),
    [
        (lambda frame: None, {}, errors.DataTypeError, "denoised: holds no table"),
        (lambda frame: {"results": 3}, {}, errors.DataTypeError, "denoised: holds no table"),
        (lambda frame: frame.drop(columns="source"), {}, errors.MissingKeyError, "source"),
        (lambda frame: frame[:0], {}, errors.InputError, "no rows"),
        (lambda frame: pd.concat([frame, frame]), {}, errors.InputError, "twice"),
        (lambda frame: frame.drop(columns="fdr"), {}, errors.MissingKeyError, "fdr"),
        (lambda frame: frame, {"use": "padj"}, errors.ParameterError, "use"),
        (lambda frame: frame, {"alpha": 0}, errors.ParameterError, "alpha"),
        (lambda frame: frame, {"alpha": "5%"}, errors.ParameterError, "alpha"),
        (lambda frame: {"results": frame, "params": {"test": "paired_t"}}, {}, errors.InputError, "another test"),
    ],
)
def test_what_is_refused(change, arguments, kind, says):
    raw = {"results": table(1), "params": {"test": "permutation"}}
    with pytest.raises(kind, match=says) as caught:
        s3.tl.compare_ligrec(raw, change(table(2)), **arguments)
    assert caught.value.fix
