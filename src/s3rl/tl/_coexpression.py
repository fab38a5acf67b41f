"""Networks of genes that are expressed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._params import whole_number
from s3rl._random import seed_of
from s3rl._slots.calibration import (
    before_denoising,
    fraction,
    frame_of,
    groups_of,
    joint_codes,
    permutations_of,
)
from s3rl._slots.labels import categories_of
from s3rl._slots.layers import PAIR, Expression, expressions_of, genes_of, say_post_denoising
from s3rl._slots.table import slices_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import ParameterError
from s3rl.statistics.multiple import fdr
from s3rl.statistics.pairs import correlations, modules_of, pair_pvalues
from s3rl.statistics.rank_correlation import correlation_pvalue, sparse_ranks

if TYPE_CHECKING:
    import pandas as pd

    from s3rl._typing import RNG, Data
    from s3rl.statistics.readout import Readout

_METHODS = ("spearman", "pearson")
_WORDS = ("group", "layer")


class CoexpressionResult(NamedTuple):
    """Result of :func:`s3rl.tl.coexpression` with ``copy=True``.

    Attributes
    ----------
    results
        One row for each edge: ``group`` (``"all"`` without ``groupby``), ``layer`` (``"X"`` or its name), ``gene_1``,
        ``gene_2``, ``r``, ``pvalue``, ``fdr`` over all pairs of the group and layer, ``post_denoising``, and with
        ``calibrate`` also ``pvalue_calibrated`` and ``fdr_calibrated``.
    genes
        One row for each gene, group and layer: ``gene``, ``degree``, and ``module``, 0 the largest, -1 for none.
    networks
        One row for each group and layer: ``n_spots``, ``n_genes``, ``n_pairs`` that could be tested, ``n_edges``,
        ``n_positive``, ``n_negative``, ``n_modules`` and ``largest_module``.
    """

    results: pd.DataFrame
    genes: pd.DataFrame
    networks: pd.DataFrame


def coexpression(
    data: Data,
    genes: Sequence[str],
    *,
    groupby: str | None = None,
    threshold: float = 0.3,
    method: Literal["spearman", "pearson"] = "spearman",
    layers: str | Sequence[str | None] | None = PAIR,
    calibrate: bool | int = False,
    min_spots: int = 20,
    library_key: str | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str = "coexpression",
    copy: bool = False,
) -> CoexpressionResult | None:
    """Join genes whose expression correlates over the spots of a group, raw beside denoised.

    Tests on denoised expression are post-denoising: smoothing raises correlations and makes spots dependent, so that
    p-values are too small and edges too many. ``calibrate`` permutes one gene of the pair before it is denoised.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    genes
        Two names in ``var_names`` or more.
    groupby
        Column of ``obs``, such as cell types: a network for each. None is one group.
    threshold
        An edge has an absolute correlation of this or more.
    method
        ``"spearman"``, as the paper has it, or ``"pearson"``.
    layers
        Layers to compare, None being ``X``.
    calibrate
        Add p-values of permutations: True is 999 of them.
    min_spots
        Groups with fewer spots are skipped.
    library_key
        Column of ``obs`` with the slice, within which permutations stay.
    rng
        Seed or generator of the permutations.
    table_key
        Table of a SpatialData.
    key_added
        Name in ``uns`` of the result.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.CoexpressionResult` with ``copy=True``. Written otherwise:

    ``uns[key_added]``
        ``results``, ``genes`` and ``networks`` as above, and ``params``.

    Raises
    ------
    MissingKeyError
        If a gene, a column or a layer is not there.
    ParameterError
        If fewer than two genes are named, or an argument is out of its range.
    LabelsError
        If a column holds no names, or no group is large enough.
    CountsError
        If a layer is not log-normalised.
    InputError
        If values, or the embedding that ``calibrate`` needs, are not finite.

    Notes
    -----
    Modules are communities of the edges with positive correlation, by greedy modularity (networkx). ``pvalue`` takes
    spots for independent, which neighbours are not, raw or denoised. ``pvalue_calibrated`` is that of the correlation
    of ``H x`` and ``H y`` among those with x, or with y, permuted over the spots of the group and slice before H, the
    larger of the two; H is ridge regression on the embedding for a denoised layer and one for others, x and y are ranks
    for ``"spearman"``. Two genes
    that follow the same tissue differ from that null although neither may act on the other: compare within groups.

    The threshold and the comparison are those of Fu et al., Adv. Sci. 2025, section 2.9.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> names = ["MARK-L1-1", "MARK-L1-2", "MARK-WM-1", "MARK-WM-2", "GENE1"]
    >>> s3.tl.coexpression(adata, names, layers=(None,), threshold=0.15)
    >>> adata.uns["coexpression"]["results"][["gene_1", "gene_2"]].values.tolist()
    [['MARK-L1-1', 'MARK-L1-2']]
    """
    from s3rl import __version__

    table = table_of(data, table_key)
    count, min_spots = permutations_of(calibrate), whole_number(min_spots, "min_spots", 4)
    threshold, seed = fraction(threshold, "threshold", 0, 1), seed_of(rng)
    if method not in _METHODS:
        raise ParameterError(
            "is no method", key="method", found=repr(method), available=_METHODS, fix="method='spearman'"
        )
    codes, _ = slices_of(table, library_key)
    labels = None if groupby is None else categories_of(table, groupby, fix="pass a column of adata.obs")
    expressions = expressions_of(table, layers)
    places = genes_of(table, () if genes is None else genes, expressions, least=2)
    groups = groups_of(labels, np.ones(table.n_obs, dtype=bool), min_spots, groupby)
    say_post_denoising(expressions, count)
    names = np.asarray(table.var_names[places].astype(str), dtype=object)
    group_code = np.zeros(table.n_obs, dtype=np.int64) if labels is None else labels.codes.astype(np.int64)
    job = _Job(names, groups, joint_codes(codes, group_code), method == "spearman", threshold, seed, count)
    parts: list[tuple[dict[str, Any], ...]] = []
    for expression in expressions:
        before = before_denoising(table, expression) if count else None
        parts += _of_layer(expression, places, before, job)
    result = CoexpressionResult(*(_together(frames) for frames in zip(*parts, strict=True)))
    if copy:
        return result
    params: dict[str, Any] = {"threshold": threshold, "method": method, "calibrate": count, "min_spots": min_spots}
    params |= {"layers": [one.name for one in expressions], "genes": names.astype(str), "seed": seed}
    params |= {key: value for key, value in (("groupby", groupby), ("library_key", library_key)) if value is not None}
    write_slots(table, {("uns", key_added): {**result._asdict(), "params": params | {"version": __version__}}})
    return None


class _Job(NamedTuple):
    names: np.ndarray
    groups: list[tuple[str, np.ndarray]]
    strata: np.ndarray
    ranks: bool
    threshold: float
    seed: int
    permutations: int


def _of_layer(
    expression: Expression, places: np.ndarray, before: tuple[sp.csc_matrix, Readout | None] | None, job: _Job
) -> list[tuple[dict[str, Any], ...]]:
    """Edges, genes and summary of every group of one layer."""
    values = expression.columns(places)
    if before is not None:
        chosen = before[0][:, places]
        before = sparse_ranks(chosen) if job.ranks else chosen.astype(np.float64), before[1]
    found = []
    for group, rows in job.groups:
        r, permuted = correlations(values[rows], ranks=job.ranks), None
        if before is not None:
            permuted = pair_pvalues(before[0], rows, job.strata, before[1], seed=job.seed, count=job.permutations)
        found.append(_network(r, permuted, len(rows), (group, expression), job))
    return found


def _network(
    r: np.ndarray, permuted: np.ndarray | None, n: int, of: tuple[str, Expression], job: _Job
) -> tuple[dict[str, Any], ...]:
    first, second = np.triu_indices(len(r), 1)
    flat, said = r[first, second], {"group": of[0], "layer": of[1].name}
    pvalue = correlation_pvalue(flat, n)
    strong = np.nan_to_num(np.abs(flat)) >= job.threshold
    strong &= ~np.isnan(flat)
    edges: dict[str, Any] = said | {
        "gene_1": job.names[first[strong]],
        "gene_2": job.names[second[strong]],
        "r": flat[strong],
        "pvalue": pvalue[strong],
        "fdr": fdr(pvalue)[strong],
        "post_denoising": np.full(strong.sum(), of[1].denoised),
    }
    if permuted is not None:
        pairs = permuted[first, second]
        edges |= {"pvalue_calibrated": pairs[strong], "fdr_calibrated": fdr(pairs)[strong]}
    joined = np.zeros(r.shape, dtype=bool)
    joined[first[strong], second[strong]] = True
    joined |= joined.T
    module = modules_of(np.where(joined & (r > 0), r, 0.0))
    genes = said | {"gene": job.names, "degree": joined.sum(axis=0).astype(np.int64), "module": module}
    summary = {
        "n_spots": n,
        "n_genes": len(job.names),
        "n_pairs": int((~np.isnan(flat)).sum()),
        "n_edges": int(strong.sum()),
        "n_positive": int((flat[strong] > 0).sum()),
        "n_negative": int((flat[strong] < 0).sum()),
        "n_modules": int(module.max(initial=-1)) + 1,
        "largest_module": int((module == 0).sum()),
    }
    return edges, genes, said | {key: np.array([value], dtype=np.int64) for key, value in summary.items()}


def _together(parts: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One frame of the groups and layers; words that are the same in all rows of a part are given once."""
    columns: dict[str, Any] = {}
    sizes = [len(next(value for value in part.values() if not isinstance(value, str))) for part in parts]
    for name in parts[0]:
        pieces = [
            np.full(size, part[name], dtype=object) if isinstance(part[name], str) else part[name]
            for part, size in zip(parts, sizes, strict=True)
        ]
        columns[name] = np.concatenate(pieces)
    return frame_of(columns, [name for name in (*_WORDS, "gene", "gene_1", "gene_2") if name in columns])
