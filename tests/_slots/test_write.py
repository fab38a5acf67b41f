"""Writing results: names that files can keep, and a model's record that nothing else takes the place of."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

from s3rl._slots.write import write_slots
from s3rl.errors import ParameterError


@pytest.fixture
def table():
    table = ad.AnnData(np.ones((3, 2), np.float32))
    table.uns["s3rl"] = {"prototypes": np.ones((2, 2)), "params": {}}
    return table


def test_the_record_of_a_model_is_replaced_by_that_of_a_model_only(table):
    with pytest.raises(ParameterError, match=r"key_added: is where the record of a model is.*uns\['s3rl'\]") as caught:
        write_slots(table, {("obs", "new"): [1, 2, 3], ("uns", "s3rl"): {"results": 1}})
    assert "another key_added" in caught.value.fix
    assert "new" not in table.obs
    write_slots(table, {("uns", "s3rl"): {"prototypes": np.zeros((2, 2))}})
    assert not table.uns["s3rl"]["prototypes"].any()
    write_slots(table, {("obsm", "s3rl"): np.zeros((3, 1))})
    assert "s3rl" in table.obsm


@pytest.mark.parametrize("key", ["", "a/b", 3, None])
def test_names_that_no_file_can_keep(table, key):
    with pytest.raises(ParameterError, match="key_added"):
        write_slots(table, {("obs", key): [1, 2, 3]})
    assert list(table.obs.columns) == []


def test_what_belongs_to_the_replaced_result_goes(table):
    table.obsm["old"], table.obsm["kept"] = np.ones((3, 1)), np.ones((3, 1))
    write_slots(table, {("obsm", "kept"): np.zeros((3, 1))}, stale=[("obsm", "old"), ("obsm", "kept")])
    assert list(table.obsm) == ["kept"]
    assert not table.obsm["kept"].any()
