"""What ``tl.trajectory`` is asked for, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from s3rl._keys import connectivities_of
from s3rl._params import Parameters, real, whole
from s3rl._slots.labels import categories_of
from s3rl._slots.table import slot_of
from s3rl.errors import GraphError, InputError, LabelsError, MissingKeyError, ParameterError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

FEWEST = 5
"""Spots that a root or a terminal state needs as a group."""

COMPUTED = ("dpt", "palantir")


@dataclass(frozen=True, kw_only=True)
class TrajectoryParams(Parameters):
    """Parameters of ``s3.tl.trajectory``.

    Parameters
    ----------
    n_neighs
        Neighbours of each spot in the embedding.
    n_components
        Components of the diffusion map.
    spatial_weight
        Share of the neighbours in the tissue among all; 0 takes the embedding alone.
    connectivity_key
        The ``key_added`` of squidpy's neighbours in the tissue.
    connectivity_weight
        Share of the kernel that ignores the pseudotime, so that every spot can reach every other one.
    n_terminal
        Spots of a group that make up its terminal state: the latest, at most half of the group.
    leaving
        Share of the neighbours of a group's latest spots that may be later spots of other groups where the group is
        found to be an end.

    Raises
    ------
    ParameterError
        If a value is outside of its range.

    Examples
    --------
    >>> from s3rl.tl import TrajectoryParams
    >>> TrajectoryParams(n_neighs=30).spatial_weight
    0.1
    """

    n_neighs: int = 15
    n_components: int = 10
    spatial_weight: float = 0.1
    connectivity_key: str = "spatial"
    connectivity_weight: float = 0.2
    n_terminal: int = 30
    leaving: float = 0.05

    def __post_init__(self) -> None:
        """Refuse values outside of their ranges."""
        self.check(
            {
                "n_neighs": whole(2),
                "n_components": whole(3),
                "spatial_weight": real(0.0, 1.0),
                "connectivity_key": (lambda v: isinstance(v, str) and bool(v), "a name"),
                "connectivity_weight": (lambda v: real(0.0, 1.0)[0](v) and v > 0, "a number between 0 and 1"),
                "n_terminal": whole(1),
                "leaving": real(0.0, 1.0),
            }
        )


def labels_checked(table: AnnData, groupby: str) -> pd.Categorical:
    """Groups of the spots, two or more; spots without a name stay so."""
    labels = categories_of(table, groupby, fix="s3.tl.s3rl(adata, n_domains), or pass another groupby=")
    labels = labels.remove_unused_categories()
    if len(labels.categories) < 2:
        raise LabelsError(
            "has one group; a trajectory leads from one to another",
            key=f"obs[{groupby!r}]",
            found=labels.categories[0],
            fix="pass a groupby= with two groups or more",
        )
    return labels


def root_checked(table: AnnData, labels: pd.Categorical, root: object, groupby: str) -> str | int:
    """Name of the root's group, or position of the root spot."""
    name = str(root)
    if name in labels.categories:
        large_enough(labels, name, "root")
        return name
    if name in table.obs_names:
        return int(table.obs_names.get_loc(name))
    raise MissingKeyError(
        f"is neither a group of obs[{groupby!r}] nor the name of a spot",
        key="root",
        found=repr(root),
        available=labels.categories,
        fix=f"pass root={labels.categories[0]!r}, or a name of adata.obs_names",
    )


def large_enough(labels: pd.Categorical, name: str, key: str) -> None:
    """Refuse a group of a few spots."""
    count = int((labels == name).sum())
    if count < FEWEST:
        raise LabelsError(
            f"is a group of fewer than {FEWEST} spots",
            key=key,
            found=f"{count} spots in {name!r}",
            fix="pass the name of a spot, or a larger group",
        )


def terminal_checked(
    table: AnnData, labels: pd.Categorical, terminal: object, root: str | int
) -> dict[str, str | np.ndarray] | None:
    """Terminal states by name: a group, or positions of spots; None where they are to be found."""
    if terminal is None:
        return None
    given: Any = [terminal] if isinstance(terminal, str) else terminal
    if isinstance(given, Mapping):
        states = {str(name): value for name, value in given.items()}
    elif isinstance(given, (Sequence, np.ndarray)):
        states = {str(name): name for name in given}
    else:
        states = {}
    if not states or (not isinstance(given, Mapping) and len(states) < len(given)):
        raise ParameterError(
            "must name terminal states, each once",
            key="terminal",
            found=repr(terminal),
            available=labels.categories,
            fix="pass a list of groups, a mapping of names to groups or spots, or None to find them",
        )
    found = {name: _state(table, labels, value) for name, value in states.items()}
    _refuse_root(labels, found, root)
    return found


