"""How genes and pairs of genes change along a pseudotime, raw beside denoised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s3rl._keys import TrajectoryKeys
from s3rl._params import whole_number
from s3rl._random import seed_of
from s3rl._slots.calibration import permutations_of
from s3rl._slots.layers import PAIR, expressions_of, genes_of, say_post_denoising
from s3rl._slots.table import slices_of, slot_of, table_of
from s3rl._slots.write import write_slots
from s3rl.tl._dynamics_parts import Track, pairs_of, rows_of, time_of, trends_of

if TYPE_CHECKING:
    import pandas as pd

    from s3rl._typing import RNG, Data


class DynamicsResult(NamedTuple):
    """Result of :func:`s3rl.tl.dynamics` with ``copy=True``.

    Attributes
    ----------
    results
        One row for each gene or pair and layer, as written.
    trends
        The smooth trends at 50 times, as written.
    """

    results: pd.DataFrame
    trends: pd.DataFrame


def dynamics(
    data: Data,
    genes: str | Sequence[str] | None = None,
    *,
    pairs: Sequence[Sequence[str]] | None = None,
    time_key: str = TrajectoryKeys().pseudotime,
    layers: str | Sequence[str | None] | None = PAIR,
    n_knots: int = 6,
    n_windows: int = 20,
    calibrate: bool | int = False,
    library_key: str | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str = "dynamics",
    copy: bool = False,
) -> DynamicsResult | None:
    """Measure how closely genes, and pairs of genes, follow a pseudotime, raw beside denoised.

    - ``r2``: share of the variance that a smooth trend predicts in spots that it was not fitted to (five folds; cubic
      splines, ridge regression). It needs no direction: a gene that rises and falls has a high one. Below 0 a trend
      is worse than the mean. Of a pair: the mean of both.
    - ``pearson``: correlation of the gene with the pseudotime; of a pair: of both genes with each other, over spots.
    - ``cv``: standard deviation within windows of the pseudotime, their variances pooled, over the mean of the gene;
      of a pair the mean of both.
    - ``trend_pearson``, of pairs: correlation of both trends over the spots.

    **Denoising raises ``r2`` and lowers ``cv`` of every gene, also of one that has nothing to do with the tissue**: it
    takes noise away, and what is left varies with the embedding, from which the pseudotime was made. ``r2_chance``
    says how much: the ``r2`` of the same values exchanged between the spots and denoised in the same way
    (:func:`s3rl.tl.trajectory`, ``calibrate``), the mean of five such exchanges. Compare a gene's ``r2`` with it.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    genes
        One gene or several, names in ``var_names``; None for ``pairs`` alone.
    pairs
        Pairs of genes, ``[("MBP", "PLP1"), ...]``; their genes have rows of their own too.
    time_key
        Column of ``obs`` with the pseudotime, or any number of the spots, such as a depth or a distance. Spots
        without a number are left out.
    layers
        Layers to compare, log-normalised; None is ``X``. Of the default pair only ``X`` is used where there is no
        denoised layer.
    n_knots
        Knots of the splines, at quantiles of the pseudotime.
    n_windows
        Windows of equal numbers of spots.
    calibrate
        Adds ``pvalue_calibrated`` of ``pearson``: 999 permutations, or their number.
    library_key
        Column of ``obs`` that names the slice, within which values are exchanged.
    rng
        Seed or generator, for folds and permutations; None is seed 0.
    table_key
        Table of a SpatialData.
    key_added
        Name of the result.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.DynamicsResult` with ``copy=True``. Written otherwise:

    ``uns[key_added]``
        ``results``: DataFrame with ``gene``, ``partner`` (second gene of a pair, else ``""``), ``layer``, ``r2``,
        ``r2_chance``, ``pearson``, ``cv``, ``trend_pearson`` (nan without a partner), ``pvalue`` and ``fdr`` of
        ``pearson`` (Fisher; within a layer, genes and pairs apart), with ``calibrate`` ``pvalue_calibrated`` and
        ``fdr_calibrated`` (genes; nan for pairs), and ``post_denoising``.
        ``trends``: DataFrame with ``gene``, ``layer``, ``pseudotime`` (50 times) and ``trend``.
        ``params``.

    Raises
    ------
    MissingKeyError
        If the pseudotime, a gene or a layer are not there.
    ParameterError
        If no gene is named, a pair is not of two genes, or a number is out of its range.
    InputError
        If the pseudotime is no column of numbers that differ, has too few spots, or values are not finite.
    CountsError
        If a layer holds raw counts.
    LabelsError
        If the slices are no names.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 2.8: R2, Pearson correlation with pseudotime and coefficient of variation. The
    p-values take spots for independent, which they are not, and the pseudotime was made from the same genes: use them
    to rank.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=300, n_genes=100, n_layers=4, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> found = s3.tl.dynamics(adata, ["GENE1", "GENE2"], time_key="depth", layers=(None,), copy=True)
    >>> found.results["gene"].tolist()
    ['GENE1', 'GENE2']
    """
    table = table_of(data, table_key)
    windows = whole_number(n_windows, "n_windows", 2)
    knots = whole_number(n_knots, "n_knots", 2)
    permutations, seed = permutations_of(calibrate), seed_of(rng)
    column = slot_of(table, "obs", time_key, fix="s3.tl.trajectory(adata, root=...), or pass another time_key=")
    time, rows = time_of(column, time_key)
    strata = np.full(table.n_obs, -1)
    strata[rows] = slices_of(table, library_key)[0][rows]
    expressions = expressions_of(table, layers)
    named, partners = pairs_of(genes, pairs)
    places = genes_of(table, named, expressions)
    say_post_denoising(expressions, permutations)
    track = Track(time, rows, strata, knots, windows, permutations, seed)
    results = rows_of(table, expressions, track, places, partners)
    result = DynamicsResult(results, trends_of(table, expressions, track, places))
    if copy:
        return result
    import s3rl

    params = {
        "time_key": time_key,
        "layers": np.array([expression.name for expression in expressions], dtype=object),
        "n_knots": knots,
        "n_windows": windows,
        "permutations": permutations,
        "seed": seed,
        "version": s3rl.__version__,
    }
    write_slots(table, {("uns", key_added): {"results": result.results, "trends": result.trends, "params": params}})
    return None
