"""Private tables with other counts, and the model fitted to them as ``tl.s3rl`` fits it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import logger
from s3rl._slots.model import result_slots
from s3rl._slots.neighbors import signed_graph_of, spatial_graph_of
from s3rl._slots.table import expression_of, slices_of
from s3rl.errors import MissingKeyError, ParameterError
from s3rl.fit.params import S3RLParams

if TYPE_CHECKING:
    from anndata import AnnData


class Plan(NamedTuple):
    """How the model is fitted again.

    Attributes
    ----------
    n_domains
        Domains.
    params
        Of the model.
    neighbors_key
        Entry of ``uns`` of the signed graph.
    arguments
        Those of ``pp.signed_neighbors``.
    connectivity_key
        Key of the spatial graph.
    library_key
        Column of ``obs`` with the slices, or None.
    codes
        Int64 (n,): slice of each spot.
    target
        Usual total of the normalised expression; None where there is none, for the median of the counts.
    seed, device, progress
        As given.
    """

    n_domains: int
    params: S3RLParams
    neighbors_key: str
    arguments: dict[str, Any]
    connectivity_key: str
    library_key: str | None
    codes: np.ndarray
    target: float | None
    seed: int
    device: str
    progress: bool

    @property
    def spatial(self) -> str:
        """Name of the spatial graph, as functions take it."""
        return self.connectivity_key.removesuffix(_keys.connectivities_of(""))


def plan_of(
    table: AnnData, n_domains: int | None, params: Any, neighbors_key: str, library_key: str | None, seed: int,
    device: str, progress: bool,
) -> Plan:  # fmt: skip
    """What is not given is that of the model in ``uns["s3rl"]``.

    Raises
    ------
    MissingKeyError
        If there is no signed graph, or no model and no ``n_domains``.
    ParameterError
        If the parameters leave denoising out.
    """
    from s3rl.tl._s3rl_domains import checked_domains

    record = table.uns.get(_keys.ModelKeys().uns, {})
    record = record if hasattr(record, "get") else {}
    given = record.get("input", {})
    if n_domains is None and "n_domains" not in record:
        raise MissingKeyError(
            "is not there, so the number of domains is not known", key="uns['s3rl']", available=list(table.uns),
            fix="pass n_domains=, or s3.tl.s3rl(adata, n_domains) first",
        )  # fmt: skip
    settings = S3RLParams.of(record.get("params") if params is None else params)
    if settings.denoise == "none":
        raise ParameterError(
            "leaves denoising out", key="params.denoise", found="'none'", fix="params={'denoise': 'all'}"
        )
    graph = signed_graph_of(table, neighbors_key)
    spatial_graph_of(table, graph.connectivity_key)
    library = library_key if library_key is not None or not hasattr(given, "get") else given.get("library_key")
    return Plan(
        checked_domains(record["n_domains"] if n_domains is None else n_domains, table.n_obs),
        settings,
        neighbors_key,
        _plain(graph.params.get("arguments", {})),
        graph.connectivity_key,
        None if library is None else str(library),
        slices_of(table, None if library is None else str(library))[0],
        _target_of(table),
        seed,
        device,
        progress,
    )


def _plain(arguments: Any) -> dict[str, Any]:
    """Arguments as they were given; a file returns arrays for sequences."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in dict(arguments).items()}


def _target_of(table: AnnData) -> float | None:
    if table.X is None:
        return None
    values = expression_of(table)
    if not values.nnz or values.data.min() < 0 or values.data.max() > 50:
        return None
    values.data = np.expm1(values.data.astype(np.float64))
    return float(np.median(np.asarray(values.sum(axis=1)).ravel()))


def fitted(table: AnnData, counts: sp.csr_matrix, plan: Plan) -> AnnData:
    """A table with these counts (n, g), normalised as before, their signed graph, and the results of ``tl.s3rl``."""
    import anndata as ad
    import scanpy as sc

    import s3rl
    from s3rl.tl._s3rl import s3rl as fit

    kept = [key for key in (f"{plan.spatial}_neighbors",) if key in table.uns]
    graph = _keys.connectivities_of(plan.spatial)
    own = ad.AnnData(
        sp.csr_matrix(counts, dtype=np.float64, copy=True),
        obs=table.obs.copy(),
        var=table.var.copy(),
        # components of all counts would tell of those held out
        obsm={key: value for key, value in table.obsm.items() if key != _keys.X_PCA},
        layers={_keys.COUNTS: counts},
        obsp={graph: table.obsp[graph]},
        uns={key: table.uns[key] for key in kept},
    )
    with warnings.catch_warnings():
        # a spot may have lost all of its few counts
        warnings.simplefilter("ignore")
        sc.pp.normalize_total(own, target_sum=plan.target)
    sc.pp.log1p(own)
    own.X = own.X.astype(np.float32)
    with quiet():
        s3rl.pp.signed_neighbors(own, **plan.arguments)
        result = fit(
            own, plan.n_domains, params=plan.params, library_key=plan.library_key, rng=plan.seed, device=plan.device,
            progress=plan.progress, copy=True,
        )  # fmt: skip
    if result is not None:
        for (attribute, key), value in result_slots(result, _keys.ModelKeys().key_added).items():
            getattr(own, attribute)[key] = value
    return own


@contextmanager
def quiet() -> Iterator[None]:
    """Say nothing about slots of private tables."""

    def refuse(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    logger.addFilter(refuse)
    try:
        yield
    finally:
        logger.removeFilter(refuse)
