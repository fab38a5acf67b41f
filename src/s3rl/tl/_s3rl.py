"""Train S3RL on a table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._random import seed_of
from s3rl._slots.model import domains_of, modelled_genes, result_slots, stale_slots, target_sum_of
from s3rl._slots.neighbors import SignedGraph, check_within_slices, joins_slices, signed_graph_of, spatial_graph_of
from s3rl._slots.table import normalised_expression_of, slices_of, table_of
from s3rl._slots.write import check_key, write_slots
from s3rl.fit.params import S3RLParams
from s3rl.tl._contiguity import notice_cell_types
from s3rl.tl._s3rl_domains import checked_or_open, settled_domains

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    from s3rl._typing import RNG, Data
    from s3rl.fit.model import FittedModel

__all__ = ["S3RLParams", "S3RLResult", "s3rl"]


class S3RLResult(NamedTuple):
    """What ``s3.tl.s3rl(..., copy=True)`` returns.

    Attributes
    ----------
    embedding
        float32 (n, d).
    probabilities
        float32 (n, c), rows sum to one.
    domain
        Categorical of str (n,).
    margin
        float32 (n,): highest affinity less the second highest.
    agreement
        float32 (n,): share of the consensus' mixtures that agree; None where ``params.consensus`` is 0.
    uncertainty
        float32 (n,), 0 to 1.
    denoised
        float32 (n, n_vars) on the scale of the expression, or None where ``params.denoise`` is ``"none"``.
    record
        Parameters, inputs, loss history, prototypes, version and seed.
    """

    embedding: np.ndarray
    probabilities: np.ndarray
    domain: pd.Series
    margin: np.ndarray
    agreement: np.ndarray | None
    uncertainty: np.ndarray
    denoised: np.ndarray | None
    record: dict[str, Any]


def s3rl(
    data: Data,
    n_domains: int | None = None,
    *,
    neighbors_key: str = "s3rl_neighbors",
    layer: str | None = None,
    params: S3RLParams | Mapping[str, Any] | None = None,
    library_key: str | None = None,
    model_dir: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    rng: RNG = None,
    device: str = "auto",
    progress: bool = True,
    table_key: str | None = None,
    key_added: str = "s3rl",
    copy: bool = False,
) -> S3RLResult | None:
    """Find domains, an embedding and denoised expression (Fu et al., Adv. Sci. 2025, sections 4.3 and 4.4).

    A graph-transformer autoencoder reads log-normalised expression on the signed graph; prototypes spread over a
    hypersphere assign the spots to domains while it trains. The default settings differ from the paper's where its
    form collapses: the first layer is diffused over the spatial graph, the embedding also predicts diffused principal
    components, and the prototypes learn from the consensus of Gaussian mixtures on these. ``S3RLParams.paper()`` is
    the published form.

    The denoised layer shows where a gene is expressed: the logarithm of the expected normalised expression, each gene
    read out of the embedding, shrunk by how much of that is noise, and corrected by what the spot's own counts say
    beyond it. Its values borrow from neighbouring and similar spots; they suit maps, gradients and markers, and do
    not suit tests that count spots as independent samples. ``s3.tl.denoising_report`` measures it.

    Parameters
    ----------
    data
        AnnData, or SpatialData with a table, with log-normalised expression and a signed graph.
    n_domains
        Domains c, at least 2 and fewer than spots; None chooses 2 to 15 by the evidence of the data, see
        :func:`s3rl.pl.n_domains`.
    neighbors_key
        Entry of ``uns`` that describes the signed graph.
    layer
        Layer with log-normalised expression; None reads ``X``. Genes with ``var["highly_variable"]`` are modelled,
        all of them where nothing is marked.
    params
        ``S3RLParams``, or a mapping of some of its names.
    library_key
        Column of ``obs`` that names the slice: several slices share one model and its domains. The graph joins
        slices only where ``s3.pp.slice_neighbors`` made it; ``params.batch`` says what is done about differences.
    model_dir
        Folder to save the fitted model in, for ``s3.tl.transfer``.
    checkpoint
        File to save the state of training in, and to continue from where it exists.
    rng
        Seed or generator; None is seed 0.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    progress
        Whether to show a progress bar.
    table_key
        Table of a SpatialData.
    key_added
        Prefix of the slots written.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or an ``S3RLResult`` where ``copy=True``. Otherwise writes

    - ``obsm["X_s3rl"]``: embedding, float32 (n, d)
    - ``obsm["s3rl_probabilities"]``: affinity to each domain, float32 (n, c)
    - ``obs["s3rl_domain"]``: categorical of str, with ``uns["s3rl_domain_colors"]``
    - ``obs["s3rl_margin"]``: highest affinity less the second highest, float32
    - ``obs["s3rl_agreement"]``: share of the consensus' mixtures that put the spot into its domain, float32; not where
      ``params.consensus`` is 0
    - ``obs["s3rl_uncertainty"]``: probability that the model and one of the mixtures differ about the spot, float32;
      not a posterior, see :func:`s3rl.pl.uncertainty`
    - ``layers["s3rl"]``: denoised expression, float32 (n, n_vars)
    - ``uns["s3rl"]``: parameters, inputs, loss history, prototypes, rotation, version and seed; where ``n_domains`` is
      None also ``n_domains_evidence``

    Raises
    ------
    MissingKeyError
        If the signed graph, the layer or the table is not there.
    CountsError
        If the expression is not normalised, or a spot has none.
    GraphError
        If the graph belongs to another object, or joins slices.
    ParameterError
        If ``n_domains``, ``params``, ``device`` or ``rng`` is out of range.
    ModelError
        If the checkpoint is of another run, or the loss stops being finite.
    StoreError
        If ``model_dir`` cannot be written, or holds anything but a model.

    Examples
    --------
    >>> import s3rl as s3
    >>> import squidpy as sq
    >>> adata = s3.datasets.simulated_cortex(200, 120).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sq.gr.spatial_neighbors_knn(adata, n_neighs=6)
    >>> s3.pp.signed_neighbors(adata)
    >>> s3.tl.s3rl(adata, 5, params={"max_epochs": 20}, progress=False)
    >>> adata.obsm["X_s3rl"].shape, adata.obs["s3rl_domain"].nunique()
    ((200, 32), 5)
    """
    from s3rl.fit.device import threads_for

    table = table_of(data, table_key)
    check_key(key_added)
    settings = S3RLParams.of(params)
    n_domains = checked_or_open(n_domains, table.n_obs)
    seed = seed_of(rng)
    graph = signed_graph_of(table, neighbors_key, without=None if settings.use_image else "image")
    spatial = spatial_graph_of(table, graph.connectivity_key)
    codes, names = slices_of(table, library_key)
    if not joins_slices(table, graph.connectivity_key):
        check_within_slices(codes, names, library_key, graph, spatial)
    expression = normalised_expression_of(table, layer)
    if model_dir is not None:
        from s3rl.fit.model_folder import check_model_folder, save_model

        check_model_folder(model_dir)
    with threads_for(table.n_obs):
        fitted, result = _fit(
            table, expression, graph, spatial, n_domains, settings, codes,
            seed=seed, device=device, checkpoint=checkpoint, progress=progress,
        )  # fmt: skip
    result.record["input"] = {
        "neighbors_key": neighbors_key,
        "layer": layer,
        "library_key": library_key,
        "genes": fitted.genes,
        "model_dir": None if model_dir is None else os.fspath(model_dir),
    }
    if model_dir is not None:
        save_model(model_dir, fitted.saved())
    if copy:
        return result
    write_slots(table, result_slots(result, key_added), stale=stale_slots(key_added))
    return None


def _fit(
    table: AnnData,
    expression: sp.csr_matrix,
    graph: SignedGraph,
    spatial: sp.csr_matrix,
    n_domains: int | None,
    params: S3RLParams,
    slices: np.ndarray,
    *,
    seed: int,
    device: str,
    checkpoint: str | os.PathLike[str] | None,
    progress: bool,
) -> tuple[FittedModel, S3RLResult]:
    from s3rl.fit.batches import resolved_batch
    from s3rl.fit.device import resolve_device
    from s3rl.fit.inputs import Slide, fingerprint, gene_weights, targets_of
    from s3rl.fit.loop import train
    from s3rl.fit.model import FittedModel
    from s3rl.fit.result import infer
    from s3rl.fit.uncertainty import spot_uncertainty

    place = resolve_device(device)
    modelled = modelled_genes(table)
    others = np.setdiff1d(np.arange(table.n_vars), modelled)
    x = expression[:, modelled]
    notice_cell_types(table, x, slices, params, seed=seed)
    asked, params = params, replace(params, batch=resolved_batch(x, slices, params.batch, seed=seed))
    smoothing = spatial * params.anchor_diffusion
    smoothing.eliminate_zeros()
    n_domains, chosen = settled_domains(
        n_domains, x, spatial, smoothing, slices, params.batch, seed=seed, progress=progress
    )
    slide = Slide.of(x, graph.attraction, spatial, params, place, slices)
    targets = targets_of(
        x, graph.attraction, graph.repulsion, smoothing, n_domains, params, seed=seed, device=place, slices=slices
    )
    mark = fingerprint(params, seed, n_domains, x, graph.attraction, graph.repulsion, spatial)
    weights = gene_weights(x) if params.diffusion > 0 else None
    network, history = train(
        slide, targets, n_domains, params, weights,
        seed=seed, checkpoint=checkpoint, fingerprint=mark, progress=progress,
    )  # fmt: skip
    inferred = infer(network, slide, expression, modelled, others, params)
    names = [str(i) for i in range(n_domains)]
    fitted = FittedModel(
        network,
        params,
        genes=table.var_names[modelled].astype(str).tolist(),
        other_genes=table.var_names[others].astype(str).tolist(),
        loadings=inferred.loadings,
        domains=names,
        graph_params=graph.params,
        target_sum=target_sum_of(table),
    )
    domain = domains_of(inferred.probabilities, names, table.obs_names)
    record = _record(network, history, asked, seed, n_domains) | {"batch": params.batch} | chosen
    sure = spot_uncertainty(inferred.probabilities, targets.mixtures if params.consensus > 0 else None)
    return fitted, S3RLResult(inferred.embedding, inferred.probabilities, domain, *sure, inferred.denoised, record)


def _record(network: Any, history: dict[str, list[float]], params: S3RLParams, seed: int, n_domains: int) -> dict:
    from s3rl import __version__

    return {
        "params": params.as_dict(),
        "history": {"epoch": np.arange(len(history["loss"]))} | {k: np.asarray(v) for k, v in history.items()},
        "prototypes": network.head.prototypes.cpu().numpy(),
        "rotation": network.head.rotation.detach().cpu().numpy(),
        "n_domains": n_domains,
        "version": __version__,
        # neither h5ad nor Zarr holds longer integers
        "seed": seed if seed < 2**63 else str(seed),
    }
