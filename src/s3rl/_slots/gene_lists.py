"""Lists of genes that are asked for what they have in common: given by the user, or the markers of groups of spots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._keys import ModelKeys
from s3rl._log import note
from s3rl._slots.gene_sets import no_overlap
from s3rl._slots.markers import Ranking, ranking_from, ranking_of
from s3rl._slots.table import expression_of
from s3rl.errors import ParameterError

if TYPE_CHECKING:
    from anndata import AnnData

DOMAIN = ModelKeys().domain
_GROUPS_FIX = "s3.tl.s3rl(adata, n_domains), or pass groupby=, a column of adata.obs"
_GENES_FIX = "pass genes=['GENE1', 'GENE2'] or genes={'name': ['GENE1', 'GENE2']}"


class GeneLists(NamedTuple):
    """Lists within their background.

    Attributes
    ----------
    names
        Of the q lists.
    genes
        The background (g,): genes that were measured.
    lists
        Boolean (q, g).
    ranking
        What the lists are the markers of; None where the user gave them.
    """

    names: list[str]
    genes: np.ndarray
    lists: np.ndarray
    ranking: Ranking | None


def ranking_for(table: AnnData, groupby: str | None, layer: str | None, markers_key: str | None) -> Ranking:
    """Ranking named ``markers_key``, or computed for ``groupby``."""
    if markers_key is None:
        return ranking_of(table, groupby or DOMAIN, layer, fix=_GROUPS_FIX)
    if groupby is not None or layer is not None:
        raise ParameterError(
            "has its own groups and values",
            key="markers_key",
            found=f"groupby={groupby!r}, layer={layer!r} besides",
            fix="leave out groupby and layer, or markers_key",
        )
    return ranking_from(table, markers_key)


def gene_lists_of(
    table: AnnData,
    *,
    genes: Any,
    groupby: str | None,
    layer: str | None,
    markers_key: str | None,
    thresholds: tuple[float, float, int],
) -> GeneLists:
    """The lists, and the genes that they are drawn from: those measured with a value above zero somewhere.

    Raises
    ------
    ParameterError
        If ``genes`` are no names, or are given beside groups.
    InputError
        If none of the genes was measured.
    """
    if genes is None:
        ranking = ranking_for(table, groupby, layer, markers_key)
        lists = ranking.markers(*thresholds)
        without = [name for name, row in zip(ranking.groups, lists, strict=True) if not row.any()]
        if without:
            note("no gene passes the thresholds for markers in %s", ", ".join(without))
        return GeneLists(ranking.groups, ranking.genes, lists, ranking)
    beside = {"groupby": groupby, "layer": layer, "markers_key": markers_key}
    if any(value is not None for value in beside.values()):
        raise ParameterError(
            "are given, so there is nothing to compare between groups",
            key="genes",
            found=", ".join(f"{name}={value!r}" for name, value in beside.items() if value is not None),
            fix="leave out genes, or groupby, layer and markers_key",
        )
    background = detected(table)
    named = named_lists(genes)
    return GeneLists(list(named), background, within(named, background), None)


def detected(table: AnnData) -> np.ndarray:
    """Names of the genes with a value other than zero in ``X``."""
    seen = np.asarray((expression_of(table) != 0).sum(axis=0)).ravel() > 0
    return table.var_names.to_numpy(dtype=str)[seen]


def named_lists(genes: Any) -> dict[str, list[str]]:
    """Genes of each list, each gene once; one list is called ``"genes"``.

    Raises
    ------
    ParameterError
        If they are no names, or a list is empty.
    """
    given = genes if isinstance(genes, Mapping) else {"genes": genes}
    named: dict[str, list[str]] = {}
    for name, own in given.items():
        if isinstance(own, str) or not hasattr(own, "__iter__"):
            raise ParameterError("are no list of names", key="genes", found=repr(own)[:80], fix=_GENES_FIX)
        named[str(name)] = list(dict.fromkeys(map(str, own)))
    empty = [name for name, own in named.items() if not own]
    if empty or not named:
        raise ParameterError("are an empty list", key="genes", found=", ".join(empty) or "nothing", fix=_GENES_FIX)
    return named


def within(named: dict[str, list[str]], background: np.ndarray) -> np.ndarray:
    """Boolean (q, g): which genes of the background are in each list; logs how many are not there.

    Raises
    ------
    InputError
        If a list has no gene there.
    """
    lists = np.array([np.isin(background, own) for own in named.values()])
    for (name, own), row in zip(named.items(), lists, strict=True):
        if not row.any():
            raise no_overlap(own, background, key="genes")
        if row.sum() < len(own):
            note("%s: %d of %d genes were not measured and are left out", name, len(own) - row.sum(), len(own))
    return lists