def _state(table: AnnData, labels: pd.Categorical, value: object) -> str | np.ndarray:
    if not isinstance(value, (list, tuple, np.ndarray)) and str(value) in labels.categories:
        large_enough(labels, str(value), "terminal")
        return str(value)
    names = [str(name) for name in value] if isinstance(value, (list, tuple, np.ndarray)) else [str(value)]
    places = table.obs_names.get_indexer(names)
    if not names or (places < 0).any():
        unknown = [name for name, place in zip(names, places, strict=True) if place < 0]
        raise MissingKeyError(
            "has names that are neither groups nor spots",
            key="terminal",
            found=", ".join(unknown[:12]) or "no name",
            available=labels.categories,
            fix="pass groups, or names of adata.obs_names",
        )
    return places


def _refuse_root(labels: pd.Categorical, states: dict[str, str | np.ndarray], root: str | int) -> None:
    group = root if isinstance(root, str) else labels[root]
    taken: set[int] = set()
    for name, value in states.items():
        if isinstance(value, str):
            clash = value == group
            spots = set(np.flatnonzero(labels == value).tolist())
        else:
            clash = isinstance(root, int) and root in value
            spots = set(value.tolist())
        if clash:
            raise ParameterError(
                "is where the trajectory starts",
                key="terminal",
                found=name,
                available=[other for other in labels.categories if other != group],
                fix="pass another terminal state or another root",
            )
        if taken & spots:
            raise ParameterError(
                "has states that share spots", key="terminal", found=name, fix="give each spot to one state"
            )
        taken |= spots


def neighbors_checked(n: int, n_neighs: int, n_components: int) -> None:
    """Refuse more neighbours or components than there are other spots."""
    for key, value in (("n_neighs", n_neighs), ("n_components", n_components)):
        if value >= n - 1:
            raise ParameterError(
                "is too large for so few spots",
                key=f"params.{key}",
                found=f"{value} for {n} spots",
                fix=f"pass params={{{key!r}: {max(3, n // 10)}}}",
            )


def spatial_checked(table: AnnData, params: TrajectoryParams) -> sp.csr_matrix | None:
    """Neighbours in the tissue, or None where they take no part."""
    if params.spatial_weight == 0:
        return None
    key = connectivities_of(params.connectivity_key)
    fix = "squidpy.gr.spatial_neighbors_knn(adata, n_neighs=6), or params={'spatial_weight': 0} for the embedding alone"
    graph = sp.csr_matrix(slot_of(table, "obsp", key, fix=fix), dtype=np.float64)
    if not graph.nnz or not np.isfinite(graph.data).all() or graph.data.min() < 0 or graph.sum() == 0:
        raise GraphError("has no edges, or weights that are negative or not finite", key=f"obsp[{key!r}]", fix=fix)
    return graph


def time_checked(table: AnnData, pseudotime: object) -> np.ndarray | None:
    """A pseudotime that is there, scaled from 0 to 1, or None where it is to be computed."""
    if pseudotime in COMPUTED:
        return None
    fix = "pass pseudotime='dpt', or a column of adata.obs with numbers"
    if not isinstance(pseudotime, str):
        raise ParameterError("names no pseudotime", key="pseudotime", found=repr(pseudotime), fix=fix)
    return scaled_time(slot_of(table, "obs", pseudotime, fix=fix), pseudotime, fix)


def scaled_time(column: Any, name: str, fix: str) -> np.ndarray:
    """Numbers of a column (n,) as float64 from 0 to 1; they must be finite and differ."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        raise InputError("is not a column of numbers", key=f"obs[{name!r}]", found=column.dtype, fix=fix)
    values = column.to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(
            "has spots without a finite number", key=f"obs[{name!r}]", found=f"{bad.sum()} of {len(values)}", fix=fix
        )
    low, high = values.min(), values.max()
    if low == high:
        raise InputError("is the same for all spots", key=f"obs[{name!r}]", found=f"{low:g}", fix=fix)
    return (values - low) / (high - low)
