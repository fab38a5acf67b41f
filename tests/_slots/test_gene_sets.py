"""Gene sets from files, dictionaries and libraries, and what is wrong with them."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from s3rl import errors
from s3rl._slots import gene_sets as module
from s3rl._slots.gene_sets import gene_sets_of, measured_sets, read_gmt

GMT = "IMMUNE\thttp://x\tCD3D\tCD8A\tCD3D\n\nFAT\t\tADIPOQ,1.0\tLPL\t\n"


def test_a_gmt_file_and_a_dictionary_are_the_same(tmp_path):
    file = tmp_path / "sets.gmt"
    file.write_text(GMT)
    expected = {"IMMUNE": ["CD3D", "CD8A"], "FAT": ["ADIPOQ", "LPL"]}
    assert read_gmt(file) == gene_sets_of(str(file)) == gene_sets_of(file) == expected
    assert gene_sets_of({"IMMUNE": np.array(["CD3D", "CD8A", "CD3D"]), "FAT": ("ADIPOQ", "LPL")}) == expected


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("A\tx\tG1\nB only\n", errors.InputError, "line 2"),
        ("A\tx\tG1\nB\tx\t\n", errors.InputError, "line 2"),
        ("A\tx\tG1\n\nA\tx\tG2\n", errors.InputError, "line 3: repeats"),
        ("\n\n", errors.InputError, "no gene set"),
        (None, errors.StoreError, "cannot be read"),
        (b"A\tx\t\xff\xfe\n", errors.StoreError, "cannot be read"),
    ],
)
def test_a_file_that_is_no_gmt(text, kind, says, tmp_path):
    file = tmp_path / "sets.gmt"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(kind, match=says) as caught:
        gene_sets_of(file)
    assert "GMT" in caught.value.fix


@pytest.mark.parametrize("given", [3, None, "", {}, {"A": []}, {"A": "CD3D"}, {"A": 3}], ids=repr)
def test_what_is_no_set(given):
    with pytest.raises(errors.ParameterError, match="gene_sets"):
        gene_sets_of(given)


@pytest.mark.parametrize("answer", [OSError("no route"), ValueError("not found"), {}, None])
def test_a_library_that_cannot_be_fetched(answer, monkeypatch, tmp_path):
    import gseapy.parser

    def get_library(name):
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            import time

            time.sleep(3)
        return answer

    monkeypatch.setattr(gseapy.parser, "get_library", get_library)
    monkeypatch.setattr(gseapy.parser, "DEFAULT_CACHE_PATH", str(tmp_path))
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    with pytest.raises(errors.StoreError, match="pass a GMT file"):
        gene_sets_of("MSigDB_Hallmark_2020")


def test_a_library_that_was_fetched_before_needs_no_network(monkeypatch, tmp_path):
    import gseapy.parser

    (tmp_path / "Enrichr.Kept.gmt").write_text(GMT)
    monkeypatch.setattr(gseapy.parser, "DEFAULT_CACHE_PATH", str(tmp_path))
    monkeypatch.setattr(gseapy.parser, "get_library", lambda name: pytest.fail("asked the network"))
    assert list(gene_sets_of("Kept")) == ["IMMUNE", "FAT"]


def test_sets_are_cut_to_the_background_and_to_sizes(caplog):
    sets = {"two": ["A", "B", "X"], "one": ["A", "Y"], "none": ["Z"], "all": list("ABCDE")}
    with caplog.at_level(logging.INFO, "s3rl"):
        found = measured_sets(sets, list("ABCDE"), min_size=2, max_size=4)
    assert found.names == ["two"]
    assert found.member.toarray().tolist() == [[1, 1, 0, 0, 0]]
    assert found.given.tolist() == [3]
    assert "3 of 4 sets are left out, 2 with fewer than 2 measured genes and 1 with more than 4" in caplog.text
    with pytest.raises(errors.ParameterError, match=r"4 sets with 0 to 5"):
        measured_sets(sets, list("ABCDE"), min_size=6)


@pytest.mark.parametrize(
    ("sets", "genes", "says"),
    [
        (["ACTB", "GAPDH"], ["Actb", "Gapdh"], "human .* mouse"),
        (["ACTB"], ["ENSG00000075624", "ENSG00000111640"], "Ensembl"),
        (["ACTB"], ["CD3D"], "var_names"),
    ],
)
def test_no_overlap_says_why(sets, genes, says):
    with pytest.raises(errors.InputError, match=says):
        measured_sets({"A": sets}, genes)
