"""Proportions of cell types in spots, from a single-cell reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._keys import SPATIAL_NEIGHBORS, ProportionKeys
from s3rl._random import seed_of
from s3rl._slots.labels import colors_of
from s3rl._slots.table import table_of
from s3rl._slots.write import recorded, write_slots
from s3rl.deconvolution.params import DeconvolveParams
from s3rl.errors import ParameterError
from s3rl.tl._deconvolve_task import Task, task_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import RNG, Data

__all__ = ["DeconvolveParams", "DeconvolveResult", "deconvolve"]

_METHODS = ("contrastive", "car")


class DeconvolveResult(NamedTuple):
    """Result of :func:`s3rl.tl.deconvolve` with ``copy=True``.

    Attributes
    ----------
    proportions
        Data frame float32 (n, k): one row for each spot, one column for each cell type, rows sum to one.
    mapping
        csr float32 (n, c): weight of each reference cell in each spot, whose sums over a type are the proportions; None
        where it was not asked for.
    record
        What is written to ``uns``.
    """

    proportions: pd.DataFrame
    mapping: sp.csr_matrix | None
    record: dict[str, Any]


def deconvolve(
    data: Data,
    reference: AnnData,
    *,
    cell_type_key: str,
    method: Literal["contrastive", "car"] = "contrastive",
    layer: str | None = None,
    connectivity_key: str = SPATIAL_NEIGHBORS,
    params: DeconvolveParams | Mapping[str, Any] | None = None,
    mapping: bool = False,
    rng: RNG = None,
    device: str = "auto",
    progress: bool = True,
    table_key: str | None = None,
    key_added: str = "proportions",
    copy: bool = False,
) -> DeconvolveResult | None:
    """Estimate the proportion of each cell type in each spot from annotated single cells.

    Both methods explain the shares of the genes in a spot as a mixture, on the scale of counts and not of logarithms,
    after each gene of the reference was multiplied by the factor that separates the technologies.

    - ``"contrastive"``: the paper's mapping. A non-negative matrix M (cells x spots, columns sum to one) is learned so
      that ``M' X`` of the cells' raw profiles X approximates the spots, and so that each predicted spot resembles the
      observed spot and its spatial neighbours more than other spots. M has one weight for each group of alike cells
      of a type and each spot, and spots are optimised in batches: memory grows neither with cells x spots nor with
      spots x spots.
    - ``"car"``: in the manner of CARD, a factorisation with the mean profile of each type, whose weights follow a
      conditional autoregression on the spatial graph. ``phi`` is the likeliest of CARD's grid.

    Parameters
    ----------
    data
        AnnData or SpatialData of the spots, with ``obsp["spatial_connectivities"]``.
    reference
        AnnData of single cells: raw counts, better, or log-normalised; which is recognised. It stays as it is.
    cell_type_key
        Column of ``reference.obs`` with the type of each cell.
    method
        ``"contrastive"`` or ``"car"``.
    layer
        Name in ``layers`` of the spots' expression, ``"s3rl"`` for the denoised one; None is ``X``. Log-normalised or
        counts, which is recognised.
    connectivity_key
        The ``key_added`` of the squidpy call that made the spatial graph.
    params
        :class:`s3rl.tl.DeconvolveParams`, or a mapping of its fields.
    mapping
        Whether to keep the mapping, with the heaviest cells of each type in each spot; for ``"contrastive"``.
    rng
        Seed or generator; None is seed 0. Decides the groups of cells and the negatives of ``"contrastive"``.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    progress
        Whether to show a progress bar.
    table_key
        Table of a SpatialData.
    key_added
        Name of the result.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.DeconvolveResult` with ``copy=True``. Written otherwise:

    ``obsm[key_added]``
        float32 (n, k), rows sum to one.
    ``obsm["<key_added>_mapping"]``
        csr float32 (n, c), with ``mapping=True``: rows are spots, columns the cells of the reference in their order.
    ``uns[key_added]``
        ``names`` and ``colors`` of the types, ``genes`` that were used, ``unit`` (``"cells"`` or ``"rna"``), ``fit``
        (losses of each step, or phi and the log-likelihoods of the grid), ``cells`` (names, with the mapping),
        ``params``, ``version``, ``seed``.

    Raises
    ------
    DataTypeError
        If the reference is no AnnData in memory.
    MissingKeyError
        If the column of the types, the layer or the graph is not there.
    LabelsError
        If cells have no type, a type has too few cells, or there is one type only.
    InputError
        If spots and reference share too few genes, a spot has none of them, or values are not finite.
    CountsError
        If expression is neither counts nor log-normalised.
    ParameterError
        If the method is unknown, or the mapping is asked from ``"car"``.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 2.3 (contrastive) and section 4.7 (CARD, of Ma and Zhou, Nat. Biotechnol. 2022).

    Examples
    --------
    >>> import squidpy as sq
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=60, n_layers=3, image=False).tables["table"]
    >>> reference = adata.copy()  # spots of the tissue itself stand for cells here
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.tl.deconvolve(adata, reference, cell_type_key="domain", method="car", progress=False)
    >>> list(adata.uns["proportions"]["names"]), adata.obsm["proportions"].shape
    (['L1', 'L2', 'WM'], (100, 3))
    """
    from s3rl.fit.device import resolve_device, threads_for

    table = table_of(data, table_key)
    settings = DeconvolveParams.of(params)
    _check(method, mapping, key_added)
    seed = seed_of(rng)
    task = task_of(table, reference, cell_type_key, layer, connectivity_key, settings)
    place = resolve_device(device)
    with threads_for(table.n_obs):
        shares, kept, fit = _METHOD_CALLS[method](task, settings, seed, place, progress, mapping)
    record = {
        "names": task.types.names,
        "colors": list(colors_of(reference, cell_type_key, task.types.names).values()),
        "genes": task.genes,
        "unit": task.unit,
        "fit": fit,
        "params": settings.as_dict()
        | {"method": method, "layer": layer, "cell_type_key": cell_type_key, "connectivity_key": connectivity_key},
        **_origin(seed),
    }
    if kept is not None:
        record["cells"] = reference.obs_names.astype(str).tolist()
    if copy:
        return _result(table, shares, kept, record)
    keys = ProportionKeys(key_added)
    slots: dict[tuple[str, str], Any] = {("obsm", keys.proportions): shares, ("uns", keys.uns): record}
    if kept is not None:
        slots["obsm", keys.mapping] = kept
    write_slots(table, slots, stale=[("obsm", keys.mapping)] if recorded(table, keys.uns, "cells") else [])
    return None


def _result(table: AnnData, shares: np.ndarray, kept: sp.csr_matrix | None, record: dict[str, Any]) -> DeconvolveResult:
    import pandas as pd

    return DeconvolveResult(pd.DataFrame(shares, table.obs_names, record["names"]), kept, record)


def _origin(seed: int) -> dict[str, Any]:
    from s3rl import __version__

    # neither h5ad nor Zarr holds longer integers
    return {"version": __version__, "seed": seed if seed < 2**63 else str(seed)}


def _check(method: object, mapping: bool, key_added: object) -> None:
    if method not in _METHODS:
        raise ParameterError(
            "names no method", key="method", found=repr(method), available=_METHODS, fix="pass method='contrastive'"
        )
    if mapping and method == "car":
        raise ParameterError(
            "has no meaning for 'car', which knows types and no cells",
            key="mapping",
            found=repr(mapping),
            fix="pass method='contrastive', or leave mapping out",
        )
    if not isinstance(key_added, str) or not key_added or "/" in key_added:
        raise ParameterError(
            "must be a name without a slash", key="key_added", found=repr(key_added), fix="key_added='proportions'"
        )


def _proportions(shares: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Float32 (n, k), rows of sum one, of shares of RNA (n, k)."""
    scaled = shares.astype(np.float64) / sizes
    return (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32)


def _contrastive(
    task: Task, params: DeconvolveParams, seed: int, device: Any, progress: bool, mapping: bool
) -> tuple[np.ndarray, sp.csr_matrix | None, dict[str, Any]]:
    from s3rl.deconvolution.cells import mapping as mapping_of
    from s3rl.deconvolution.contrastive import contrastive_mapping
    from s3rl.deconvolution.reference import metacells

    n_types = len(task.types.names)
    groups = metacells(task.cells, task.types.codes, n_types, params.n_metacells, seed=seed)
    fit = contrastive_mapping(task.spots, groups, task.graph, params, seed=seed, device=device, progress=progress)
    member = np.eye(n_types)[groups.types]
    shares = _proportions(fit.weights @ member, task.sizes)
    kept = None
    if mapping:
        kept = mapping_of(fit.weights, groups, task.cells, task.spots, shares, params.cells_per_type)
    return shares, kept, {**fit.history, "n_metacells": len(groups.types)}


def _car(
    task: Task, params: DeconvolveParams, seed: int, device: Any, progress: bool, mapping: bool
) -> tuple[np.ndarray, sp.csr_matrix | None, dict[str, Any]]:
    from s3rl.deconvolution.car import PHI_GRID, car_factorisation

    fit = car_factorisation(
        task.spots, task.means, task.graph, phi=params.phi, noise=params.noise, max_iter=params.max_iter,
        device=device, progress=progress,
    )  # fmt: skip
    found = {
        "phi": fit.phi,
        "phi_grid": np.array(PHI_GRID if params.phi is None else [fit.phi]),
        "log_likelihood": fit.likelihoods,
        "scale": fit.scale,
        "level": fit.level,
        "loss": fit.objective,
    }
    return _proportions(fit.weights, task.sizes), None, found


_METHOD_CALLS = {"contrastive": _contrastive, "car": _car}
