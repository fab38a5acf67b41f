"""Sets of genes: from a GMT file, a dictionary or the name of a library, matched with the genes of a table."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._log import note
from s3rl._slots.extras import import_extra
from s3rl.errors import InputError, ParameterError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    import scipy.sparse as sp

# a download that takes longer is given up
_SECONDS = 120.0
_GMT_FIX = "pass a GMT file: on each line a name, a description and the genes, separated by tabs"


class MeasuredSets(NamedTuple):
    """Sets within a background.

    Attributes
    ----------
    names
        Names of the sets, in the order in which they were given.
    member
        Zeros and ones, csr float64 (t, g): which genes of the background are in each set.
    given
        Genes of each set before the background, int64 (t,).
    """

    names: list[str]
    member: sp.csr_matrix
    given: np.ndarray


def gene_sets_of(gene_sets: str | PathLike[str] | Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Name of each set and its genes, each gene once.

    Raises
    ------
    StoreError
        If a file cannot be read, or a library cannot be fetched.
    InputError
        If a line of the file is not one of a GMT.
    ParameterError
        If ``gene_sets`` is none of these, or holds no set or a set without genes.
    """
    if isinstance(gene_sets, Mapping):
        return _of_mapping(gene_sets)
    if isinstance(gene_sets, Path) or (isinstance(gene_sets, str) and _is_path(gene_sets)):
        return read_gmt(gene_sets)
    if isinstance(gene_sets, str) and gene_sets:
        return _library(gene_sets)
    raise ParameterError(
        "is neither a GMT file, a dictionary nor the name of a library",
        key="gene_sets",
        found=repr(gene_sets)[:80],
        fix="pass gene_sets='hallmark.gmt' or gene_sets={'name': ['GENE1', 'GENE2']}",
    )


def _is_path(text: str) -> bool:
    path = Path(text)
    return bool(text) and (path.suffix.lower() in {".gmt", ".txt", ".tsv"} or len(path.parts) > 1 or path.exists())


