"""Names of clusters: against every possible renaming, and by hand."""

from __future__ import annotations

import itertools

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import s3rl as s3
from s3rl._slots.palette import domain_colors
from s3rl.errors import LabelsError, MissingKeyError, ParameterError


def table(found: list[object], truth: list[object]) -> ad.AnnData:
    obs = pd.DataFrame({"found": pd.Categorical(found), "truth": pd.Categorical(truth)})
    obs.index = obs.index.astype(str)
    return ad.AnnData(np.zeros((len(found), 1), np.float32), obs=obs)


labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=40)


@given(labels)
@settings(max_examples=60, deadline=None)
def test_no_other_renaming_has_more_hits(pairs):
    found, truth = map(list, zip(*pairs, strict=True))
    adata = table([str(f) for f in found], [f"L{t}" for t in truth])
    result = s3.tl.match_labels(adata, "found", "truth", copy=True)
    names, groups = sorted(set(found)), sorted(set(truth))
    wide = [*groups, *[-1] * len(names)]
    best = max(
        sum(dict(zip(names, choice, strict=True))[f] == t for f, t in pairs)
        for choice in set(itertools.permutations(wide, len(names)))
    )
    assert result.accuracy == pytest.approx(best / len(pairs))
    assert len(set(result.mapping.values())) == len(names)
    assert list(result.labels) == [result.mapping[str(f)] for f in found]


@given(labels, st.permutations(["a", "b", "c", "d"]))
@settings(max_examples=30, deadline=None)
def test_old_names_do_not_matter_where_each_cluster_is_one_group(pairs, names):
    truth = [f"L{t}" for _, t in pairs]
    found = [names[t] for _, t in pairs]
    result = s3.tl.match_labels(table(found, truth), "found", "truth", copy=True)
    assert list(result.labels) == truth
    assert result.accuracy == 1.0
    assert list(result.labels.cat.categories) == sorted(set(truth))


def test_unlabelled_spots_take_no_part():
    adata = table(["0"] * 3 + ["1"] * 2, ["A", "A", "B", None, None])
    adata.obs["found"] = adata.obs["found"].cat.add_categories("unused")
    s3.tl.match_labels(adata, "found", "truth")
    assert adata.obs["found_matched"].tolist() == ["A"] * 3 + ["unmatched"] * 2
    kept = adata.uns["found_matched_matching"]
    assert kept["confusion"].tolist() == [[2, 1], [0, 0]]
    assert kept["accuracy"] == pytest.approx(2 / 3)
    assert kept["clusters"].tolist() == ["0", "1"]
    assert kept["names"].tolist() == ["A", "unmatched"]


def test_more_clusters_than_groups():
    adata = table(["a"] * 6 + ["b"] * 4 + ["c"] * 5 + ["d"] * 2, ["X"] * 15 + ["Y"] * 2)
    result = s3.tl.match_labels(adata, "found", "truth", copy=True)
    assert result.mapping == {"a": "X", "b": "X_3", "c": "X_2", "d": "Y"}
    assert list(result.labels.cat.categories) == ["X", "X_2", "X_3", "Y"]
    assert result.accuracy == pytest.approx(8 / 17)


def test_a_new_name_never_meets_one_of_the_reference():
    adata = table(["a", "a", "b", "c", "c"], ["X", "X", "X", "X_2", "X_2"])
    assert s3.tl.match_labels(adata, "found", "truth", copy=True).mapping == {"a": "X", "b": "X_3", "c": "X_2"}
    adata = table(["a", "a", "b", None], ["X", "X", "X", "X_2"])
    assert s3.tl.match_labels(adata, "found", "truth", copy=True).mapping == {"a": "X", "b": "X_3"}


