"""Motifs: planted ones are found, every window has the p-value of all words, and what is refused."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pandas as pd
import pytest
from laws.contents import changed, contents
from scipy.stats import false_discovery_control, hypergeom
from tl.enrichment_tissue import GENES, tissue

import s3rl as s3
from s3rl import errors
from s3rl._slots.sequences import motifs_of, sequences_of
from s3rl.tl._motif_scan_parts import base_shares

BASES = "ACGT"
PAIRS = str.maketrans(BASES, "TGCA")
WORDS = {"AP1": "TGACTCAT", "ETS": "ACCGGAAGT"}


def matrix(word: str, sites: int = 40) -> np.ndarray:
    return np.array([[sites if base == letter else 1 for base in BASES] for letter in word], dtype=float)


def random_sequences(genes: list[str], length: int = 200, seed: int = 0, letters: str = BASES) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    return {gene: "".join(rng.choice(list(letters), length)) for gene in genes}


def by_hand(sequences: dict[str, str], motif: np.ndarray, both: bool) -> pd.DataFrame:
    """Log odds and p-value of every window, the p-value from all words of that length."""
    shares = base_shares(list(sequences.values()), both)
    odds = np.log2(motif / shares)
    width = len(motif)
    words = np.array(list(itertools.product(range(4), repeat=width)))
    scores, chances = odds[np.arange(width), words].sum(axis=1), shares[words].prod(axis=1)
    rows = []
    for gene, text in sequences.items():
        for strand, start in itertools.product("+-" if both else "+", range(len(text) - width + 1)):
            word = text[start : start + width]
            if set(word) <= set(BASES):
                word = word.translate(PAIRS)[::-1] if strand == "-" else word
                score = odds[np.arange(width), [BASES.index(letter) for letter in word]].sum()
                rows.append((gene, start + 1, strand, score, chances[scores >= score - 1e-9].sum()))
    return pd.DataFrame(rows, columns=["gene", "start", "strand", "score", "pvalue"])


@pytest.mark.parametrize("both", [True, False])
def test_every_window_is_scored_as_by_hand(both):
    sequences = random_sequences(GENES[:10], 40, seed=1, letters="AACGTTTN")
    motif = np.random.default_rng(2).dirichlet(np.ones(4) * 0.4, 5)
    found = s3.tl.motif_scan(
        tissue(), {"M": motif}, sequences=sequences, max_pvalue=0.05, both_strands=both, copy=True
    ).results
    every = by_hand(sequences, motifs_of({"M": motif}).frequencies[0], both)
    # the matrix of scores has a thousand steps, so that a p-value at the edge may fall on either side
    clear = every[(every["pvalue"] - 0.05).abs() > 0.002]
    joined = clear.merge(found, on=["gene", "start", "strand"], how="outer", suffixes=("", "_found"), indicator=True)
    assert len(found) > 8
    assert (joined.loc[joined["_merge"] == "both", "pvalue"] <= 0.05).all()
    assert (joined.loc[joined["_merge"] == "left_only", "pvalue"] > 0.05).all()
    same = joined[joined["_merge"] == "both"]
    assert same["score_found"].to_numpy() == pytest.approx(same["score"].to_numpy(), abs=0.03)
    assert same["pvalue_found"].to_numpy() == pytest.approx(same["pvalue"].to_numpy(), rel=0.1)
    assert (found["stop"] - found["start"] == 4).all()
    q = false_discovery_control(np.concatenate([found["pvalue"], np.ones(len(every) - len(found))]))[: len(found)]
    assert found["qvalue"].to_numpy() == pytest.approx(q)


@pytest.mark.parametrize("place", [0, 57, 192], ids=["first", "middle", "last window"])
@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_planted_word_is_found_where_it_is(place, strand):
    sequences = random_sequences(GENES[:6])
    word = WORDS["AP1"] if strand == "+" else WORDS["AP1"].translate(PAIRS)[::-1]
    text = sequences["GENE3"]
    sequences["GENE3"] = (text[:place] + word + text[place + 8 :]).lower()
    found = s3.tl.motif_scan(tissue(), {"AP1": matrix(WORDS["AP1"])}, sequences=sequences, max_pvalue=2e-5, copy=True)
    row = found.results.sort_values("pvalue").iloc[0]
    assert row[["gene", "start", "stop", "strand"]].tolist() == ["GENE3", place + 1, place + 8, strand]
    assert found.enrichment is None


def test_a_planted_motif_is_over_represented_and_others_are_not():
    sequences = random_sequences(GENES[:200])
    chosen = GENES[:30]
    for gene in chosen[:24]:
        sequences[gene] = sequences[gene][:100] + WORDS["AP1"] + sequences[gene][108:]
    motifs = {name: matrix(word) for name, word in WORDS.items()}
    motifs |= {f"R{i}": matrix(word) for i, word in enumerate(random_sequences(GENES[:40], 7, seed=4).values())}
    table = tissue()
    s3.tl.motif_scan(table, motifs, sequences=sequences, genes=[*chosen, "GENE399"], max_pvalue=1e-3)
    found = table.uns["motif_scan"]
    tested = found["enrichment"].set_index("motif")
    assert tested.loc["AP1", "fdr"] < 1e-8
    assert (tested.drop("AP1")["pvalue"] <= 0.05).mean() < 0.15
    assert tested.loc["AP1", "n_genes"] == 30
    size = found["results"].query("motif == 'ETS'")["gene"].nunique()
    overlap = found["results"].query("motif == 'ETS' and gene in @chosen")["gene"].nunique()
    assert tested.loc["ETS", ["overlap", "size"]].tolist() == [overlap, size]
    assert tested.loc["ETS", "pvalue"] == pytest.approx(hypergeom.sf(overlap - 1, 200, size, 30))
    assert found["motifs"]["widths"].sum() == len(found["motifs"]["frequencies"])
    network = found["results"].rename(columns={"motif": "source", "gene": "target"})
    regulated = s3.tl.tf_enrichment(table, network, genes=chosen, copy=True).results.set_index("tf")
    assert regulated["pvalue"].idxmin() == "AP1"


JASPAR = """>MA0001.1 AP one
A [ 0 0 40 0 0 0 40 0 ]
C [ 0 0 0 40 0 40 0 0 ]
G [ 0 40 0 0 0 0 0 0 ]
T [ 40 0 0 0 40 0 0 40 ]
>MA0002.1
1 2 3
4 5 6
7 8 9
1.5 1 1e1
"""
MEME = """MEME version 4

