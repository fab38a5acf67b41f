"""One spatial graph over several slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import note
from s3rl._slots.slice_order import aligned_order
from s3rl._slots.slices import order_of
from s3rl._slots.table import coordinates_of, slices_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import LabelsError, ParameterError
from s3rl.graph.across import neighbors_across, pitch_of

if TYPE_CHECKING:
    from s3rl._typing import Data

_REACH = 1.5


class SliceNeighbors(NamedTuple):
    """What ``s3.pp.slice_neighbors(..., copy=True)`` returns.

    Attributes
    ----------
    connectivities
        csr_matrix float32 (n, n), ones, symmetric.
    distances
        csr_matrix float32 (n, n), in the units of the coordinates, at the same places.
    neighbors
        What ``uns`` keeps: the names of both and the parameters.
    """

    connectivities: sp.csr_matrix
    distances: sp.csr_matrix
    neighbors: dict[str, Any]


def slice_neighbors(
    data: Data,
    library_key: str,
    *,
    spatial_key: str = _keys.SPATIAL_ALIGNED,
    n_neighs: int = 6,
    n_across: int = 1,
    gap: float = 0.0,
    reach: float | None = None,
    order: Sequence[str] | None = None,
    table_key: str | None = None,
    key_added: str = _keys.SPATIAL_NEIGHBORS,
    copy: bool = False,
) -> SliceNeighbors | None:
    """Join each spot to its neighbours in its own slice and in the slices before and after it.

    Within a slice these are squidpy's nearest neighbours. Between slices that lie on each other once they are aligned
    (``s3.pp.align_slices``), a spot is joined to the nearest spots of the next slice within reach, in three
    dimensions: where tissue is missing there, it gets none. The result has squidpy's names, so that squidpy,
    ``s3.pp.signed_neighbors`` and ``s3.tl.s3rl`` take it as any spatial graph.

    Parameters
    ----------
    data
        AnnData or SpatialData of several slices.
    library_key
        Column of ``obs`` that names the slice.
    spatial_key
        Coordinates in ``obsm``, of all slices in one frame.
    n_neighs
        Nearest spots within the slice.
    n_across
        Nearest spots in each neighbouring slice.
    gap
        Distance between neighbouring slices, in the units of the coordinates; 0 lays them in one plane.
    reach
        Largest distance across, ``gap`` included; None is 1.5 times the distance between neighbouring spots. Slices
        farther apart than that are not joined.
    order
        Names of the slices as they lie on each other; None is the order in which they were aligned, else that of the
        categories.
    table_key
        Table of a SpatialData.
    key_added
        Prefix of the slots, as squidpy has it.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``SliceNeighbors`` tuple with ``copy=True``. Otherwise writes

    - ``obsp["spatial_connectivities"]``: ones, csr_matrix float32 (n, n), symmetric
    - ``obsp["spatial_distances"]``: distances at the same places
    - ``uns["spatial_neighbors"]``: names of both, parameters, and how many pairs join slices

    Raises
    ------
    MissingKeyError
        If the coordinates or the column are not there.
    CoordinatesError
        If coordinates are not finite.
    LabelsError
        If there is only one slice.
    ParameterError
        If a number is out of range, a slice has no more spots than ``n_neighs``, or ``order`` names other slices.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(100, 60, n_slices=2).tables["table"]
    >>> s3.pp.slice_neighbors(adata, "slice", spatial_key="spatial")
    >>> adata.obsp["spatial_connectivities"].shape
    (200, 200)
    """
    table = table_of(data, table_key)
    codes, names = slices_of(table, library_key)
    xy = coordinates_of(table, spatial_key)
    _check(codes, names, library_key, n_neighs=n_neighs, n_across=n_across, gap=gap, reach=reach)
    placed = order_of(aligned_order(table, spatial_key, names) if order is None else order, names)
    pitch = float(np.median([pitch_of(xy[codes == s]) for s in range(len(names))]))
    furthest = _REACH * pitch if reach is None else float(reach)
    across = neighbors_across(xy, codes, placed, n_across=n_across, gap=gap, reach=furthest)
    distances = sp.csr_matrix(_within(xy, codes, n_neighs) + across)
    connectivities = distances.copy()
    connectivities.data = np.ones_like(connectivities.data)
    keys = {name: f"{key_added}_{name}" for name in ("connectivities", "distances")}
    parameters = {
        "method": "s3rl.pp.slice_neighbors", "n_neighbors": n_neighs, "n_across": n_across, "gap": float(gap),
        "reach": furthest, "library_key": library_key, "spatial_key": spatial_key, "across": across.nnz // 2,
        "order": [names[s] for s in placed],
    }  # fmt: skip
    described = {f"{name}_key": key for name, key in keys.items()} | {"params": parameters}
    result = SliceNeighbors(connectivities, distances, described)
    if copy:
        return result
    alone = np.diff(across.indptr) == 0
    note("%d pairs across %d slices; %.0f %% of the spots have none", across.nnz // 2, len(names), 100 * alone.mean())
    slots = {("obsp", keys["connectivities"]): connectivities, ("obsp", keys["distances"]): distances}
    write_slots(table, slots | {("uns", f"{key_added}_neighbors"): described})
    return None


def _within(xy: np.ndarray, codes: np.ndarray, n_neighs: int) -> sp.csr_matrix:
    """Distances (n, n) to squidpy's nearest neighbours in each slice, both ways."""
    import pandas as pd
    import squidpy as sq
    from anndata import AnnData

    bare = AnnData(obs=pd.DataFrame({"slice": pd.Categorical(codes.astype(str))}, index=np.arange(len(xy)).astype(str)))
    bare.obsm[_keys.SPATIAL] = xy
    found = sq.gr.spatial_neighbors_knn(bare, n_neighs=n_neighs, library_key="slice", copy=True)
    distances = sp.csr_matrix(found.distances, dtype=np.float32)
    # spots at one place are neighbours too, and a stored zero is no edge
    pattern = sp.csr_matrix(found.connectivities).astype(np.float32) * np.finfo(np.float32).tiny
    directed = distances.maximum(pattern)
    return sp.csr_matrix(directed.maximum(directed.T))


def _check(codes: np.ndarray, names: list[str], library_key: str, **numbers: Any) -> None:
    if len(names) < 2:
        raise LabelsError(
            "names only one slice",
            key=f"obs[{library_key!r}]",
            found=names[0],
            fix="squidpy.gr.spatial_neighbors_knn(adata, n_neighs=6)",
        )
    for key in ("n_neighs", "n_across"):
        value = numbers[key]
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise ParameterError("must be a whole number of at least 1", key=key, found=repr(value), fix=f"{key}=1")
    sizes = np.bincount(codes)
    if sizes.min() <= numbers["n_neighs"]:
        raise ParameterError(
            "must be smaller than the number of spots of every slice",
            key="n_neighs",
            found=f"{numbers['n_neighs']} for {sizes.min()} spots in slice {names[int(sizes.argmin())]}",
            fix=f"n_neighs={max(int(sizes.min()) - 1, 1)}, or leave the slice out",
        )
    for key in ("gap", "reach"):
        value = numbers[key]
        usable = isinstance(value, (int, float, np.number)) and math.isfinite(value) and value >= 0
        if not usable and not (value is None and key == "reach"):
            raise ParameterError(
                "must be a distance, 0 or more, in the units of the coordinates", key=key, found=repr(value),
                fix=f"{key}=0.0" if key == "gap" else "reach=None",
            )  # fmt: skip
