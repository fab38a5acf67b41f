"""Which genes a name stands for: complexes complete or absent, and names that hold underscores."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from s3rl.communication.pairs import find_pairs, genes_of_name, weakest

PLACES = {"A": 0, "B": 1, "C": 2, "A_B": 3, "MY_GENE": 4, "C4B_2": 5, "C4B": 6}


def test_a_name_that_is_a_gene_is_never_taken_apart():
    assert genes_of_name("A_B", PLACES) == (3,)
    assert genes_of_name("C4B_2", PLACES) == (5,)


def test_a_complex_is_all_of_its_genes_or_nothing():
    assert genes_of_name("B_C", PLACES) == (1, 2)
    assert genes_of_name("B_D", PLACES) is None
    assert genes_of_name("D", PLACES) is None
    assert genes_of_name("", PLACES) is None


def test_genes_with_underscores_within_a_complex():
    assert genes_of_name("MY_GENE_C", PLACES) == (4, 2)
    assert genes_of_name("C_MY_GENE", PLACES) == (2, 4)
    assert genes_of_name("MY_C", PLACES) is None


def test_of_several_readings_the_one_with_the_fewest_genes():
    assert genes_of_name("A_B_C", PLACES) == (3, 2)
    assert genes_of_name("X_Y_Z", {"X": 0, "X_Y": 1, "Y_Z": 2, "Z": 3}) == (1, 3)


@given(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=5))
def test_joined_genes_are_read_back(words):
    places = {name: place for place, name in enumerate("ABCD")}
    expected = tuple(places[w] for w in words) if set(words) <= set(places) else None
    assert genes_of_name("_".join(words), places) == expected


def test_pairs_are_kept_once_in_their_order_and_the_rest_is_counted():
    listed = [("A", "B"), ("B", "A"), ("A", "B"), ("A", "B_C"), ("A", "B_D"), ("A", "D"), ("D_E", "A")]
    found = find_pairs(listed, PLACES)
    assert list(zip(found.ligand, found.receptor, strict=True)) == [("A", "B"), ("B", "A"), ("A", "B_C")]
    assert found.ligand_genes == [(0,), (1,), (0,)]
    assert found.receptor_genes == [(1,), (0,), (1, 2)]
    assert (found.n_listed, found.n_complexes, found.n_incomplete) == (6, 1, 1)


def test_the_weakest_gene_has_the_smallest_mean_and_is_the_first_of_equal_ones():
    means = np.array([3.0, 1.0, 1.0, 0.5])
    assert weakest([(0, 1, 2), (0,), (2, 1), (0, 3)], means).tolist() == [1, 0, 2, 3]