ALPHABET= ACGT

strands: + -

MOTIF MA0001.1 AP
letter-probability matrix: alength= 4 w= 2 nsites= 20 E= 0
1.0 0.0 0.0 0.0
0.0 0.5 0.5 0.0

MOTIF MA0002.1
letter-probability matrix: alength= 4 w= 1 nsites= 20 E= 0
0.25 0.25 0.25 0.25
"""


def test_formats_of_motifs(tmp_path):
    (tmp_path / "m.jaspar").write_text(JASPAR)
    (tmp_path / "m.meme").write_text(MEME)
    read = motifs_of(tmp_path / "m.jaspar")
    assert (read.ids, [len(shares) for shares in read.frequencies]) == (["MA0001.1", "MA0002.1"], [8, 3])
    assert read.names[1] == ""
    assert "".join(BASES[row.argmax()] for row in read.frequencies[0]) == "TGACTCAT"
    assert read.frequencies[1][2] == pytest.approx(np.array([3, 6, 9, 10]) / 28, abs=0.01)
    read = motifs_of(str(tmp_path / "m.meme"))
    assert (read.ids, read.names) == (["MA0001.1", "MA0002.1"], ["AP", ""])
    assert read.frequencies[0][1] == pytest.approx([0, 0.5, 0.5, 0], abs=0.01)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("hello", errors.InputError),
        ("", errors.InputError),
        (MEME.replace("0.0 0.5 0.5 0.0\n", "0.0 0.5\n"), errors.InputError),
        (MEME.replace("MA0002.1", "MA0001.1"), errors.InputError),
        (JASPAR.replace("4 5 6\n", "4 5\n"), errors.InputError),
        (JASPAR.replace("7 8 9\n", ""), errors.InputError),
        (JASPAR.replace("MA0002.1", "MA0001.1"), errors.InputError),
        (None, errors.StoreError),
    ],
)
def test_files_without_motifs(text, kind, tmp_path):
    file = tmp_path / "motifs.txt"
    if text is not None:
        file.write_text(text)
    with pytest.raises(kind) as caught:
        motifs_of(file)
    assert "MEME or JASPAR" in caught.value.fix


def test_fasta(tmp_path):
    file = tmp_path / "promoters.fa"
    file.write_text(">GENE1 chr1:5\nacgt\nNRYU\n\n>GENE2\nTTTT\n")
    assert sequences_of(file) == {"GENE1": "ACGTNNNT", "GENE2": "TTTT"}
    for text, says in [
        ("ACGT\n", "line 1"),
        (">A\nACGT\n>\nAC\n", "line 3: has no name"),
        (">A\nACGT\n>A\nAC\n", "line 3: repeats"),
        (">A\nACGT\n>B\nAC5T\n", "line 3: is no sequence"),
        (">A\n>B\nACGT\n", "line 1: is no sequence"),
    ]:
        file.write_text(text)
        with pytest.raises(errors.InputError, match=says):
            sequences_of(file)
    file.write_text("")
    with pytest.raises(errors.ParameterError, match="no sequence"):
        sequences_of(file)


AP1 = {"AP1": matrix(WORDS["AP1"])}
SEQUENCES = random_sequences(GENES[:20], 50)


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"sequences": 3}, errors.ParameterError, "sequences"),
        ({"sequences": "nowhere.fa"}, errors.StoreError, "sequences"),
        ({"sequences": {}}, errors.ParameterError, "sequences"),
        ({"sequences": {"Gene1": "ACGT"}}, errors.InputError, "sequences"),
        ({"sequences": {"GENE1": "AC!T"}}, errors.InputError, "sequences['GENE1']"),
        ({"motifs": 3}, errors.ParameterError, "motifs"),
        ({"motifs": {}}, errors.InputError, "motifs"),
        ({"motifs": {"A": np.zeros((3, 4))}}, errors.InputError, "motifs['A']"),
        ({"motifs": {"A": np.ones((3, 5))}}, errors.InputError, "motifs['A']"),
        ({"max_pvalue": 0}, errors.ParameterError, "max_pvalue"),
        ({"max_pvalue": True}, errors.ParameterError, "max_pvalue"),
        ({"genes": []}, errors.ParameterError, "genes"),
        ({"genes": ["GENE300"]}, errors.InputError, "genes"),
    ],
    ids=lambda value: "",
)
def test_refused_with_the_key_and_nothing_changed(arguments, kind, key):
    table = tissue()
    before = contents(table)
    with pytest.raises(kind) as caught:
        s3.tl.motif_scan(table, **({"motifs": AP1, "sequences": SEQUENCES} | arguments))
    assert caught.value.key == key
    assert caught.value.fix
    assert changed(before, contents(table)) == set()


def test_sequences_shorter_than_the_motif_have_none():
    found = s3.tl.motif_scan(tissue(), AP1, sequences={"GENE1": "ACG", "GENE2": "N" * 30}, genes=["GENE1"], copy=True)
    assert found.results.empty
    assert found.enrichment.loc[0, "pvalue"] == 1


def test_without_pymemesuite(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymemesuite.common", None)
    with pytest.raises(errors.MissingExtraError, match=r"s3rl-tools\[motifs\]"):
        s3.tl.motif_scan(tissue(), AP1, sequences=SEQUENCES)
