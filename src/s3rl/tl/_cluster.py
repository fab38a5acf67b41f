"""Hard domains from a representation, without a model: the usual three ways."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from s3rl._keys import X_SIMCLR, ModelKeys
from s3rl._random import seed_of, stream
from s3rl._slots.embedding import embedding_of
from s3rl._slots.labels import colors_key
from s3rl._slots.palette import domain_colors
from s3rl._slots.table import slot_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import GraphError, ParameterError

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    from s3rl._typing import RNG, Data

_OWN = ModelKeys().embedding
_CALLS = {_OWN: "s3.tl.s3rl(adata, n_domains)", X_SIMCLR: "s3.tl.simclr(sdata)"}
_METHODS = ("kmeans", "gmm", "leiden")
_N_INIT = 10
_N_NEIGHS = 15


class ClusterResult(NamedTuple):
    """Result of :func:`s3rl.tl.cluster` with ``copy=True``.

    Attributes
    ----------
    domain
        Categorical Series of str (n,) with the index of ``obs``: ``"0"`` is the largest cluster.
    colors
        One hexadecimal colour for each category.
    """

    domain: pd.Series
    colors: list[str]


def cluster(
    data: Data,
    method: Literal["kmeans", "gmm", "leiden"],
    *,
    n_domains: int | None = None,
    resolution: float | None = None,
    use_rep: str = _OWN,
    n_neighs: int | None = None,
    neighbors_key: str | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> ClusterResult | None:
    """Cluster the spots in a representation, for comparison with the prototypes' own domains.

    With ``use_rep="X_simclr"`` these are domains of the image alone (:func:`s3rl.pl.image_domains`).

    - ``"kmeans"``: the best of 10 starts of :class:`sklearn.cluster.KMeans`.
    - ``"gmm"``: Gaussian mixture whose components share one covariance ("EEE" of mclust), the best of 10 k-means
      starts of :class:`sklearn.mixture.GaussianMixture`; up to ``n_domains`` clusters, since a component may end empty.
    - ``"leiden"``: :func:`scanpy.tl.leiden` until it is stable (igraph, modularity), on the neighbours of the
      representation (:func:`scanpy.pp.neighbors`, exact), which are not written, or on a graph that is there.

    Clusters are numbered by size. The numbers do not depend on the number of threads, and neither the representation
    nor a global random state is changed.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    method
        ``"kmeans"``, ``"gmm"`` or ``"leiden"``.
    n_domains
        Number of clusters, 2 to n; for k-means and the mixture, which need it.
    resolution
        Coarseness, higher gives more clusters; for leiden, where None is 1.0.
    use_rep
        Name in ``obsm`` of the representation, (n, d).
    n_neighs
        Neighbours of each spot; for leiden, where None is 15, or n - 1 where there are fewer.
    neighbors_key
        Name in ``uns`` of neighbours that exist, to use instead of those of ``use_rep``; for leiden. With
        ``"s3rl_neighbors"`` these are the attracting pairs of the signed graph.
    rng
        Seed or generator; None is seed 0.
    table_key
        Table of a SpatialData.
    key_added
        Name of the result. None is the representation without ``X_`` and the method: ``"s3rl_<method>"`` for
        ``"X_s3rl"`` and for neighbours that exist, ``"simclr_leiden"`` for Leiden on ``"X_simclr"``.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.ClusterResult` with ``copy=True``. Written otherwise:

    ``obs[key_added]``
        Categorical of str, (n,).
    ``uns["<key_added>_colors"]``
        One colour for each category.

    Raises
    ------
    ParameterError
        If the method is unknown, or an argument is outside of its range or belongs to another method.
    MissingKeyError
        If the representation or the neighbours are not there.
    InputError
        If the representation is not finite numbers.
    GraphError
        If the neighbours have negative weights.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 2.2 compares domains by the adjusted Rand index; the tied mixture stands for
    the mclust step of the methods it compares with.

    Examples
    --------
    >>> import scanpy as sc
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3).tables["table"]
    >>> sc.pp.normalize_total(adata)
    >>> sc.pp.log1p(adata)
    >>> sc.pp.pca(adata, n_comps=10)
    >>> s3.tl.cluster(adata, "gmm", n_domains=3, use_rep="X_pca")
    >>> list(adata.obs["pca_gmm"].cat.categories)
    ['0', '1', '2']
    """
    table = table_of(data, table_key)
    _check(table.n_obs, method, n_domains, resolution, n_neighs, neighbors_key)
    seed = int(stream(seed_of(rng)).integers(2**32))
    if neighbors_key is not None:
        codes = _leiden(_graph_of(table, neighbors_key), resolution, seed)
    else:
        values = embedding_of(table, use_rep, fix=f"{_CALLS.get(use_rep, _CALLS[_OWN])}, or pass another use_rep=")
        if method == "leiden":
            size = min(n_neighs or _N_NEIGHS, table.n_obs - 1)
            codes = _leiden(_neighbors(values, size), resolution, seed)
        else:
            codes = _partition(values, method, int(n_domains or 0), seed)
    result = _named(table, codes)
    if copy:
        return result
    source = use_rep if neighbors_key is None else _OWN
    key = key_added or f"{source.removeprefix('X_')}_{method}"
    write_slots(table, {("obs", key): result.domain, ("uns", colors_key(key)): result.colors})
    return None


def _check(
    n: int,
    method: str,
    n_domains: int | None,
    resolution: float | None,
    n_neighs: int | None,
    neighbors_key: str | None,
) -> None:
    if method not in _METHODS:
        raise ParameterError(
            "names no method", key="method", found=repr(method), available=_METHODS, fix="pass method='kmeans'"
        )
    given = {"n_domains": n_domains, "resolution": resolution, "n_neighs": n_neighs, "neighbors_key": neighbors_key}
    foreign = ("n_domains",) if method == "leiden" else ("resolution", "n_neighs", "neighbors_key")
    for name in foreign:
        if given[name] is not None:
            owner = "leiden" if name != "n_domains" else "kmeans"
            raise ParameterError(
                f"has no meaning for {method}",
                key=name,
                found=repr(given[name]),
                fix=f"leave {name} out, or pass method={owner!r}",
            )
    if neighbors_key is not None and n_neighs is not None:
        raise ParameterError(
            "has no meaning for neighbours that exist", key="n_neighs", found=repr(n_neighs), fix="leave n_neighs out"
        )
    if method != "leiden":
        _check_whole("n_domains", n_domains, n, 2)
    if n_neighs is not None:
        _check_whole("n_neighs", n_neighs, n - 1, 2)
    if resolution is not None and not (isinstance(resolution, (int, float)) and 0 < resolution < np.inf):
        raise ParameterError(
            "must be a positive number", key="resolution", found=repr(resolution), fix="pass resolution=1.0"
        )


def _check_whole(name: str, value: object, high: int, low: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not low <= value <= high:  # type: ignore[operator]
        raise ParameterError(
            f"must be a whole number from {low} to {high}",
            key=name,
            found=repr(value),
            fix=f"pass {name}={low} or more",
        )


def _graph_of(table: AnnData, neighbors_key: str) -> sp.csr_matrix:
    import scipy.sparse as sp

    fix = "squidpy.gr.spatial_neighbors_knn, scanpy.pp.neighbors or s3.pp.signed_neighbors"
    named = slot_of(table, "uns", neighbors_key, fix=fix)
    if not hasattr(named, "get") or named.get("connectivities_key") is None:
        raise GraphError("names no connectivities", key=f"uns[{neighbors_key!r}]", fix=fix)
    key = str(named["connectivities_key"])
    graph = sp.csr_matrix(slot_of(table, "obsp", key, fix=fix))
    if graph.nnz and not (np.isfinite(graph.data).all() and graph.data.min() >= 0):
        raise GraphError("has weights that are negative or not finite", key=f"obsp[{key!r}]", fix=fix)
    return graph


def _partition(values: np.ndarray, method: str, n_domains: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    spread = float(np.sqrt(values.var(axis=0).sum()))
    # the mixture adds an absolute constant to the covariance, so that a representation of small numbers would be lost
    values = values / spread if spread > 0 else values
    model: Any
    if method == "kmeans":
        model = KMeans(n_domains, n_init=_N_INIT, random_state=seed)
    else:
        model = GaussianMixture(
            n_domains, covariance_type="tied", init_params="kmeans", n_init=_N_INIT, max_iter=300, random_state=seed
        )
    # several threads add up in the order in which they finish
    with threadpool_limits(1):
        return np.asarray(model.fit_predict(values))


def _neighbors(values: np.ndarray, n_neighs: int) -> sp.csr_matrix:
    import anndata as ad
    import scanpy as sc

    apart = ad.AnnData(obsm={"X": values})
    with _global_states_kept():
        sc.pp.neighbors(apart, n_neighbors=n_neighs, use_rep="X", transformer="sklearn", random_state=0)
    return apart.obsp["connectivities"]


def _leiden(graph: sp.csr_matrix, resolution: float | None, seed: int) -> np.ndarray:
    import anndata as ad
    import scanpy as sc

    apart = ad.AnnData(obsm={"X": np.zeros((graph.shape[0], 1))})
    with _global_states_kept():
        sc.tl.leiden(
            apart,
            resolution=1.0 if resolution is None else float(resolution),
            adjacency=graph,
            random_state=seed,
            flavor="igraph",
            n_iterations=-1,
        )
    return apart.obs["leiden"].astype(int).to_numpy()


@contextmanager
def _global_states_kept() -> Iterator[None]:
    """Restore Python's and numpy's global random states, from which libraries draw below their own seeds."""
    python, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)  # noqa: NPY002


def _named(table: AnnData, codes: np.ndarray) -> ClusterResult:
    import pandas as pd

    _, first, inverse, sizes = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    names = [str(number) for number in range(len(sizes))]
    domain = pd.Categorical.from_codes(rank[inverse], names)
    return ClusterResult(pd.Series(domain, index=table.obs_names.copy()), domain_colors(len(names)))
