"""Apply a fitted model to a new slice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._log import note
from s3rl._slots.model import domains_of, result_slots, stale_slots, target_sum_of
from s3rl._slots.neighbors import signed_graph_of, spatial_graph_of
from s3rl._slots.table import normalised_expression_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import Data

__all__ = ["TransferResult", "transfer"]

_FEWEST_GENES = 0.2
_SAME_TOTAL = 0.01


class TransferResult(NamedTuple):
    """What ``s3.tl.transfer(..., copy=True)`` returns.

    Attributes
    ----------
    embedding
        float32 (n, d).
    probabilities
        float32 (n, c), rows sum to one.
    domain
        Categorical of str (n,), with the names of the fit.
    margin
        float32 (n,): highest affinity less the second highest.
    agreement
        None: no mixtures have seen this slice.
    uncertainty
        float32 (n,), 0 to 1, from the affinities alone.
    denoised
        float32 (n, n_vars), NaN for genes that the model does not know; None where the fit had no layer.
    record
        Parameters, inputs, prototypes, version and the genes that were missing.
    """

    embedding: np.ndarray
    probabilities: np.ndarray
    domain: pd.Series
    margin: np.ndarray
    agreement: np.ndarray | None
    uncertainty: np.ndarray
    denoised: np.ndarray | None
    record: dict[str, Any]


def transfer(
    data: Data,
    model: str | os.PathLike[str],
    *,
    neighbors_key: str = "s3rl_neighbors",
    layer: str | None = None,
    device: str = "auto",
    table_key: str | None = None,
    key_added: str = "s3rl",
    copy: bool = False,
) -> TransferResult | None:
    """Embed, assign and denoise a new slice with a fitted model, without training (Fu et al., Adv. Sci. 2025, 4.4).

    Genes are matched by name; for modelled genes that the slice lacks the mean of the fitted slice stands in, and they
    are reported. The slice
    needs the same preparation as the fitted one: ``s3.pp.normalize``, a squidpy graph, ``s3.pp.signed_neighbors``.

    Parameters
    ----------
    data
        AnnData, or SpatialData with a table, of the new slice.
    model
        Folder that ``s3.tl.s3rl(..., model_dir=...)`` wrote.
    neighbors_key
        Entry of ``uns`` that describes the signed graph.
    layer
        Layer with log-normalised expression; None reads ``X``.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    table_key
        Table of a SpatialData.
    key_added
        Prefix of the slots written, those of ``s3.tl.s3rl``.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``TransferResult`` where ``copy=True``. Otherwise writes the slots of ``s3.tl.s3rl`` but for
    ``obs["s3rl_agreement"]``; denoised values of genes that the model does not know are NaN.

    Raises
    ------
    ModelError
        If the folder holds no whole model of this version.
    InputError
        If the slice has fewer than a fifth of the modelled genes.
    MissingKeyError, CountsError, GraphError
        As in ``s3.tl.s3rl``.

    Examples
    --------
    >>> import s3rl as s3
    >>> import squidpy as sq
    >>> old, new = (s3.datasets.simulated_cortex(200, 120, rng=seed).tables["table"] for seed in (0, 1))
    >>> for adata in (old, new):
    ...     s3.pp.normalize(adata)
    ...     sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    ...     s3.pp.signed_neighbors(adata)
    >>> s3.tl.s3rl(old, 5, params={"max_epochs": 20}, model_dir="cortex_model", progress=False)
    >>> s3.tl.transfer(new, "cortex_model")
    >>> new.obs["s3rl_domain"].cat.categories.tolist()
    ['0', '1', '2', '3', '4']
    """
    from s3rl.fit.device import resolve_device, threads_for
    from s3rl.fit.inputs import Slide
    from s3rl.fit.model import FittedModel
    from s3rl.fit.model_folder import load_model
    from s3rl.fit.result import infer
    from s3rl.fit.uncertainty import spot_uncertainty

    place = resolve_device(device)
    folder = os.fspath(model)
    fitted = FittedModel.of(load_model(folder), folder).to(place)
    table = table_of(data, table_key)
    graph = signed_graph_of(table, neighbors_key, without=None if fitted.params.use_image else "image")
    spatial = spatial_graph_of(table, graph.connectivity_key)
    expression = normalised_expression_of(table, layer)
    _compare_totals(target_sum_of(table), fitted.target_sum)
    known = [*fitted.genes, *fitted.other_genes]
    matched, missing = _match(expression, table, known, n_modelled=len(fitted.genes))
    modelled, others = np.arange(len(fitted.genes)), np.arange(len(fitted.genes), len(known))
    slide = Slide.of(
        matched[:, modelled], graph.attraction, spatial, fitted.params, place, np.zeros(table.n_obs, np.int64)
    )
    measured = fitted.expect(missing).to(place)
    with threads_for(table.n_obs):
        inferred = infer(fitted.network, slide, matched, modelled, others, fitted.params, fitted.loadings, measured)
    denoised = None if inferred.denoised is None else _spread(inferred.denoised, table, known)
    record = _record(fitted, missing) | {"input": {"neighbors_key": neighbors_key, "layer": layer, "model": folder}}
    domain = domains_of(inferred.probabilities, fitted.domains, table.obs_names)
    sure = spot_uncertainty(inferred.probabilities, None)
    result = TransferResult(inferred.embedding, inferred.probabilities, domain, *sure, denoised, record)
    if copy:
        return result
    write_slots(table, result_slots(result, key_added), stale=stale_slots(key_added))
    return None


def _compare_totals(found: float | None, learned: float | None) -> None:
    if found is not None and learned is not None and abs(found - learned) > _SAME_TOTAL * learned:
        note(
            "spots were scaled to %g counts, those of the model to %g: s3.pp.normalize(adata, target_sum=%g) on the "
            "counts puts both on one scale",
            found, learned, learned,
        )  # fmt: skip


def _match(
    expression: sp.csr_matrix, table: AnnData, known: list[str], *, n_modelled: int
) -> tuple[sp.csr_matrix, list[str]]:
    """Columns in the order of ``known``, empty for genes the table lacks, and the modelled genes among those."""
    positions = table.var_names.astype(str).get_indexer(known)
    missing = [known[i] for i in np.flatnonzero(positions[:n_modelled] < 0)]
    if len(missing) > (1 - _FEWEST_GENES) * n_modelled:
        raise InputError(
            "shares too few genes with the model",
            key="var_names",
            found=f"{n_modelled - len(missing)} of the {n_modelled} modelled genes; the table has "
            f"{', '.join(table.var_names[:3])}, the model {', '.join(known[:3])}",
            fix="name the genes of both in the same way, for example both by symbol, or train on the shared genes",
        )
    if missing:
        note("%d of %d modelled genes are not in the table: %s", len(missing), n_modelled, ", ".join(missing[:10]))
    found = np.flatnonzero(positions >= 0)
    pick = sp.csr_matrix(
        (np.ones(len(found), dtype=np.float32), (positions[found], found)), shape=(table.n_vars, len(known))
    )
    return sp.csr_matrix(expression @ pick), missing


def _spread(denoised: np.ndarray, table: AnnData, known: list[str]) -> np.ndarray:
    """Denoised values in the columns of the table, NaN for genes that the model does not know."""
    import pandas as pd

    positions = pd.Index(known).get_indexer(table.var_names.astype(str))
    out = np.full(table.shape, np.nan, dtype=np.float32)
    out[:, positions >= 0] = denoised[:, positions[positions >= 0]]
    return out


def _record(fitted: Any, missing: list[str]) -> dict[str, Any]:
    from s3rl import __version__

    return {
        "params": fitted.params.as_dict(),
        "prototypes": fitted.network.head.prototypes.cpu().numpy(),
        "rotation": fitted.network.head.rotation.detach().cpu().numpy(),
        "n_domains": len(fitted.domains),
        "missing_genes": missing,
        "version": __version__,
    }
