"""Which genes stand for a ligand or a receptor: complexes complete or absent, names that hold underscores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

_JOINT = "_"


class Pairs(NamedTuple):
    """Pairs all of whose genes are there.

    Attributes
    ----------
    ligand, receptor
        Names as the list has them.
    ligand_genes, receptor_genes
        Places of their genes; several for a complex.
    n_listed
        Different pairs of the list.
    n_complexes
        Pairs found that have a complex.
    n_incomplete
        Pairs left out though some but not all genes of a complex are there.
    """

    ligand: list[str]
    receptor: list[str]
    ligand_genes: list[tuple[int, ...]]
    receptor_genes: list[tuple[int, ...]]
    n_listed: int
    n_complexes: int
    n_incomplete: int


def genes_of_name(name: str, places: Mapping[str, int]) -> tuple[int, ...] | None:
    """Places of the genes that ``name`` stands for, or None where they are not all there.

    A name that is a gene is that gene, whatever underscores it holds. Any other is a complex of genes joined by
    underscores; of several ways to read it the one with the fewest genes is taken, and of these the one whose first
    genes have the longest names.

    Examples
    --------
    >>> genes_of_name("ITGA1_ITGB1", {"ITGA1": 0, "ITGB1": 1})
    (0, 1)
    >>> genes_of_name("C4B_2", {"C4B_2": 0, "C4B": 1})
    (0,)
    """
    if name in places:
        return (places[name],)
    words = name.split(_JOINT)
    # best[i] reads the words from i on
    best: list[tuple[int, ...] | None] = [None] * len(words) + [()]
    for start in reversed(range(len(words))):
        for stop in range(len(words), start, -1):
            gene, rest = places.get(_JOINT.join(words[start:stop])), best[stop]
            known = best[start]
            if gene is not None and rest is not None and (known is None or len(rest) + 1 < len(known)):
                best[start] = (gene, *rest)
    return best[0]


def find_pairs(listed: Iterable[tuple[str, str]], places: Mapping[str, int]) -> Pairs:
    """Keep the pairs whose genes are all there, each once, in the order of the list.

    Parameters
    ----------
    listed
        Ligand and receptor of each pair.
    places
        Name of each gene to its place.
    """
    different = list(dict.fromkeys(listed))
    genes = {name: genes_of_name(name, places) for pair in different for name in pair}
    found = [(ligand, receptor, genes[ligand], genes[receptor]) for ligand, receptor in different]
    kept = [(ligand, receptor, a, b) for ligand, receptor, a, b in found if a is not None and b is not None]
    partly = {name for name, own in genes.items() if own is None and any(w in places for w in name.split(_JOINT))}
    return Pairs(
        [pair[0] for pair in kept],
        [pair[1] for pair in kept],
        [pair[2] for pair in kept],
        [pair[3] for pair in kept],
        n_listed=len(different),
        n_complexes=sum(len(a) > 1 or len(b) > 1 for _, _, a, b in kept),
        n_incomplete=sum(ligand in partly or receptor in partly for ligand, receptor in different),
    )


def weakest(complexes: list[tuple[int, ...]], means: np.ndarray) -> np.ndarray:
    """Int64 (p,): of each complex the gene with the smallest mean (g,), the first of equal ones."""
    return np.array([min(genes, key=lambda gene: means[gene]) for genes in complexes], dtype=np.int64)
