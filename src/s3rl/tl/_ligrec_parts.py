"""Steps of ``tl.ligrec``: which tests there are, their p-values, and the table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from s3rl import _keys
from s3rl._log import note
from s3rl._slots.crossfit import blind_readouts_of, input_of
from s3rl._slots.labels import categories_of
from s3rl._slots.table import slices_of, slot_of
from s3rl.communication.adjacency import contacts, touching
from s3rl.communication.paired import paired_t
from s3rl.communication.pairs import Pairs, weakest
from s3rl.communication.permutation import (
    Part,
    Trials,
    count_hits,
    count_hits_of,
    expressed,
    group_means,
    group_weights,
    observed,
)
from s3rl.errors import InputError, LabelsError
from s3rl.statistics.multiple import fdr, permutation_pvalue
from s3rl.statistics.permutations import permutation

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    from s3rl._slots.layers import Expression
    from s3rl.communication.params import LigrecParams

_FIX = "pass the column of adata.obs with the clusters, for example 's3rl_domain' of s3.tl.s3rl"


class Clusters(NamedTuple):
    """Clusters that have spots.

    Attributes
    ----------
    codes
        Int64 (n,): cluster of each spot, -1 for none.
    names
        Names of the clusters.
    """

    codes: np.ndarray
    names: list[str]


def clusters_of(table: AnnData, key: str, min_spots: int) -> Clusters:
    """Read the clusters, spots without a name apart.

    Raises
    ------
    LabelsError
        If there is only one, or one of fewer than ``min_spots`` spots.
    """
    labels = categories_of(table, key, fix=_FIX).remove_unused_categories()
    codes, names = labels.codes.astype(np.int64), list(labels.categories)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    if len(names) < 2:
        raise LabelsError("has one cluster, and two are needed", key=f"obs[{key!r}]", found=names[0], fix=_FIX)
    small = [name for name, size in zip(names, sizes, strict=True) if size < min_spots]
    if small:
        raise LabelsError(
            f"has clusters of fewer than {min_spots} spots",
            key=f"obs[{key!r}]",
            found=", ".join(f"{name} ({sizes[names.index(name)]})" for name in small[:12]),
            fix=f"leave their spots without a name: adata.obs[{key!r}] = adata.obs[{key!r}].where("
            f"~adata.obs[{key!r}].isin({small[:12]})), or params={{'min_spots': 2}}",
        )
    unnamed = int((codes < 0).sum())
    if unnamed:
        note("%d of %d spots have no name in obs[%r] and are left out", unnamed, codes.size, key)
    return Clusters(codes, names)


def touching_of(table: AnnData, clusters: Clusters, params: LigrecParams, *, needed: bool) -> np.ndarray | None:
    """Bool (c, c): which clusters touch; None where there is no spatial graph and none is needed."""
    key = _keys.connectivities_of(params.connectivity_key)
    if not needed and key not in table.obsp:
        return None
    graph = slot_of(table, "obsp", key, fix="squidpy.gr.spatial_neighbors_knn(adata, n_neighs=6)")
    return touching(contacts(clusters.codes, len(clusters.names), graph), params.min_contact)


class Tested(NamedTuple):
    """What is tested, on which values.

    Attributes
    ----------
    values
        Float (n, g) of the genes that take part, spots with a cluster only.
    codes
        Int64 (n,).
    genes
        Int64 (g,): their places in ``var_names``.
    tests
        Clusters and genes of each test.
    means
        Float64 (k, p): half the sum of the two means.
    """

    values: np.ndarray | sp.spmatrix
    codes: np.ndarray
    genes: np.ndarray
    tests: Trials
    means: np.ndarray


def tests_of(expression: Expression, clusters: Clusters, pairs: Pairs, between: np.ndarray, threshold: float) -> Tested:
    """Find the genes of the pairs, and where both are expressed.

    Parameters
    ----------
    between
        Bool (c, c): source and target clusters that may be tested.
    threshold
        Least share of spots above zero.

    Raises
    ------
    InputError
        If nothing is left to test.
    """
    inside = np.flatnonzero(clusters.codes >= 0)
    used = np.unique([gene for names in (pairs.ligand_genes, pairs.receptor_genes) for own in names for gene in own])
    values = expression.values[:, used][inside]
    codes, n_groups = clusters.codes[inside], len(clusters.names)
    own = [
        [tuple(np.searchsorted(used, genes)) for genes in side] for side in (pairs.ligand_genes, pairs.receptor_genes)
    ]
    overall = group_means(values, np.full((1, inside.size), 1 / inside.size))[0]
    ligand, receptor = (weakest(side, overall) for side in own)
    weights = group_weights(codes, n_groups)
    means = group_means(values, weights)
    # counts before they are divided: a share at the threshold must not fall below it by rounding
    shares = group_means(values, (weights > 0).astype(np.float64), above_zero=True) / np.bincount(codes)[:, None]
    there = expressed(means, shares, threshold)
    source, target = np.nonzero(between)
    chosen = there[source][:, ligand] & there[target][:, receptor]
    if not chosen.any():
        raise InputError(
            "has no pair that is expressed in two clusters that may be tested",
            key=f"layers[{expression.name!r}]" if expression.layer else "X",
            found=f"{len(pairs.ligand)} pairs, {source.size} pairs of clusters, threshold {threshold:g}",
            fix="pass params={'threshold': 0.0}, adjacent=False, or another resource",
        )
    tests = Trials(ligand, receptor, source, target, chosen)
    return Tested(values, codes, used, tests, observed(means, tests))


def permuted(tested: Tested, n_groups: int, strata: np.ndarray, n_perms: int, seed: int) -> np.ndarray:
    """P-values (k, p) of exchanging the labels of the spots."""
    part = Part(tested.values, group_weights(tested.codes, n_groups))
    return _pvalues([part], tested.tests, strata, n_perms, seed)


def calibrated(
    table: AnnData,
    layer: str,
    clusters: Clusters,
    tested: Tested,
    strata: np.ndarray,
    connectivity_key: str,
    n_perms: int,
    seed: int,
) -> np.ndarray:
    """P-values (k, p) of the same statistic on linear denoisers.

    Two things may have nothing to do with the rest, and the larger p-value counts. If it is the gene, its values are
    exchanged and then smoothed. If it is the place, all expression moves together: the spots are exchanged, neighbours
    and clusters stay, and the denoiser is made anew, since it follows a gene that goes with others wherever they are.
    ``strata`` are spots that may be exchanged with each other.
    """
    blind = blind_readouts_of(table, layer, connectivity_key, seed=seed)
    raw = input_of(table, layer).values[:, tested.genes]
    halves = [half for half in (0, 1) if (blind.half[tested.genes] == half).any()]
    own = [np.flatnonzero(blind.half[tested.genes] == half) for half in halves]
    # columns in the order of the halves
    column = np.argsort(np.concatenate(own))
    tests = tested.tests._replace(ligand=column[tested.tests.ligand], receptor=column[tested.tests.receptor])
    codes, n_groups, n = clusters.codes, len(clusters.names), strata.size
    parts = [
        Part(raw[:, genes], group_weights(codes, n_groups, blind.readouts[half]))
        for genes, half in zip(own, halves, strict=True)
    ]
    of_gene = _pvalues(parts, tests, strata, n_perms, seed)
    if blind.emulators is None:
        return of_gene
    emulators = [blind.emulators[half] for half in halves]

    def moved(number: int) -> list[np.ndarray]:
        order = permutation(seed, number, n, strata)
        home = np.argsort(order)
        return [group_weights(codes, n_groups, emulator.readout(order))[:, home] for emulator in emulators]

    # these products are small, and several threads would only wait for each other
    with threadpool_limits(1):
        hits = count_hits_of(parts, tests, moved, n_perms)
    return np.maximum(of_gene, permutation_pvalue(hits, n_perms))


def _pvalues(parts: list[Part], tests: Trials, strata: np.ndarray, n_perms: int, seed: int) -> np.ndarray:
    n = strata.size
    hits = count_hits(parts, tests, lambda number: permutation(seed, number, n, strata), n_perms)
    return permutation_pvalue(hits, n_perms)


def paired(tested: Tested) -> np.ndarray:
    """P-values (k, p) of paired t-tests within each cluster; nan between clusters."""
    pvalues = np.full(tested.tests.chosen.shape, np.nan)
    for place, (source, target) in enumerate(zip(tested.tests.source, tested.tests.target, strict=True)):
        own = np.flatnonzero(tested.tests.chosen[place])
        if source == target and own.size:
            rows = tested.values[np.flatnonzero(tested.codes == source)]
            dense = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)
            pvalues[place, own] = paired_t(dense, tested.tests.ligand[own], tested.tests.receptor[own])
    return pvalues


def strata_of(table: AnnData, library_key: str | None, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Slice of each spot within which spots are exchanged."""
    return slices_of(table, library_key)[0][rows]


