"""What a method must beat: mixtures and k-means on principal components, as they are, averaged and diffused."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

COMPONENTS = 15
CLIP = 10.0
STRENGTH = 1.0


def floor(adata: ad.AnnData, n_domains: int, seed: int, *, view: str, cluster: str) -> np.ndarray:
    """Labels (n,) of ``cluster`` (``mixture`` or ``kmeans``) on ``view`` (``pca``, ``mean`` or ``diffused``)."""
    components = principal_components(adata, seed)
    if view != "pca":
        components = {"mean": mean_of_neighbours, "diffused": diffused}[view](components, graph_of(adata))
    return CLUSTERS[cluster](components, n_domains, seed)


def principal_components(adata: ad.AnnData, seed: int) -> np.ndarray:
    """Components (n, k) of the variable genes at unit variance, clipped at ten deviations."""
    genes = adata.var["highly_variable"].to_numpy()
    x = sp.csr_matrix(adata.X)[:, genes].toarray().astype(np.float32)
    deviation = x.std(axis=0)
    x = np.minimum((x - x.mean(axis=0)) / np.where(deviation > 1e-6, deviation, 1.0), CLIP)
    return PCA(min(COMPONENTS, min(x.shape) - 1), svd_solver="arpack", random_state=seed).fit_transform(x)


def graph_of(adata: ad.AnnData) -> sp.csr_matrix:
    """Undirected neighbours (n, n) of weight one."""
    graph = sp.csr_matrix(adata.obsp["spatial_connectivities"])
    return sp.csr_matrix(((graph + graph.T) > 0).astype(np.float64))


def mean_of_neighbours(components: np.ndarray, graph: sp.csr_matrix) -> np.ndarray:
    """Mean over each spot and its neighbours."""
    with_self = graph + sp.identity(graph.shape[0])
    return np.asarray(with_self @ components) / np.asarray(with_self.sum(axis=1))


def diffused(components: np.ndarray, graph: sp.csr_matrix) -> np.ndarray:
    """``(I + L)^-1`` times the components, with the graph Laplacian L, solved exactly."""
    laplacian = sp.diags(np.asarray(graph.sum(axis=1)).ravel()) - graph
    return splu(sp.csc_matrix(sp.identity(graph.shape[0]) + STRENGTH * laplacian)).solve(components.astype(np.float64))


def mixture(view: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    """Gaussian mixture with one covariance for all of its components."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        made = GaussianMixture(n_domains, covariance_type="tied", reg_covar=1e-4, random_state=seed)
        return made.fit_predict(view.astype(np.float64))


def kmeans(view: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    """k-means, the best of ten starts."""
    return KMeans(n_domains, n_init=10, random_state=seed).fit_predict(view)


CLUSTERS = {"mixture": mixture, "kmeans": kmeans}
