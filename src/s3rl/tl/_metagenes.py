"""Metagenes: genes of one spatial pattern, and their common score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._log import note
from s3rl._params import whole_number
from s3rl._random import seed_of, stream
from s3rl._slots.gene_chunks import gene_chunks, genes_of
from s3rl._slots.labels import categories_of
from s3rl._slots.table import slot_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import InputError, LabelsError, MissingKeyError, ParameterError
from s3rl.statistics.metagenes import Grouping, grouped

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import RNG, Data

_TESTS = "spatially_variable_genes"
_LEVEL = 0.05
_ALL = "all"


class MetagenesResult(NamedTuple):
    """What ``s3.tl.metagenes(..., copy=True)`` returns.

    Attributes
    ----------
    scores
        Float32 (n, n_metagenes), as it would be written to ``obsm[key_added]``.
    results
        DataFrame, a row for each gene: ``gene``, ``metagene`` and ``correlation``.
    params
        The arguments, the version and the seed.
    """

    scores: np.ndarray
    results: pd.DataFrame
    params: dict[str, Any]


def metagenes(
    data: Data,
    genes: str | Sequence[str] | None = None,
    *,
    n: int = 3,
    n_top: int = 200,
    layer: str | None = None,
    groupby: str | None = None,
    group: str | None = None,
    tests_key: str | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str = "metagenes",
    copy: bool = False,
) -> MetagenesResult | None:
    """Group genes by their spatial pattern with k-means, and score each spot by the mean of each group of genes.

    Every gene is standardised over the spots (mean 0, standard deviation 1), so that the pattern counts and not the
    level. Metagenes are numbered by their number of genes. Genes that do not vary are left out, and the log says so.

    Parameters
    ----------
    data
        AnnData or SpatialData with log-normalised expression.
    genes
        Names of genes. None takes those with ``fdr`` of 0.05 or less that :func:`s3rl.tl.spatially_variable_genes`
        has found, at most ``n_top`` with the smallest p-values.
    n
        Number of metagenes.
    n_top
        Most genes to take from the table of tests.
    layer
        Expression in ``layers``; None is ``X``. Patterns of ``"s3rl"`` are less noisy.
    groupby
        Column of ``obs``; with ``group``.
    group
        Means, standard deviations and patterns are those of the spots of this group; all spots get a score. Without
        ``genes`` they are the group's.
    tests_key
        Name in ``uns`` of the table of tests. None is ``"spatially_variable_genes"``, followed by ``_<groupby>``
        where it is given.
    rng
        Seed or generator; None is seed 0.
    table_key
        Table of a SpatialData.
    key_added
        Name of the results in ``obsm`` and ``uns``.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.MetagenesResult` with ``copy=True``. Written otherwise:

    ``obsm[key_added]``
        Float32 (n_spots, n): mean of the standardised genes of each metagene.
    ``uns[key_added]``
        A dictionary with ``params`` and ``results``, a DataFrame sorted by metagene and correlation: ``gene``,
        ``metagene`` (``"0"`` is the largest) and ``correlation`` of the gene with its metagene over the spots.

    Raises
    ------
    ParameterError
        If there are fewer genes that vary than metagenes, or an argument is out of its range.
    MissingKeyError
        If a gene, a layer, a column, the group or the table of tests is not there, or no gene in it is significant.
    LabelsError
        If the column is no grouping, or the group has fewer than 3 spots.
    CountsError
        If the expression looks like raw counts.
    InputError
        If expression is not finite numbers, or the table of tests is none.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, sections 2.8 and 4.8: three metagenes of the variable genes of a region. The genes of a
    metagene correlate with it all the more the fewer they are, since each is a part of it.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=60, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.metagenes(adata, adata.var_names[:20], n=2)
    >>> adata.obsm["metagenes"].shape
    (200, 2)
    >>> list(adata.uns["metagenes"]["results"].columns)
    ['gene', 'metagene', 'correlation']
    """
    table = table_of(data, table_key)
    seed = seed_of(rng)
    n, n_top = whole_number(n, "n", 1, 3), whole_number(n_top, "n_top", 1, 200)
    spots = _spots(table, groupby, group)
    named = genes if genes is not None else _significant(table, groupby, group, tests_key, int(n_top))
    columns = genes_of(table, named)
    mean, spread, correlations = _moments(table, columns, layer, spots)
    kept = spread > 0
    if not kept.all():
        note("%d genes do not vary and are left out, first %s", (~kept).sum(), table.var_names[columns[~kept][0]])
    _check_enough(int(kept.sum()), int(n), correlations[np.ix_(kept, kept)])
    columns, mean, spread = columns[kept], mean[kept], spread[kept]
    start = int(stream(seed).integers(2**32))
    grouping = grouped(correlations[np.ix_(kept, kept)], int(n), start)
    result = _result(table, columns, layer, (mean, spread), grouping, int(n))
    given = {"layer": layer, "groupby": groupby, "group": group}
    result.params.update({name: value for name, value in given.items() if value is not None})
    result.params["seed"] = seed if seed < 2**63 else str(seed)
    if copy:
        return result
    described = {"results": result.results, "params": result.params}
    write_slots(table, {("obsm", key_added): result.scores, ("uns", key_added): described})
    return None


def _spots(table: AnnData, groupby: str | None, group: str | None) -> np.ndarray:
    """Positions of the spots whose patterns count."""
    if (groupby is None) != (group is None):
        missing = "group" if group is None else "groupby"
        raise ParameterError("is needed beside the other", key=missing, found="None", fix="pass groupby= and group=")
    if groupby is None:
        return np.arange(table.n_obs)
    labels = categories_of(table, groupby, fix="pass a column of adata.obs")
    if group not in labels.categories:
        raise MissingKeyError(
            "names no group of the column",
            key="group",
            found=repr(group),
            available=labels.categories,
            fix=f"pass group={labels.categories[0]!r}",
        )
    rows = np.flatnonzero(labels == group)
    if len(rows) < 3:
        raise LabelsError(
            "has too few spots for a pattern",
            key=f"obs[{groupby!r}]",
            found=f"{len(rows)} of {group}",
            fix="join groups",
        )
    return rows


def _significant(
    table: AnnData, groupby: str | None, group: str | None, tests_key: str | None, n_top: int
) -> list[str]:
    key = tests_key or "_".join([_TESTS, *([] if groupby is None else [groupby])])
    call = "s3.tl.spatially_variable_genes(adata" + ("" if groupby is None else f", groupby={groupby!r}") + ")"
    tests = slot_of(table, "uns", key, fix=f"{call}, or pass genes=")
    frame = tests.get("results") if hasattr(tests, "get") else None
    if frame is None or not {"group", "gene", "fdr"} <= set(getattr(frame, "columns", ())):
        raise InputError("is no table of tests", key=f"uns[{key!r}]", found=type(tests).__name__, fix=call)
    wanted = group or _ALL
    own = frame[(frame["group"].astype(str) == wanted).to_numpy()]
    found = own.loc[(own["fdr"] <= _LEVEL).to_numpy(), "gene"].astype(str)
    if found.empty:
        problem = "has no tests of the group" if own.empty else f"has no gene with an fdr of {_LEVEL} or less"
        raise MissingKeyError(
            problem,
            key=f"uns[{key!r}]",
            found=f"group {wanted!r}",
            available=frame["group"].astype(str).unique(),
            fix=f"{call}, or pass genes=",
        )
    return found.head(n_top).tolist()


def _moments(
    table: AnnData, columns: np.ndarray, layer: str | None, spots: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and standard deviation (m,) of the genes, and their correlations (m, m), over the spots."""
    values = np.empty((len(spots), len(columns)), dtype=np.float32)
    mean, spread = np.empty(len(columns)), np.empty(len(columns))
    for part, block in gene_chunks(table, columns, layer):
        own = block[spots]
        constant = (own == own[:1]).all(axis=0)
        mean[part] = own.mean(axis=0)
        own -= mean[part]
        spread[part] = np.where(constant, 0.0, np.sqrt((own**2).mean(axis=0)))
        values[:, part] = own / np.where(spread[part] > 0, spread[part], 1.0)
    return mean, spread, (values.T @ values).astype(np.float64) / len(values)


def _check_enough(found: int, n: int, correlations: np.ndarray) -> None:
    fix = "pass a smaller n, or more genes"
    if found < n:
        raise ParameterError("is more than the genes that vary", key="n", found=f"{n} of {found} genes", fix=fix)
    if n > 1 and len(np.unique(correlations.round(5), axis=0)) < n:
        raise ParameterError("is more than the patterns that differ", key="n", found=f"{n} of {found} genes", fix=fix)


def _result(
    table: AnnData,
    columns: np.ndarray,
    layer: str | None,
    scale: tuple[np.ndarray, np.ndarray],
    grouping: Grouping,
    n: int,
) -> MetagenesResult:
    import pandas as pd

    from s3rl import __version__

    members = np.eye(n)[grouping.codes]
    weights = members / members.sum(axis=0) / scale[1][:, None]
    scores = np.zeros((table.n_obs, n))
    for part, block in gene_chunks(table, columns, layer):
        scores += (block - scale[0][part]) @ weights[part]
    names = [str(number) for number in range(n)]
    frame = pd.DataFrame(
        {
            "gene": table.var_names.to_numpy(dtype=object)[columns],
            "metagene": pd.Categorical.from_codes(grouping.codes, names),
            "correlation": grouping.correlation,
        }
    )
    frame = frame.iloc[np.lexsort((-grouping.correlation, grouping.codes))].reset_index(drop=True)
    frame.index = frame.index.astype(str)
    return MetagenesResult(scores.astype(np.float32), frame, {"n": n, "version": __version__})
