"""Check what the signed graph is made of, before it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._slots.features import FeatureSpace
from s3rl.errors import GraphError, InputError, LabelsError, ParameterError
from s3rl.graph.similar import Directions


def arguments_of(
    connectivity_key: str,
    use_rep: Any,
    image_rep: str | None,
    n_neighs: int,
    n_far: int,
    max_far_degree: int | None,
    library_key: str | None,
) -> dict[str, Any]:
    """Check the arguments and return those that make the same graph of another slice, as anndata can write them.

    They may be read back from a file, where lists are arrays and integers have numpy's types.
    """
    if isinstance(use_rep, Mapping):
        use_rep = {str(name): slot for name, slot in use_rep.items()}
    elif isinstance(use_rep, (tuple, np.ndarray)):
        use_rep = [None if slot is None else str(slot) for slot in use_rep]
    for key, value in (("connectivity_key", connectivity_key), ("image_rep", image_rep)):
        if not isinstance(value, str) and not (value is None and key == "image_rep"):
            raise ParameterError("must be a name", key=key, found=repr(value), fix=f"{key}='...'")
    return {
        "connectivity_key": connectivity_key,
        "use_rep": use_rep,
        "image_rep": image_rep,
        "n_neighs": _whole("n_neighs", n_neighs),
        "n_far": _whole("n_far", n_far),
        "max_far_degree": None if max_far_degree is None else _whole("max_far_degree", max_far_degree),
        "library_key": library_key,
    }


def _whole(key: str, value: object) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1:
        return int(value)
    raise ParameterError("must be a whole number of at least 1", key=key, found=repr(value), fix=f"{key}=5")


def keys_for(key_added: str) -> _keys.NeighborsKeys:
    """Return the names of the slots for ``key_added``."""
    if not isinstance(key_added, str) or not key_added or "/" in key_added:
        raise ParameterError(
            "must be a name without a slash", key="key_added", found=repr(key_added), fix="key_added='s3rl'"
        )
    return _keys.NeighborsKeys(key_added)


def check_sizes(codes: np.ndarray, names: list[str], arguments: Mapping[str, Any]) -> None:
    """Refuse slices that have no more spots than are asked for as neighbours."""
    sizes = np.bincount(codes, minlength=len(names))
    library_key = arguments["library_key"]
    if library_key is not None and sizes.min() == 1:
        alone = [names[i] for i in np.flatnonzero(sizes == 1)]
        raise LabelsError(
            "has slices of one spot, which has no neighbour",
            key=f"obs[{library_key!r}]",
            found=", ".join(alone[:5]),
            fix=f"adata = adata[~adata.obs[{library_key!r}].isin({alone[:5]})].copy()",
        )
    for key in ("n_neighs", "n_far"):
        if sizes.min() <= arguments[key]:
            where = "" if library_key is None else f" in slice {names[int(sizes.argmin())]}"
            raise ParameterError(
                "must be smaller than the number of spots of every slice",
                key=key,
                found=f"{arguments[key]} for {sizes.min()} spots{where}",
                fix=f"{key}={max(int(sizes.min()) - 1, 1)}, or leave the slice out",
            )


def check_slices(spatial: sp.csr_matrix, codes: np.ndarray, arguments: Mapping[str, Any]) -> None:
    """Refuse spatial edges between slices."""
    edges = spatial.tocoo()
    across = int((codes[edges.row] != codes[edges.col]).sum()) // 2
    if across:
        key, library_key = arguments["connectivity_key"], arguments["library_key"]
        added = "" if key == _keys.SPATIAL_NEIGHBORS else f", key_added={key!r}"
        raise GraphError(
            "joins spots of different slices",
            key=f"obsp[{_keys.connectivities_of(key)!r}]",
            found=f"{across} of {edges.nnz // 2} pairs",
            fix=f"squidpy.gr.spatial_neighbors_knn(adata, n_neighs=6, library_key={library_key!r}{added}), or, for "
            f"slices that lie on each other, s3.pp.slice_neighbors(adata, {library_key!r}{added})",
        )


def check_directions(
    directions: Directions, codes: np.ndarray, names: list[str], space: FeatureSpace, arguments: Mapping[str, Any]
) -> None:
    """Refuse a feature space that has nothing to compare in a slice."""
    usable = np.bincount(codes[directions.has_one], minlength=len(names))
    least = max(arguments["n_neighs"], arguments["n_far"])
    if usable.min() <= least:
        raise InputError(
            "has too few spots whose features differ from zero and from the average spot",
            key=space.slot if space.slot == "X" else f"obsm[{space.slot!r}]",
            found=f"{usable.min()} spots in slice {names[int(usable.argmin())]} of {space.source}",
            fix=f"more than {least} are needed: lower n_neighs and n_far, use other features or leave the slice out",
        )