def tidy(tested: Tested, pairs: Pairs, clusters: Clusters, genes: Any, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """One row for each test, with false discovery rates of its p-values.

    Parameters
    ----------
    genes
        Names of all genes of the table.
    columns
        ``pvalue`` and whatever else there is, each (k, p).
    """
    import pandas as pd

    tests = tested.tests
    between, pair = np.nonzero(tests.chosen & ~np.isnan(columns["pvalue"]))
    flat = {name: values[between, pair] for name, values in columns.items()}
    names = {
        "source": (tests.source[between], clusters.names),
        "target": (tests.target[between], clusters.names),
        "ligand": _coded(pairs.ligand, pair),
        "receptor": _coded(pairs.receptor, pair),
        "ligand_gene": _coded([str(genes[tested.genes[gene]]) for gene in tests.ligand], pair),
        "receptor_gene": _coded([str(genes[tested.genes[gene]]) for gene in tests.receptor], pair),
    }
    found: dict[str, Any] = {name: pd.Categorical.from_codes(*coded) for name, coded in names.items()}
    found |= {"mean": tested.means[between, pair], "pvalue": flat.pop("pvalue")}
    found["fdr"] = fdr(found["pvalue"])
    found["fdr_pair"] = fdr(found["pvalue"], pair)
    found["fdr_cluster_pair"] = fdr(found["pvalue"], between)
    if "pvalue_calibrated" in flat:
        found["pvalue_calibrated"] = flat.pop("pvalue_calibrated")
        found["fdr_calibrated"] = fdr(found["pvalue_calibrated"])
    return pd.DataFrame(found | flat, index=pd.RangeIndex(between.size).astype(str))


def _coded(names: list[str], places: np.ndarray) -> tuple[np.ndarray, list[str]]:
    different = list(dict.fromkeys(names))
    number = {name: code for code, name in enumerate(different)}
    return np.array([number[name] for name in names], dtype=np.int64)[places], different
