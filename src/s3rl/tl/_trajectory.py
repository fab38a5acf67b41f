"""Order the spots along the change of their embedding, from a root to where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from s3rl._keys import ModelKeys, TrajectoryKeys
from s3rl._slots.table import table_of
from s3rl._slots.write import check_key, write_slots
from s3rl.tl._trajectory_checks import TrajectoryParams
from s3rl.tl._trajectory_steps import TrajectoryResult, follow, plan_of

if TYPE_CHECKING:
    from s3rl._typing import RNG, Data

__all__ = ["TrajectoryParams", "TrajectoryResult", "trajectory"]

_MODEL = ModelKeys()


def trajectory(
    data: Data,
    *,
    root: str,
    groupby: str = _MODEL.domain,
    terminal: Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    fates: bool = True,
    use_rep: str = _MODEL.embedding,
    pseudotime: Literal["dpt", "palantir"] | str = "dpt",
    layer: str | None = None,
    calibrate: bool | int = False,
    params: TrajectoryParams | Mapping[str, Any] | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str = "s3rl",
    copy: bool = False,
) -> TrajectoryResult | None:
    """Order spots by pseudotime from a root, find where it ends, with which probability, and the genes that follow it.

    The neighbours of the embedding (:func:`scanpy.pp.neighbors`, exact) are mixed with a tenth of neighbours in the
    tissue, which keeps the graph in one piece; parts of less than 1 % of the spots that are left over are joined to the
    spots they are most similar to. On them:

    1. a diffusion map (:func:`scanpy.tl.diffmap`) and the distance from the root in it, diffusion pseudotime. Where no
       eigenvalue but the first reaches .9994 this is :func:`scanpy.tl.dpt`; slower components are kept here, since
       over a large tissue they are the trajectory, unless they live on less than 1 % of the spots (Notes);
    2. how the groups hang together in the embedding (:func:`scanpy.tl.paga`), and their strongest tree;
    3. terminal states: those given, or the groups that are not left: where their latest spots have later neighbours,
       these are of the same group. A group's state is its latest spots;
    4. fate probabilities of a random walk that prefers later spots: the transitions of cellrank's ``PseudotimeKernel``
       (soft) and ``ConnectivityKernel``, and where they are absorbed, as ``GPCCA.compute_fate_probabilities`` has it,
       by a sparse system. With one terminal state every probability is 1, and cellrank is not needed;
    5. driver genes: Pearson correlation with the pseudotime and, with two or more terminal states, with each fate, as
       cellrank's ``compute_lineage_drivers`` (Fisher).

    The neighbours in the user's table stay as they are.

    **What the p-values are not.** The pseudotime was found from the same genes, and neighbouring spots are not
    independent, so the p-values are far too small: use them to rank. With a denoised ``layer`` (``post_denoising``)
    smoothing makes it worse. ``calibrate`` adds p-values of the covariance against values that change places over the
    spots before they are denoised, and against a pseudotime that does; of a denoised layer they are weak, for little
    but the direction in the embedding is left to test. Test on ``X``.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    root
        A group of ``groupby``, of which the spot farthest from all others in the diffusion map is taken, or the name
        of a spot.
    groupby
        Column of ``obs`` with the groups. Spots without a name take part in everything but the groups.
    terminal
        Groups or spots in a list, or names mapped to a group or to spots; None finds groups.
    fates
        Whether to compute fate probabilities (extra ``trajectory``).
    use_rep
        Name in ``obsm`` of the embedding.
    pseudotime
        ``"dpt"``, ``"palantir"`` on the embedding alone (``pip install palantir``), or a column of ``obs``.
    layer
        Expression of the driver genes, log-normalised; None is ``X``.
    calibrate
        True for 999 permutations, or their number.
    params
        :class:`s3rl.tl.TrajectoryParams`, or a mapping of some of its names.
    rng
        Seed or generator, for the start of the decomposition and the permutations; None is seed 0.
    table_key
        Table of a SpatialData.
    key_added
        Name of the result.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.TrajectoryResult` with ``copy=True``. Written otherwise:

    ``obs["<key_added>_pseudotime"]``
        Float64, 0 to 1.
    ``obsm["<key_added>_fates"]``
        Float64 (n, k), rows sum to one; the columns are ``uns["<key_added>_trajectory"]["states"]``. Not with
        ``fates=False``.
    ``uns["<key_added>_trajectory"]``
        ``results``: DataFrame of ``gene``, ``lineage`` (``"pseudotime"`` or a terminal state), ``correlation``,
        ``pvalue``, ``fdr``, with ``calibrate`` ``pvalue_calibrated`` and ``fdr_calibrated``, and ``post_denoising``;
        ``groups``: DataFrame of ``group``, ``n_spots``, ``pseudotime`` (median), ``root`` and ``terminal``;
        ``connectivities`` and ``tree``: csr_matrix in the order of ``groups``; ``states``; ``terminal``: DataFrame of
        ``state`` and ``spot``; ``root``: name of the spot; ``params``.

    Raises
    ------
    MissingKeyError
        If the embedding, the groups, the root, a terminal state, a layer or the neighbours in the tissue are not
        there.
    LabelsError
        If there is one group only, or the group of the root or of a terminal state has fewer than five spots.
    ParameterError
        If a terminal state is where the trajectory starts, or an argument is out of its range.
    GraphError
        If the neighbours fall into parts of 1 % of the spots or more.
    InputError
        If the embedding or the pseudotime are not finite numbers.
    CountsError
        If the layer holds raw counts.
    MissingExtraError
        If cellrank or palantir are needed and not installed.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, sections 2.2 (how layers hang together) and 2.8 (pseudotime on the embedding, there
    with Monocle 3). Haghverdi et al., Nat. Methods 2016; Wolf et al., Genome Biol. 2019; Lange et al., Nat. Methods
    2022.

    On a section of human cortex (DLPFC 151673) the slowest component is that between white matter and cortex, with
    an eigenvalue of .9995; scanpy's function does not stretch it, and the order is lost.

    Examples
    --------
    >>> import squidpy as sq
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=4, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.pp.signed_neighbors(adata)
    >>> s3.tl.s3rl(adata, n_domains=4, params={"max_epochs": 20}, progress=False)
    >>> first = adata.obs["domain"].cat.categories[0]
    >>> s3.tl.trajectory(adata, root=first, groupby="domain")
    >>> bool(adata.obs[["depth", "s3rl_pseudotime"]].corr("spearman").iloc[0, 1] > 0.8)
    True
    >>> adata.uns["s3rl_trajectory"]["results"].columns[:3].tolist()
    ['gene', 'lineage', 'correlation']
    """
    table = table_of(data, table_key)
    check_key(key_added)
    plan = plan_of(table, root, groupby, terminal, use_rep, pseudotime, layer, calibrate, params, rng)
    result = follow(table, plan, pseudotime, bool(fates))
    if copy:
        return result
    asked = {
        "groupby": groupby,
        "use_rep": use_rep,
        "pseudotime": pseudotime,
        "layer": plan.expression.name,
        "fates": bool(fates),
        "permutations": plan.permutations,
        "seed": plan.seed,
    }
    keys = TrajectoryKeys(key_added)
    stale = [("obsm", keys.fates)] if keys.uns in table.uns else []
    write_slots(table, _slots_of(result, keys, plan.params.as_dict() | asked), stale=stale)
    return None


def _slots_of(result: TrajectoryResult, keys: TrajectoryKeys, params: dict[str, Any]) -> dict[tuple[str, str], Any]:
    import s3rl

    record = {
        "results": result.results,
        "groups": result.groups,
        "connectivities": result.connectivities,
        "tree": result.tree,
        "states": np.array(result.states, dtype=object),
        "terminal": result.terminal,
        "root": result.root,
        "params": params | {"version": s3rl.__version__},
    }
    slots: dict[tuple[str, str], Any] = {("obs", keys.pseudotime): result.pseudotime}
    if result.fates is not None:
        slots["obsm", keys.fates] = result.fates
    return slots | {("uns", keys.uns): record}
