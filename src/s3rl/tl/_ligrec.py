"""Ligands and receptors that are expressed together between clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl import __version__, _keys
from s3rl._log import note
from s3rl._params import whole_number
from s3rl._random import seed_of
from s3rl._slots.counts import depths_of
from s3rl._slots.crossfit import input_of
from s3rl._slots.layers import expressions_of, say_post_denoising
from s3rl._slots.table import table_of
from s3rl._slots.write import write_slots
from s3rl.communication.params import LigrecParams
from s3rl.errors import InputError, ParameterError
from s3rl.statistics.permutations import alike
from s3rl.tl import _ligrec_parts as parts
from s3rl.tl._ligrec_pairs import pairs_of, read_resource

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._slots.layers import Expression
    from s3rl._typing import RNG, Data

__all__ = ["LigrecParams", "LigrecResult", "ligrec"]


class LigrecResult(NamedTuple):
    """Result of :func:`s3rl.tl.ligrec` with ``copy=True``.

    Attributes
    ----------
    results
        Data frame with a row for each test; its columns are those of ``uns["ligrec"]["results"]``.
    params
        Arguments, how many pairs of the list were found, version and seed.
    """

    results: pd.DataFrame
    params: dict[str, Any]


def ligrec(
    data: Data,
    cluster_key: str = "s3rl_domain",
    *,
    resource: str | pd.DataFrame = "consensus",
    layer: str | None = None,
    organism: str = "human",
    n_perms: int = 1000,
    adjacent: bool = False,
    calibrate: bool = False,
    library_key: str | None = None,
    params: LigrecParams | Mapping[str, Any] | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> LigrecResult | None:
    """Test which ligands and receptors are expressed higher in two clusters than labels at random would have it.

    The statistic of a pair between a source and a target cluster is ``(mean of the ligand in the source + mean of the
    receptor in the target) / 2``, that of CellPhoneDB and of :func:`squidpy.gr.ligrec`; its p-value is ``(1 + hits) /
    (1 + n_perms)``, a hit being a permutation of the labels that reaches it. Where no values tie, hits are those of
    squidpy for the same permutations; squidpy does not count a tie, so a gene with one value everywhere is significant
    there and is not here. A pair is tested where both genes are above zero in a share ``threshold`` of the spots.

    A complex counts if all its genes are there, and then by the one with the smallest mean over all spots. Names that
    are genes are never taken apart. Spots without a name in ``cluster_key`` are left out.

    A pair is found where its genes mark the clusters; whether molecules pass between them is another question, which
    ``adjacent=True`` narrows to clusters that touch. Clusters made from the same expression differ in it by
    construction, so p-values are then a ranking. They also differ in depth, on which log-normalised expression of every
    gene depends: with ``calibrate=True`` a second test exchanges labels only within tenths of the total counts in
    ``layers[params.counts_layer]`` (fewer parts where these would have less than twenty spots).

    **After denoising** (``layer="s3rl"``) spots depend on their neighbours and p-values are too small:
    ``post_denoising`` marks them. With ``calibrate=True`` a second test smooths what has been exchanged. The smoothing
    is ridge regression on the embedding, of which only what the other half of the genes predicts is used, so that a
    gene has not helped to make its own denoiser. The normalised expression of the gene is exchanged over the spots;
    in a second run that of all genes together, with neighbours and clusters left where they are and the denoiser made
    anew, both within tenths of the total counts. The larger p-value counts. It takes about twenty milliseconds for each
    permutation of 3,600 spots. With too few genes to divide, without counts, or without the graph
    ``params.connectivity_key``, the log says what is left out.

    Parameters
    ----------
    data
        AnnData or SpatialData with log-normalised expression.
    cluster_key
        Column of ``obs`` with the clusters.
    resource
        ``"consensus"``, ``"cellchat"``, ``"cellphonedb"``, ``"guide2pharma+ramilowski"`` (both, each pair once), or
        any list that liana brings, without a network; or a data frame with columns ``ligand`` and ``receptor``, or
        ``source`` and ``target``, genes of a complex joined by ``"_"``.
    layer
        Name in ``layers`` of the expression; None is ``X``.
    organism
        Whose genes these are, ``"human"`` or ``"mouse"``: ``"consensus"`` has a list for each, genes of the other
        lists are matched in the mouse whatever the case of their letters. Has no meaning for a data frame.
    n_perms
        Number of permutations.
    adjacent
        Test clusters only that touch (``params.min_contact``).
    calibrate
        Add p-values that allow for differences in depth and, for denoised layers, for the smoothing.
    library_key
        Column of ``obs`` with the slices, within which labels are exchanged.
    params
        :class:`s3rl.tl.LigrecParams`, or a mapping of its fields.
    rng
        Seed or generator; None is seed 0. Each permutation has a stream of its own.
    table_key
        Table of a SpatialData.
    key_added
        Name of the result; ``"ligrec"`` for ``X`` and ``"ligrec_<layer>"`` for a layer by default.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.LigrecResult` with ``copy=True``. Written otherwise:

    ``uns[key_added]["results"]``
        Data frame, a row for each test: ``source``, ``target``, ``ligand``, ``receptor``, ``ligand_gene`` and
        ``receptor_gene`` (the genes tested; of a complex the weakest), ``mean``, ``pvalue``, Benjamini and Hochberg's
        ``fdr`` over all tests, ``fdr_pair`` over the clusters of one pair and ``fdr_cluster_pair`` over the pairs of
        two clusters, ``post_denoising``, ``adjacent`` where there is a spatial graph, and with ``calibrate``
        ``pvalue_calibrated`` and ``fdr_calibrated`` (over all tests).
    ``uns[key_added]["params"]``
        Arguments, ``depth_matched`` (whether calibrated tests allow for the depth), ``n_listed``, ``n_pairs``,
        ``n_complexes`` and ``n_incomplete`` pairs, ``n_tests``, ``version``, ``seed``.

    Raises
    ------
    ParameterError
        If an argument is outside of its range, the list is unknown, or a table of pairs has none.
    InputError
        If no pair has its genes in the table, or none is expressed.
    LabelsError
        If there is one cluster only, or one of fewer than ``params.min_spots`` spots.
    MissingKeyError
        If a column, a layer, the spatial graph or the embedding is not there.
    CountsError
        If the expression is not log-normalised, or ``layers[params.counts_layer]`` has negative values.
    MissingExtraError
        If liana is not installed and ``resource`` is the name of a list.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, sections 2.5, 2.6 and 4.6; their list of pairs is close to
    ``"guide2pharma+ramilowski"``. ``params={"test": "paired_t"}`` is their own test, :class:`s3rl.tl.LigrecParams`.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> pairs = adata.uns["simulation"]["pairs"]
    >>> s3.tl.ligrec(adata, "domain", resource=pairs, n_perms=200)
    >>> results = adata.uns["ligrec"]["results"]
    >>> best = results.sort_values("pvalue").iloc[0]
    >>> bool(best["pvalue"] < 0.01)
    True
    """
    table = table_of(data, table_key)
    given = LigrecParams.of(params)
    _check(n_perms, {"adjacent": adjacent, "calibrate": calibrate}, key_added, given)
    listed = read_resource(resource, organism)
    clusters = parts.clusters_of(table, cluster_key, given.min_spots)
    expression = expressions_of(table, [layer])[0]
    _check_calibrate(calibrate, expression, given.counts_layer)
    depths = depths_of(table, given.counts_layer, needed=not expression.denoised) if calibrate else None
    pairs = pairs_of(listed, _places(table, expression, calibrate=calibrate))
    strata = parts.strata_of(table, library_key)
    touch = parts.touching_of(table, clusters, given, needed=adjacent)
    n_groups, named = len(clusters.names), clusters.codes >= 0
    between = np.eye(n_groups, dtype=bool) if given.test == "paired_t" else np.ones((n_groups, n_groups), dtype=bool)
    tested = parts.tests_of(expression, clusters, pairs, between & touch if adjacent else between, given.threshold)
    seed = seed_of(rng)
    if given.test == "paired_t":
        columns = {"pvalue": parts.paired(tested)}
    else:
        columns = {"pvalue": parts.permuted(tested, n_groups, strata[named], n_perms, seed)}
    if calibrate and layer is not None and expression.denoised:
        within = strata if depths is None else alike(depths, strata)
        columns["pvalue_calibrated"] = parts.calibrated(
            table, layer, clusters, tested, within, given.connectivity_key, n_perms, seed
        )
    elif calibrate and depths is not None:
        within = alike(depths[named], strata[named])
        columns["pvalue_calibrated"] = parts.permuted(tested, n_groups, within, n_perms, seed)
    shape = columns["pvalue"].shape
    if touch is not None:
        touches = touch[tested.tests.source, tested.tests.target]
        columns["adjacent"] = np.broadcast_to(touches[:, None], shape)
    columns["post_denoising"] = np.full(shape, expression.denoised)
    say_post_denoising([expression], calibrate)
    frame = parts.tidy(tested, pairs, clusters, table.var_names, columns)
    arguments = {
        "cluster_key": cluster_key, "resource": listed.name, "layer": expression.name, "organism": organism,
        "n_perms": int(n_perms), "adjacent": adjacent, "calibrate": calibrate, "library_key": library_key,
        "depth_matched": depths is not None,
    }  # fmt: skip
    counts = {
        "n_listed": pairs.n_listed, "n_pairs": len(pairs.ligand), "n_complexes": pairs.n_complexes,
        "n_incomplete": pairs.n_incomplete, "n_tests": len(frame),
    }  # fmt: skip
    result = LigrecResult(frame, _written(arguments | given.as_dict() | counts | {"seed": seed}))
    if copy:
        return result
    write_slots(table, {("uns", key_added or _keys.ligrec_of(layer)): result._asdict()})
    return None


def _written(values: dict[str, Any]) -> dict[str, Any]:
    """Plain values that every store can keep; what was not given is left out."""
    return {name: value for name, value in values.items() if value is not None} | {"version": __version__}


def _check(n_perms: object, flags: dict[str, object], key_added: object, params: LigrecParams) -> None:
    whole_number(n_perms, "n_perms", 1, 1000)
    for name, value in flags.items():
        if not isinstance(value, (bool, np.bool_)):
            raise ParameterError("must be True or False", key=name, found=repr(value), fix=f"pass {name}=True")
    if key_added is not None and (not isinstance(key_added, str) or not key_added or "/" in key_added):
        raise ParameterError(
            "must be a name without a slash", key="key_added", found=repr(key_added), fix="key_added='ligrec'"
        )
    if flags["calibrate"] and params.test != "permutation":
        raise ParameterError(
            "has no meaning for a t-test", key="calibrate", found="True", fix="leave calibrate or params.test out"
        )


def _check_calibrate(calibrate: bool, expression: Expression, counts_layer: str | None) -> None:
    if calibrate and not expression.denoised and counts_layer is None:
        raise ParameterError(
            "has no meaning for expression that no model has denoised, where no counts tell of the depth",
            key="calibrate",
            found=f"layer={expression.layer!r} and params.counts_layer=None",
            fix="pass layer='s3rl', leave params.counts_layer at 'counts', or leave calibrate out",
        )


def _places(table: AnnData, expression: Expression, *, calibrate: bool) -> dict[str, int]:
    """Name of each gene whose values are finite, to its place."""
    whole = expression.finite()
    if calibrate and expression.layer is not None and expression.denoised:
        whole &= input_of(table, expression.layer).finite()
    if not whole.any():
        raise InputError(
            "has no gene whose values are all finite", key=f"layers[{expression.name!r}]" if expression.layer else "X",
            fix="remove or repair spots that are not finite",
        )  # fmt: skip
    if not whole.all():
        note("%d of %d genes have values that are not finite and are left out", (~whole).sum(), whole.size)
    return {str(name): place for place, name in enumerate(table.var_names) if whole[place]}