def test_a_group_without_common_spots_is_not_given():
    """As many clusters as groups, but b lies in X alone: Y would be a name out of nothing."""
    adata = table(["a"] * 4 + ["b"] * 2 + ["c"], ["X"] * 6 + [None])
    adata.obs["truth"] = adata.obs["truth"].cat.add_categories(["Y", "Z"])
    mapping = s3.tl.match_labels(adata, "found", "truth", copy=True).mapping
    assert mapping == {"a": "X", "b": "X_2", "c": "unmatched"}


def test_colours_of_the_reference_are_carried_over():
    adata = table(["0", "1", "2", "2"], ["B", "A", "B", "B"])
    adata.obs["truth"] = adata.obs["truth"].cat.add_categories("never")
    adata.uns["truth_colors"] = ["#ff0000", "#0000ff", "#00ff00"]
    s3.tl.match_labels(adata, "found", "truth")
    assert adata.obs["found_matched"].cat.categories.tolist() == ["A", "B", "B_2"]
    first, second, third = adata.uns["found_matched_colors"]
    assert (first, second) == ("#ff0000", "#0000ff")
    assert third[5:] == "ff"  # a paler blue
    assert third[1:3] == third[3:5] != "00"
    assert adata.uns["truth_colors"] == ["#ff0000", "#0000ff", "#00ff00"]


def test_default_colours_where_the_reference_has_none():
    adata = table(["0", "1"], ["A", "B"])
    s3.tl.match_labels(adata, "found", "truth")
    assert [color.upper() for color in adata.uns["found_matched_colors"]] == domain_colors(2)
    assert "truth_colors" not in adata.uns


def test_inputs_stay_and_only_declared_slots_are_written():
    adata = table(["0", "1", None], ["A", "B", "B"])
    before = adata.copy()
    result = s3.tl.match_labels(adata, "found", "truth", copy=True)
    assert list(adata.obs) == ["found", "truth"]
    assert not adata.uns
    s3.tl.match_labels(adata, "found", "truth", key_added="named")
    assert set(adata.uns) == {"named_colors", "named_matching"}
    pd.testing.assert_frame_equal(adata.obs[["found", "truth"]], before.obs)
    assert adata.obs["named"].isna().tolist() == [False, False, True]
    pd.testing.assert_series_equal(adata.obs["named"], result.labels, check_names=False)
    assert result.confusion.loc["1", "B"] == 1


def test_names_with_a_slash_can_be_written(tmp_path):
    adata = table(["0", "1"], ["L2/3", "WM"])
    s3.tl.match_labels(adata, "found", "truth")
    adata.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    assert back.obs["found_matched"].tolist() == ["L2/3", "WM"]
    assert back.uns["found_matched_matching"]["names"].tolist() == ["L2/3", "WM"]


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"key": "lost", "reference_key": "truth"}, MissingKeyError, "obs['lost']"),
        ({"key": "found", "reference_key": "lost"}, MissingKeyError, "obs['lost']"),
        ({"key": "found", "reference_key": "depth"}, LabelsError, "obs['depth']"),
        ({"key": "found", "reference_key": "empty"}, LabelsError, "obs['empty']"),
        ({"key": "apart", "reference_key": "truth"}, LabelsError, "obs['apart']"),
        ({"key": "found", "reference_key": "truth", "key_added": "found"}, ParameterError, "key_added"),
        ({"key": "found", "reference_key": "truth", "key_added": "truth"}, ParameterError, "key_added"),
    ],
)
def test_what_cannot_be_matched(arguments, kind, key):
    adata = table(["0", "1", "1"], ["A", "B", None])
    adata.obs["depth"] = [0.1, 0.2, 0.3]
    adata.obs["empty"] = pd.Categorical([None] * 3, ["A"])
    adata.obs["apart"] = pd.Categorical([None, None, "x"])
    before = list(adata.obs)
    with pytest.raises(kind) as caught:
        s3.tl.match_labels(adata, **arguments)
    assert caught.value.key == key
    assert caught.value.fix
    assert list(adata.obs) == before
    assert not adata.uns
