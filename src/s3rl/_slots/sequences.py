"""Sequences of promoters and motifs, from text files and dictionaries."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._slots.extras import import_extra
from s3rl.errors import InputError, ParameterError, StoreError

if TYPE_CHECKING:
    from os import PathLike

_FASTA_FIX = "pass a FASTA file whose headers begin with the names of genes, or {'gene': 'ACGT'}"
_MOTIF_FIX = "pass a file in MEME or JASPAR format, or {'name': array (w, 4) of counts of A, C, G and T}"
_BASES = "ACGT"
# what a matrix of shares, not of counts, is worth
_SITES = 20


class Motifs(NamedTuple):
    """Motifs as pymemesuite scans them.

    Attributes
    ----------
    ids, names
        Identifier of each motif, and its second name or an empty one.
    motifs
        Objects of pymemesuite.
    frequencies
        Shares of A, C, G and T at each place, float64 (w, 4) each.
    """

    ids: list[str]
    names: list[str]
    motifs: list[Any]
    frequencies: list[np.ndarray]


def sequences_of(sequences: Mapping[str, str] | str | PathLike[str]) -> dict[str, str]:
    """Sequence of each gene in capitals; letters that are no base of their own become N.

    Raises
    ------
    StoreError
        If a file cannot be read.
    InputError
        If it is no FASTA, a gene comes twice, or a sequence has what is no letter of the code; says which line.
    ParameterError
        If ``sequences`` is none of these, or empty.
    """
    if isinstance(sequences, Mapping):
        found = {str(gene): (str(text), f"sequences[{str(gene)!r}]") for gene, text in sequences.items()}
    elif isinstance(sequences, (str, Path)) and str(sequences):
        found = _fasta(sequences)
    else:
        raise ParameterError(
            "are neither a file nor a dictionary", key="sequences", found=type(sequences).__name__, fix=_FASTA_FIX
        )
    if not found:
        raise ParameterError("hold no sequence", key="sequences", found="nothing", fix=_FASTA_FIX)
    return {gene: _letters(text, place) for gene, (text, place) in found.items()}


def _fasta(path: str | PathLike[str]) -> dict[str, tuple[str, str]]:
    found: dict[str, list[str]] = {}
    place: dict[str, str] = {}
    gene = None
    for number, line in enumerate(_text(path, "sequences", _FASTA_FIX).splitlines(), start=1):
        where = f"{Path(path).name}, line {number}"
        if line.startswith(">"):
            gene = next(iter(line[1:].split()), "")
            if not gene or gene in found:
                problem = "has no name" if not gene else "repeats the name of a sequence"
                raise InputError(problem, key=where, found=repr(line[:60]), fix=_FASTA_FIX)
            found[gene], place[gene] = [], where
        elif line.strip():
            if gene is None:
                raise InputError("comes before any header", key=where, found=repr(line[:60]), fix=_FASTA_FIX)
            found[gene].append(line.strip())
    return {gene: ("".join(lines), place[gene]) for gene, lines in found.items()}


def _letters(text: str, place: str) -> str:
    letters = text.upper().replace("U", "T").replace("-", "N")
    wrong = re.search(r"[^ACGTNRYSWKMBDHV]", letters)
    if wrong or not letters:
        raise InputError(
            "is no sequence of bases", key=place, found=repr(wrong.group()) if wrong else "nothing", fix=_FASTA_FIX
        )
    return re.sub(r"[^ACGT]", "N", letters)


def motifs_of(motifs: Mapping[str, Any] | str | PathLike[str]) -> Motifs:
    """Read motifs through pymemesuite.

    Raises
    ------
    StoreError
        If a file cannot be read.
    InputError
        If it has no motif, or one that cannot be read, or of other letters than those of DNA.
    ParameterError
        If ``motifs`` is none of these.
    MissingExtraError
        If pymemesuite is not installed.
    """
    if isinstance(motifs, Mapping):
        text, where = _meme({str(name): ("", np.asarray(counts)) for name, counts in motifs.items()}), "motifs"
    elif isinstance(motifs, (str, Path)) and str(motifs):
        where = Path(motifs).name
        text = _text(motifs, "motifs", _MOTIF_FIX)
        if text.lstrip().startswith(">"):
            text = _meme(_jaspar(text, where))
    else:
        raise ParameterError(
            "are neither a file nor a dictionary", key="motifs", found=type(motifs).__name__, fix=_MOTIF_FIX
        )
    return _read(text, where)


def _read(text: str, where: str) -> Motifs:
    common = import_extra("pymemesuite.common", "motifs")
    announced = len(re.findall(r"^MOTIF\s", text, re.MULTILINE)) or len(re.findall(r"<motif\s", text))
    read = list(common.MotifFile(io.BytesIO(text.encode()), symmetrical=True))
    if not read or len(read) < announced:
        last = read[-1].accession.decode() if read else "none"
        raise InputError(
            "holds no motif" if not read else "has a motif that cannot be read",
            key=where,
            found=f"{len(read)} of {announced} motifs read, the last {last}",
            fix=_MOTIF_FIX,
        )
    if any(motif.alphabet != common.Alphabet.dna() for motif in read):
        raise InputError("has motifs that are not of DNA", key=where, found="another alphabet", fix=_MOTIF_FIX)
    ids = [motif.accession.decode() for motif in read]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise InputError("names a motif twice", key=where, found=twice, fix=_MOTIF_FIX)
    shares = [
        np.array([[motif.frequencies[row, base] for base in range(4)] for row in range(motif.width)]) for motif in read
    ]
    return Motifs(ids, [motif.name.decode() for motif in read], read, shares)


def _jaspar(text: str, where: str) -> dict[str, tuple[str, np.ndarray]]:
    """Counts (w, 4) of each motif: a header, and four rows with or without a letter and brackets."""
    found: dict[str, tuple[str, np.ndarray]] = {}
    for block in re.split(r"^>", text, flags=re.MULTILINE)[1:]:
        header, *rows = [line for line in block.splitlines() if line.strip()]
        name, *more = header.split() or [""]
        numbers = [re.findall(r"\d+\.?\d*(?:[eE][-+]?\d+)?", re.sub(r"^\s*[ACGTacgt]\s", "", row)) for row in rows]
        if not name or len(numbers) != 4 or len({len(row) for row in numbers}) != 1 or not numbers[0] or name in found:
            raise InputError(
                "names a motif twice" if name in found else "is not a header and four rows of counts",
                key=f"{where}, motif {name or 'without a name'}",
                found=f"{len(rows)} rows",
                fix=_MOTIF_FIX,
            )
        found[name] = (" ".join(more), np.array(numbers, dtype=np.float64).T)
    return found


def _meme(matrices: Mapping[str, tuple[str, np.ndarray]]) -> str:
    """The same in MEME's minimal format."""
    lines = ["MEME version 4", "", f"ALPHABET= {_BASES}", "", "strands: + -", ""]
    for name, (second, counts) in matrices.items():
        if counts.ndim != 2 or counts.shape[1:] != (4,) or not len(counts) or counts.dtype.kind not in "fiu":
            raise InputError(
                "is not an array (w, 4) of numbers", key=f"motifs[{name!r}]", found=f"{counts.dtype} {counts.shape}",
                fix=_MOTIF_FIX,
            )  # fmt: skip
        total = counts.sum(axis=1, keepdims=True)
        if not (np.isfinite(counts).all() and (counts >= 0).all() and (total > 0).all()) or re.search(r"\s", name):
            raise InputError(
                "has counts below 0 or places without any, or a space in its name", key=f"motifs[{name!r}]",
                found=f"sums from {np.nanmin(total):g}", fix=_MOTIF_FIX,
            )  # fmt: skip
        sites = round(float(total.mean())) if total.mean() > 1.5 else _SITES
        lines += [f"MOTIF {name} {second}".rstrip(), ""]
        lines.append(f"letter-probability matrix: alength= 4 w= {len(counts)} nsites= {sites} E= 0")
        lines += [" ".join(f"{share:.10f}" for share in row) for row in counts / total] + [""]
    return "\n".join(lines)


def _text(path: str | PathLike[str], key: str, fix: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot be read: {error}", key=key, found=repr(str(path)), fix=fix) from error
