"""Which genes vary over space, in the whole tissue or within cell types and domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from s3rl._log import note
from s3rl._random import seed_of
from s3rl._slots.gene_chunks import genes_of, values_of
from s3rl._slots.post_denoising import is_denoised
from s3rl._slots.table import slices_of, table_of
from s3rl._slots.write import write_slots
from s3rl.tl import _variable_genes_parts as parts

if TYPE_CHECKING:
    import pandas as pd

    from s3rl._typing import RNG, Data

_NAME = "spatially_variable_genes"


class SpatiallyVariableGenesResult(NamedTuple):
    """What ``s3.tl.spatially_variable_genes(..., copy=True)`` returns.

    Attributes
    ----------
    results
        DataFrame, a row for each group and gene, as it would be written to ``uns[key_added]["results"]``.
    params
        The arguments, the version and the seed.
    """

    results: pd.DataFrame
    params: dict[str, Any]


def spatially_variable_genes(
    data: Data,
    *,
    groupby: str | None = None,
    genes: str | Sequence[str] | None = None,
    mode: Literal["moran", "geary"] = "moran",
    layer: str | None = None,
    connectivity_key: str = "spatial",
    n_perms: int | None = None,
    calibrate: bool = False,
    library_key: str | None = None,
    min_spots: int = 30,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> SpatiallyVariableGenesResult | None:
    """Test which genes vary over space: overall, or within each cell type or domain.

    **Overall** (``groupby=None``): Moran's I or Geary's C of :func:`squidpy.gr.spatial_autocorr` on the spatial graph,
    its weights summing to 1 over the neighbours of a spot.

    **Within groups** (the question of CELINA): only the cells of a group are looked at, so that a gene which differs
    between groups and not within is not called. Their graph is their own: each cell's 6 nearest cells of the same
    group, which may lie scattered among others. Three tests see structure of different size and are combined by
    Cauchy's rule: I or C on that graph, the same on the 24 nearest cells, and the share of variance that a plane and
    its curvature explain over the group. The statistic in the table is the first of the three.

    P-values are one-sided: neighbours more alike than by chance. They come from the exact mean, variance and third
    moment of the statistic over all permutations of the spots, so neither a normal distribution of the expression nor
    a draw is needed. squidpy's own p-values are not used: they take the tail on the side where the statistic lies,
    and its permutations exchange rows of the graph alone, so that at a nominal 5 % they call about 10 and 25 % of
    genes without any pattern.

    Parameters
    ----------
    data
        AnnData or SpatialData with log-normalised expression.
    groupby
        Column of ``obs`` with cell types or domains; spots without a name are left out. None tests the whole tissue.
    genes
        Names of genes; None is all.
    mode
        ``"moran"`` (I: 0 without a pattern, up to 1) or ``"geary"`` (C: 1 without a pattern, down to 0).
    layer
        Expression in ``layers``; None is ``X``, and ``"s3rl"`` the denoised.
    connectivity_key
        ``key_added`` of the squidpy call that made the spatial graph; used where ``groupby`` is None.
    n_perms
        Permutations of the spots, for p-values beside the others; None draws none. With ``calibrate`` also their
        number there, where None is 199.
    calibrate
        For denoised expression: add p-values that take the smoothing into account.
    library_key
        Column of ``obs`` that names the slice: means are taken within slices, neighbours are in one slice, and spots
        are exchanged within slices only.
    min_spots
        Groups of fewer spots are skipped, and the log says so; at least 8.
    rng
        Seed or generator of the permutations; None is seed 0.
    table_key
        Table of a SpatialData.
    key_added
        Name in ``uns`` of the result. None is ``"spatially_variable_genes"``, followed by ``_<groupby>`` and
        ``_<layer>`` where they are given.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.SpatiallyVariableGenesResult` with ``copy=True``. Written otherwise:

    ``uns[key_added]``
        A dictionary with ``params`` and ``results``, a DataFrame sorted by group and p-value:

        - ``group`` (``"all"`` where there are none), ``gene``
        - ``statistic`` (I or C), ``expected`` and ``zscore``: what it is without a pattern, and how many standard
          deviations it lies beyond, larger is more alike
        - ``pvalue``, ``fdr``: Benjamini and Hochberg within the group; nan, not tested, for genes that do not vary or
          that fewer than 5 spots of the group express
        - ``scale``: which test found most, ``"neighbours"``, ``"surroundings"`` or ``"trend"``
        - ``n``, ``expressed``: spots of the group, and the share that expresses the gene in ``X`` or the layer
        - ``post_denoising``: whether the layer is denoised expression
        - with ``n_perms``: ``pvalue_permuted``, ``fdr_permuted``
        - with ``calibrate``: ``pvalue_calibrated``, ``fdr_calibrated``

    Raises
    ------
    MissingKeyError
        If a column, a layer, a gene, the graph or the coordinates are not there.
    LabelsError
        If the column is no grouping, or no group has ``min_spots`` spots.
    GraphError
        If the graph joins no two spots, or none of one slice.
    CoordinatesError
        If the coordinates are not finite.
    CountsError
        If the expression looks like raw counts.
    InputError
        If expression is not finite numbers.
    ParameterError
        If an argument is out of its range, or ``calibrate`` is asked for expression that is not denoised.

    Notes
    -----
    Denoised expression borrows from other spots: neighbours are then alike for genes without any pattern, and
    ``pvalue`` is too small. ``calibrate=True`` takes a linear denoiser on the embedding of the model, applies it to
    the expression before denoising and to permutations of that, within groups and slices, and counts how often the
    permuted reach the observed; where fewer than 10 do, the moments of the permuted give the p-value. It answers for
    that denoiser, which stands for the model's, and is on the safe side for genes that the model has seen.

    A group that was itself found in the expression (a domain, a cluster) is cut along the pattern of its genes; what
    is left within it is tested as it is.

    Fu et al., Adv. Sci. 2025, sections 2.8 and 4.8. CELINA: Shang, Wu and Zhou, Nat. Commun. 16, 2025. Moments:
    Kazi-Aoual et al., Comput. Stat. Data Anal. 20, 1995. Combination: Liu and Xie, J. Am. Stat. Assoc. 115, 2020. Few
    permutations: Winkler et al., NeuroImage 141, 2016.

    Examples
    --------
    >>> import s3rl as s3
    >>> import squidpy as sq
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=60, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.tl.spatially_variable_genes(adata)
    >>> found = adata.uns["spatially_variable_genes"]["results"]
    >>> bool((found["fdr"] < 0.05).any())
    True
    >>> s3.tl.spatially_variable_genes(adata, groupby="domain", min_spots=20)
    >>> sorted(adata.uns["spatially_variable_genes_domain"]["results"]["group"].unique())
    ['L1', 'L2', 'WM']
    """
    table = table_of(data, table_key)
    seed, columns = seed_of(rng), genes_of(table, genes)
    permutations = parts.checked(mode, n_perms, calibrate, min_spots)
    values_of(table, layer)
    denoised = is_denoised(table, layer)
    codes, _ = slices_of(table, library_key)
    raw = parts.before_denoising(table, layer) if calibrate else None
    groups = parts.groups_of(table, groupby, codes, mode, connectivity_key, min_spots)
    found = parts.tested(table, columns, layer, groups, mode, seed, n_perms, overall=groupby is None)
    if raw is not None:
        found |= parts.calibrated(table, columns, raw, groups, codes, seed, permutations)
    if denoised:
        note(
            "layers[%r] is denoised: spots borrow from each other, so its p-values are too small%s",
            layer,
            "; see pvalue_calibrated" if calibrate else "; calibrate=True adds honest ones",
        )
    given: dict[str, Any] = {"groupby": groupby, "layer": layer, "library_key": library_key}
    given["n_perms"] = None if n_perms is None else int(n_perms)
    given["connectivity_key"] = connectivity_key if groupby is None else None
    params = parts.described(given, mode, min_spots, calibrate, denoised, seed)
    result = SpatiallyVariableGenesResult(parts.frame_of(table, columns, groups, found, denoised), params)
    if copy:
        return result
    key = key_added or "_".join([_NAME, *(part for part in (groupby, layer) if part is not None)])
    write_slots(table, {("uns", key): {"results": result.results, "params": params}})
    return None