def _of_mapping(given: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    sets: dict[str, list[str]] = {}
    for name, genes in given.items():
        if isinstance(genes, str) or not hasattr(genes, "__iter__"):
            raise ParameterError(
                "is not a list of genes",
                key=f"gene_sets[{name!r}]",
                found=repr(genes)[:80],
                fix="pass {'name': ['GENE1', 'GENE2']}",
            )
        sets[str(name)] = list(dict.fromkeys(str(gene) for gene in genes))
    empty = [name for name, genes in sets.items() if not genes]
    if empty or not sets:
        raise ParameterError(
            "holds no set at all" if not sets else "has sets without genes",
            key="gene_sets",
            found=", ".join(empty[:5]) or "an empty dictionary",
            fix="pass {'name': ['GENE1', 'GENE2']}",
        )
    return sets


def read_gmt(path: str | PathLike[str]) -> dict[str, list[str]]:
    """Read a GMT file; what Enrichr puts after a comma, a weight, is left out.

    Raises
    ------
    StoreError
        If it cannot be read.
    InputError
        If a line has no genes or a name comes twice; says which line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot be read: {error}", key="gene_sets", found=repr(str(path)), fix=_GMT_FIX) from error
    sets: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, *fields = line.split("\t")
        genes = [gene for field in fields[1:] if (gene := field.split(",")[0].strip())]
        if not name.strip() or not genes or name.strip() in sets:
            raise InputError(
                "repeats the name of a set" if name.strip() in sets else "is not a name, a description and genes",
                key=f"{Path(path).name}, line {number}",
                found=repr(line[:60]),
                fix=_GMT_FIX,
            )
        sets[name.strip()] = list(dict.fromkeys(genes))
    if not sets:
        raise InputError("holds no gene set", key=Path(path).name, found="no line", fix=_GMT_FIX)
    return sets


def _library(name: str) -> dict[str, list[str]]:
    """Library of Enrichr of this name: from gseapy's cache, else from the network."""
    parser = import_extra("gseapy.parser", "enrichment")
    kept = Path(parser.DEFAULT_CACHE_PATH) / f"Enrichr.{name}.gmt"
    if kept.is_file():
        return read_gmt(kept)
    note("gene_sets=%r is no file: asking the servers of Enrichr for a library of this name", name)
    answer: dict[str, Any] = {}

    def fetch() -> None:
        try:
            answer["sets"] = parser.get_library(name)
        except Exception as error:  # noqa: BLE001
            answer["error"] = error

    # requests are made without a time limit, so that only a thread of its own can be given up, and whatever it raises
    # is told in the same way
    worker = threading.Thread(target=fetch, daemon=True)
    worker.start()
    worker.join(_SECONDS)
    if not answer.get("sets"):
        why = answer.get("error", f"no answer within {_SECONDS:.0f} s")
        raise StoreError(
            f"is no file, and no library of this name could be fetched: {why}",
            key="gene_sets",
            found=repr(name),
            fix=_GMT_FIX,
        )
    return _of_mapping(answer["sets"])


def measured_sets(
    sets: Mapping[str, Sequence[str]],
    genes: Sequence[str],
    *,
    min_size: int = 1,
    max_size: int | None = None,
    key: str = "gene_sets",
) -> MeasuredSets:
    """Keep of each set the genes of the background, and the sets of a size within bounds; log how many are left out.

    Raises
    ------
    InputError
        If no gene of any set is in the background.
    ParameterError
        If no set has a size within the bounds.
    """
    import scipy.sparse as sp

    place = {gene: number for number, gene in enumerate(genes)}
    found = {name: [place[gene] for gene in own if gene in place] for name, own in sets.items()}
    if not any(found.values()):
        raise no_overlap([gene for own in sets.values() for gene in own], genes, key=key)
    most = len(place) if max_size is None else max_size
    kept = [name for name, own in found.items() if min_size <= len(own) <= most]
    sizes = sorted(len(own) for own in found.values())
    if not kept:
        raise ParameterError(
            f"has no set with {min_size} to {most} of the {len(place)} genes measured",
            key=key,
            found=f"{len(sizes)} sets with {sizes[0]} to {sizes[-1]} measured genes",
            fix="other bounds, for example params={'min_size': 3}",
        )
    if len(kept) < len(found):
        small = sum(size < min_size for size in sizes)
        note(
            "%s: %d of %d sets are left out, %d with fewer than %d measured genes and %d with more than %d",
            key, len(found) - len(kept), len(found), small, min_size, len(found) - len(kept) - small, most,
        )  # fmt: skip
    columns = [np.array(sorted(set(found[name])), dtype=np.int64) for name in kept]
    rows = np.repeat(np.arange(len(kept)), [len(own) for own in columns])
    shape = (len(kept), len(place))
    member = sp.csr_matrix((np.ones(len(rows)), (rows, np.concatenate(columns))), shape=shape)
    return MeasuredSets(kept, member, np.array([len(set(sets[name])) for name in kept], dtype=np.int64))


def no_overlap(wanted: Iterable[str], genes: Iterable[str], *, key: str) -> InputError:
    """The error for names of which none is among the genes; says why that may be."""
    wanted, genes = list(dict.fromkeys(map(str, wanted))), list(map(str, genes))
    upper = {gene.upper() for gene in genes}
    by_case = [gene for gene in wanted if gene.upper() in upper]
    ensembl = [sum(name.upper().startswith("ENS") for name in names) > len(names) / 2 for names in (wanted, genes)]
    if by_case:
        fix = (
            f"{len(by_case)} names differ in case only, as symbols of human (ACTB) and mouse (Actb) do: pass genes of "
            "the same species, or translate them by orthology"
        )
    elif ensembl[0] != ensembl[1]:
        fix = "one side has Ensembl identifiers and the other symbols: bring adata.var_names to those of the sets"
    else:
        fix = "pass names as they are in adata.var_names"
    return InputError(
        "shares no gene with the table", key=key, found=", ".join(wanted[:5]), available=genes[:6], fix=fix
    )
