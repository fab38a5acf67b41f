"""The steps of ``tl.trajectory``: check what is asked for, then follow the spots from the root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._log import note
from s3rl._random import seed_of
from s3rl._slots.calibration import permutations_of
from s3rl._slots.embedding import embedding_of
from s3rl._slots.layers import Expression, expressions_of
from s3rl.errors import LabelsError
from s3rl.statistics.pseudotime import latest
from s3rl.tl import _trajectory_checks as checks
from s3rl.tl import _trajectory_graph as graph
from s3rl.tl._trajectory_checks import TrajectoryParams
from s3rl.tl._trajectory_drivers import ALONG, drivers_of
from s3rl.tl._trajectory_fates import fates_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import RNG

_LEAST_SHARE = 0.01


class TrajectoryResult(NamedTuple):
    """Result of :func:`s3rl.tl.trajectory` with ``copy=True``.

    Attributes
    ----------
    pseudotime
        Float64 Series (n,) with the index of ``obs``, 0 at the root and 1 at the latest spot.
    fates
        Float64 (n, k): probability to end in each terminal state; None with ``fates=False``.
    states
        Names of the k terminal states, those of the columns of ``fates``.
    results
        Driver genes, one row for each gene and lineage, as written.
    groups
        One row for each group, as written.
    connectivities, tree
        PAGA's connectivities of the groups and their strongest tree, float64 csr_matrix (groups, groups), symmetric.
    terminal
        Spots of the terminal states, as written.
    root
        Name of the root spot.
    """

    pseudotime: pd.Series
    fates: np.ndarray | None
    states: list[str]
    results: pd.DataFrame
    groups: pd.DataFrame
    connectivities: sp.csr_matrix
    tree: sp.csr_matrix
    terminal: pd.DataFrame
    root: str


class Plan(NamedTuple):
    """What was asked for, checked."""

    params: TrajectoryParams
    labels: pd.Categorical
    root: str | int
    terminal: dict[str, str | np.ndarray] | None
    values: np.ndarray
    spatial: sp.csr_matrix | None
    time: np.ndarray | None
    expression: Expression
    permutations: int
    seed: int


def plan_of(
    table: AnnData,
    root: object,
    groupby: str,
    terminal: object,
    use_rep: str,
    pseudotime: object,
    layer: str | None,
    calibrate: object,
    params: TrajectoryParams | Mapping[str, Any] | None,
    rng: RNG,
) -> Plan:
    """Check every argument, in the order in which a user would repair them."""
    given = TrajectoryParams.of(params)
    permutations, seed = permutations_of(calibrate), seed_of(rng)
    values = embedding_of(table, use_rep, fix="s3.tl.s3rl(adata, n_domains), or pass another use_rep=")
    labels = checks.labels_checked(table, groupby)
    start = checks.root_checked(table, labels, root, groupby)
    ends = checks.terminal_checked(table, labels, terminal, start)
    checks.neighbors_checked(table.n_obs, given.n_neighs, given.n_components)
    spatial = checks.spatial_checked(table, given)
    time = checks.time_checked(table, pseudotime)
    expression = expressions_of(table, (layer,))[0]
    return Plan(given, labels, start, ends, values, spatial, time, expression, permutations, seed)


def follow(table: AnnData, plan: Plan, method: str, wanted: bool) -> TrajectoryResult:
    """Compute everything beside the table."""
    import pandas as pd

    params = plan.params
    apart = graph.neighbors_apart(table, plan.values, params.n_neighs)
    groups = graph.groups_of(apart, plan.labels)
    if plan.spatial is not None:
        graph.add_space(apart, plan.spatial, params.spatial_weight)
    graph.join_parts(apart, params.spatial_weight)
    root, time = _time(apart, groups, plan, method)
    ends = _ends(apart, groups, time, plan)
    found = fates_of(apart, time, list(ends.values()), params.connectivity_weight) if wanted else None
    targets = {ALONG: time}
    if found is not None and len(ends) > 1:
        targets |= {name: found[:, place] for place, name in enumerate(ends)}
    return TrajectoryResult(
        pd.Series(time, index=table.obs_names.copy()),
        found,
        list(ends),
        _text_index(drivers_of(table, plan.expression, targets, plan.permutations, plan.seed)),
        _text_index(_described(groups, time, plan, set(ends))),
        sp.csr_matrix(groups.connectivities),
        sp.csr_matrix(groups.tree),
        _text_index(
            pd.DataFrame(
                {
                    "state": np.repeat(np.array(list(ends), dtype=object), [len(spots) for spots in ends.values()]),
                    "spot": table.obs_names.to_numpy(str).astype(object)[np.concatenate(list(ends.values()))],
                }
            )
        ),
        str(table.obs_names[root]),
    )


def _time(apart: AnnData, groups: graph.Groups, plan: Plan, method: str) -> tuple[int, np.ndarray]:
    """Root spot and pseudotime."""
    if plan.time is not None:
        own = groups.spots(plan.root) if isinstance(plan.root, str) else np.array([plan.root])
        return int(own[plan.time[own].argmin()]), plan.time
    coordinates = graph.diffused(apart, plan.params.n_components, plan.seed)
    root = graph.root_of(coordinates, groups, plan.root)
    if method == "dpt":
        return root, graph.dpt_time(coordinates, root)
    params = plan.params
    return root, graph.palantir_time(
        plan.values, apart.obs_names, root, n_neighs=params.n_neighs, n_components=params.n_components, seed=plan.seed
    )


def _ends(apart: AnnData, groups: graph.Groups, time: np.ndarray, plan: Plan) -> dict[str, np.ndarray]:
    """Spots of the terminal states by name."""
    root_group = plan.root if isinstance(plan.root, str) else plan.labels[plan.root]
    if plan.terminal is None:
        fewest = max(checks.FEWEST, int(np.ceil(_LEAST_SHARE * (groups.codes >= 0).sum())))
        params = plan.params
        names = graph.ends_of(
            apart, groups, time, root_group, count=params.n_terminal, share=params.leaving, fewest=fewest
        )
        if not names:
            raise LabelsError(
                "has no group that is large enough to be an end",
                key="terminal",
                found=f"fewer than {fewest} spots in every group but the root's",
                available=groups.names,
                fix="name terminal states: terminal=[...]",
            )
        note("terminal states found: %s", ", ".join(names))
        wanted: dict[str, str | np.ndarray] = {name: name for name in names}
    else:
        wanted = plan.terminal
    return {name: _latest(groups, time, state, plan.params.n_terminal) for name, state in wanted.items()}


def _latest(groups: graph.Groups, time: np.ndarray, state: str | np.ndarray, count: int) -> np.ndarray:
    return np.sort(latest(time, groups.spots(state), count)) if isinstance(state, str) else state


def _described(groups: graph.Groups, time: np.ndarray, plan: Plan, ends: set[str]) -> pd.DataFrame:
    import pandas as pd

    root = plan.root if isinstance(plan.root, str) else plan.labels[plan.root]
    names = {state for name, state in (plan.terminal or {}).items() if isinstance(state, str)}
    names = names if plan.terminal is not None else ends
    return pd.DataFrame(
        {
            "group": np.array(groups.names, dtype=object),
            "n_spots": np.bincount(groups.codes[groups.codes >= 0], minlength=len(groups.names)).astype(np.int64),
            "pseudotime": graph.medians_of(groups, time),
            "root": [name == root for name in groups.names],
            "terminal": [name in names for name in groups.names],
        }
    )


def _text_index(frame: pd.DataFrame) -> pd.DataFrame:
    frame.index = frame.index.astype(str)
    return frame
