"""One table of several slices, which need not be in memory together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import note
from s3rl._slots.counts import counts_of
from s3rl._slots.slice_genes import PANEL, SPANS, columns_of, joined_genes, merged_ranks, normalised_variances
from s3rl._slots.slice_source import Source, counts_table, naming, slice_coordinates, sources_of
from s3rl.errors import CountsError, InputError, ParameterError
from s3rl.pp._normalize import Normalized, normalize

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import Data


def join_slices(
    slices: Mapping[str, Data | str | os.PathLike[str]] | Sequence[Data | str | os.PathLike[str]],
    *,
    library_key: str = "slice",
    genes: Literal["shared", "all"] = "shared",
    n_top_genes: int = 3000,
    counts_layer: str | None = _keys.COUNTS,
    table_key: str | None = None,
) -> AnnData:
    """Make one normalised table of several slices, reading one at a time.

    Slices on disk are read twice, one after the other, and images not at all: first the variable genes are ranked in
    each slice, then each is normalised and reduced to the genes chosen. Only these are ever together in memory. The
    expression is what :func:`s3rl.pp.normalize` with ``library_key`` gives for one table of all slices.

    Parameters
    ----------
    slices
        Mapping from names to slices, or a list of slices, which get the names ``slice1``, ``slice2``, ...; each an
        AnnData, a SpatialData, or the path of an ``.h5ad`` file or a ``.zarr`` store. Nothing in them is changed.
    library_key
        Column of ``obs`` for the names of the slices, as a categorical in the order given.
    genes
        ``"shared"`` keeps genes that every slice has. ``"all"`` also keeps the others, as zeros where they were not
        measured: a difference between slices that is none of the tissue.
    n_top_genes
        Highly variable genes to keep. Fewer than 1,000 genes are a panel, of which all are kept.
    counts_layer
        Layer of the slices with raw counts, where they have it, otherwise ``X`` holds them; the counts of the genes
        that are kept go to the layer of this name. None reads ``X`` and keeps no counts.
    table_key
        Table of each SpatialData.

    Returns
    -------
    adata
        A new AnnData, slice after slice, with

        - ``X``: float32 CSR (n, g), ``log1p(counts / total * median)``; the total of a spot is over all genes of its
          slice, the median over the spots of all slices
        - ``layers[counts_layer]``: raw counts (n, g)
        - ``obs_names``: ``<slice>-<name>``; ``obs["original_name"]``: name in the slice
        - ``obs[library_key]``, and the columns that all slices have
        - ``obsm["spatial"]``: float64 (n, 2), the coordinates of each slice as they were
        - ``var["highly_variable"]``, with ranks where genes were ranked, and columns of ``var`` in which slices agree
        - ``uns["log1p"]``, ``uns["slices"]``: names, numbers of spots, and of genes shared, kept and dropped

    Raises
    ------
    DataTypeError
        If ``slices`` or one of them is of another type, a view, or backed by a file.
    ParameterError
        If there are fewer than two slices, names are equal, or an argument is outside of its range.
    StoreError
        If a path cannot be read.
    InputError
        If the slices have no gene in common, values are not finite, or names are duplicated.
    CountsError
        If a slice holds no raw counts, a spot without any, or too few genes that vary to rank them.
    CoordinatesError
        If coordinates are not finite.
    MissingKeyError
        If a slice has no coordinates, no expression, or no such table.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 2.11, trains one model on several slices. Genes are ranked as in Seurat v3:
    by the median of their ranks over the slices.

    Examples
    --------
    >>> import s3rl as s3
    >>> first, second = (
    ...     s3.datasets.simulated_cortex(n_spots=100, n_genes=80, n_layers=3, image=False, rng=seed) for seed in (1, 2)
    ... )
    >>> adata = s3.pp.join_slices({"first": first, "second": second})
    >>> adata.shape, adata.obs["slice"].value_counts().to_dict()
    ((200, 80), {'first': 100, 'second': 100})
    """
    import anndata as ad

    _check(library_key, genes, n_top_genes, counts_layer)
    sources = sources_of(slices, table_key)
    names = {source.name: source.names() for source in sources}
    _check_spots({name: spots for name, (spots, _) in names.items()})
    index = {name: of_slice for name, (_, of_slice) in names.items()}
    candidates = joined_genes(index, genes)
    panel = len(candidates) < PANEL or n_top_genes >= len(candidates)
    chosen = _all_of(candidates) if panel else _ranked(sources, candidates, int(n_top_genes), counts_layer)
    shared = len(joined_genes(index, "shared"))
    lost = {name: int((~of_slice.isin(candidates)).sum()) for name, of_slice in index.items()}
    _tell(shared, lost, len(chosen), genes)
    total = float(np.median(np.concatenate([_totals(source, counts_layer) for source in sources])))
    parts = [_part(source, chosen.index, counts_layer, library_key, total) for source in sources]
    joined = ad.concat(parts, label=library_key, keys=[source.name for source in sources])
    _finish(joined, parts, chosen, total)
    joined.uns[_keys.SLICES] = {
        "library_key": library_key,
        "names": [source.name for source in sources],
        "n_spots": np.array([part.n_obs for part in parts]),
        "genes": {"shared": shared, "kept": len(chosen), "dropped": np.array(list(lost.values()))},
    }
    return joined


@dataclass(frozen=True)
class _Ranking:
    """What the choice of genes needs of one slice: normalised variances, sums and squares (g,), and its size."""

    variances: np.ndarray | None
    sums: np.ndarray
    squares: np.ndarray
    size: int


def _ranked(sources: list[Source], candidates: pd.Index, n_top_genes: int, counts_layer: str | None) -> pd.DataFrame:
    """Columns of ``var`` of the genes chosen, in the order of the candidates."""
    for span in SPANS:
        rankings = [_ranking(source, candidates, counts_layer, span) for source in sources]
        failed = [source.name for source, one in zip(sources, rankings, strict=True) if one.variances is None]
        if not failed:
            break
        note("the trend of the variance of %s cannot be fitted at a span of %s", ", ".join(failed), span)
    else:
        raise CountsError(
            "varies too little for the trend of variance over mean to be fitted, so genes cannot be ranked",
            key="slices",
            found=", ".join(failed),
            fix=f"leave these slices out, or pass n_top_genes={len(candidates)}, which keeps all genes",
        )
    frame = merged_ranks([one.variances for one in rankings if one.variances is not None], n_top_genes, candidates)
    sums, squares = sum(one.sums for one in rankings), sum(one.squares for one in rankings)
    varies = sum(one.size for one in rankings) * squares > sums**2
    return frame[frame["highly_variable"].to_numpy() & varies]


def _ranking(source: Source, candidates: pd.Index, counts_layer: str | None, span: float) -> _Ranking:
    _, table = source.read()
    with naming(source.name):
        bare = counts_table(table, counts_layer)
        _, summary = counts_of(bare, np.zeros(bare.n_obs, np.int64))
        counts = columns_of(bare.X, bare.var_names, candidates)
        sums, squares = (
            columns_of(sp.csr_matrix(found), bare.var_names, candidates).toarray()[0]
            for found in (summary.sums, summary.squares)
        )
        n_varying = int((bare.n_obs * squares > sums**2).sum())
        return _Ranking(normalised_variances(counts, n_varying, span), sums, squares, bare.n_obs)


def _totals(source: Source, counts_layer: str | None) -> np.ndarray:
    """Counts of each spot over all genes of its slice, (n,)."""
    _, table = source.read()
    with naming(source.name):
        bare = counts_table(table, counts_layer)
        return counts_of(bare, np.zeros(bare.n_obs, np.int64))[1].totals


def _part(source: Source, chosen: pd.Index, counts_layer: str | None, library_key: str, total: float) -> AnnData:
    """One slice with the genes chosen, normalised by all genes that it has."""
    from anndata import AnnData

    data, table = source.read()
    with naming(source.name):
        bare = counts_table(table, counts_layer)
        scaled = cast("Normalized", normalize(bare, n_top_genes=bare.n_vars, target_sum=total, copy=True))
        xy = slice_coordinates(data, table, _keys.SPATIAL)
        columns = [column for column in table.obs if column not in (library_key, _keys.ORIGINAL_NAME)]
        obs = table.obs[columns].copy()
        obs.index = obs.index.astype(str)
        obs[_keys.ORIGINAL_NAME] = obs.index.to_numpy()
        obs.index = f"{source.name}-" + obs.index
        var = table.var.set_axis(table.var_names.astype(str)).reindex(chosen)
        layers = {} if counts_layer is None else {counts_layer: columns_of(bare.X, bare.var_names, chosen)}
        x = columns_of(scaled.X, bare.var_names, chosen).astype(np.float32)
        return AnnData(x, obs=obs, var=var, obsm={_keys.SPATIAL: xy}, layers=layers)


def _finish(joined: AnnData, parts: list[AnnData], chosen: pd.DataFrame, total: float) -> None:
    """Columns of ``var``, columns of ``obs`` that a file can hold, and what the log says of the spots."""
    first = parts[0].var
    for column in first:
        values = [part.var[column].astype(object) for part in parts if column in part.var]
        if len(values) == len(parts) and all(values[0].equals(other) for other in values[1:]):
            joined.var[column] = first[column]
    for column in chosen:
        joined.var[column] = chosen[column]
    for column in joined.obs:
        # slices disagree about what the column holds; no file takes a mixture
        if joined.obs[column].dtype == object and not joined.obs[column].dropna().map(type).eq(str).all():
            joined.obs[column] = joined.obs[column].map(str, na_action="ignore").astype("category")
    joined.uns["log1p"] = {"base": None, "target_sum": total}
    empty = int((np.diff(joined.X.indptr) == 0).sum())
    if empty:
        note("%d spots express none of the %d genes kept", empty, joined.n_vars)


def _all_of(candidates: pd.Index) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"highly_variable": True}, index=candidates)


def _tell(shared: int, lost: dict[str, int], kept: int, genes: str) -> None:
    each = ", ".join(f"{name} loses {number}" for name, number in lost.items())
    note("%d genes are shared by all %d slices%s; %d kept", shared, len(lost), f": {each}" * (genes == "shared"), kept)


def _check(library_key: str, genes: str, n_top_genes: int, counts_layer: str | None) -> None:
    if genes not in ("shared", "all"):
        raise ParameterError(
            "must be 'shared' or 'all'", key="genes", found=repr(genes), fix="leave genes out: genes of all slices"
        )
    whole = isinstance(n_top_genes, (int, np.integer)) and not isinstance(n_top_genes, bool)
    if not whole or n_top_genes < 1:
        raise ParameterError(
            "must be a whole number of at least 1", key="n_top_genes", found=repr(n_top_genes), fix="n_top_genes=3000"
        )
    named = {"library_key": library_key, "counts_layer": counts_layer}
    for key, value in named.items():
        if not (isinstance(value, str) and value) and not (value is None and key == "counts_layer"):
            raise ParameterError("must be a name", key=key, found=repr(value), fix=f"leave {key} out")


def _check_spots(names: dict[str, pd.Index]) -> None:
    together = np.concatenate([(f"{name}-" + spots).to_numpy(object) for name, spots in names.items()])
    unique, counts = np.unique(together.astype(str), return_counts=True)
    if len(unique) < len(together):
        raise InputError(
            "have spots whose names are equal once the name of the slice is before them",
            key="slices",
            found=", ".join(unique[counts > 1][:3]),
            fix="give the slices names without a hyphen",
        )
