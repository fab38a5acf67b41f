"""The methods by name: floors, the consensus alone, the default, and the default with one change."""

from __future__ import annotations

import dataclasses
import importlib
import tempfile
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from _domains.floors import floor, graph_of, mixture

if TYPE_CHECKING:
    import anndata as ad

    from s3rl.tl import S3RLParams

DYNAMIC = 0.1  # the noise of dynamic prototypes in the form of the paper
WITH_IMAGE = ("A1",)  # the one annotated slice whose image is fine enough for tiles


@dataclass(frozen=True)
class Variant:
    """One change of the default.

    Parameters
    ----------
    changes
        Fields of ``S3RLParams``.
    graph
        ``signed``; ``positive``, without the negative edges; or ``spatial``, without any of expression.
    image
        Whether features of the image give edges too.
    paper
        Whether to start from ``S3RLParams.paper()``.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    graph: str = "signed"
    image: bool = False
    paper: bool = False

    def params(self) -> S3RLParams:
        from s3rl.tl import S3RLParams

        start = S3RLParams.paper() if self.paper else S3RLParams()
        return dataclasses.replace(start, denoise="none", **self.changes)


FLOORS = {
    f"{view}-{cluster}": partial(floor, view=view, cluster=cluster)
    for cluster in ("mixture", "kmeans")
    for view in ("pca", "mean", "diffused")
}
DEFAULT = ("consensus", "s3rl", "s3rl-embedding")
ABLATIONS = {
    "image": Variant(image=True),
    "no-gene-edges": Variant(graph="spatial"),
    "no-negative-edges": Variant(graph="positive"),
    "dynamic-prototypes": Variant({"prototype_noise": DYNAMIC}),
    "static-prototypes": Variant({"prototype_noise": 0.0}),
    "no-separability": Variant({"separability": 0.0}),
    "no-topology": Variant({"topology": 0.0}),
    "equal-sizes": Variant({"size_prior": "equal"}),
    "no-anchor": Variant({"anchor": 0.0}),
    "no-consensus": Variant({"consensus": 0.0}),
    "no-consensus-no-sizes": Variant({"consensus": 0.0, "size_prior": "equal"}),
    "no-diffusion": Variant({"diffusion": 0.0}),
    "paper": Variant(paper=True),
}
GROUPS = {
    "floors": list(FLOORS),
    "default": list(DEFAULT),
    "ablations": list(ABLATIONS),
    "all": [*FLOORS, *DEFAULT, *ABLATIONS],
}
TITLES = {
    "pca-mixture": "PCA + mixture",
    "mean-mixture": "mean of neighbours + mixture",
    "diffused-mixture": "diffused PCA + mixture",
    "pca-kmeans": "PCA + k-means",
    "mean-kmeans": "mean of neighbours + k-means",
    "diffused-kmeans": "diffused PCA + k-means",
    "consensus": "consensus, untrained",
    "s3rl": "s3rl",
    "s3rl-embedding": "s3rl embedding + mixture",
    "image": "with the image",
    "no-consensus-no-sizes": "no consensus, no sizes of it",
    "equal-sizes": "equal sizes expected",
    "paper": "S3RLParams.paper()",
}


def methods_of(asked: list[str]) -> list[str]:
    """Methods that names and groups stand for, each once; of static and dynamic prototypes the one that is a change."""
    from s3rl.tl import S3RLParams

    same = "dynamic-prototypes" if S3RLParams().prototype_noise > 0 else "static-prototypes"
    wanted = dict.fromkeys(name for one in asked for name in GROUPS.get(one, [one]))
    return [name for name in wanted if name != same or name in asked]


def title_of(method: str) -> str:
    return TITLES.get(method, method.replace("-", " "))


def prepare(adata: ad.AnnData) -> None:
    """Normalised expression and the spatial graph, which all methods start from; nothing of it is timed."""
    import squidpy as sq

    import s3rl as s3

    s3.pp.normalize(adata)
    sq.gr.spatial_neighbors_knn(adata, n_neighs=6)


def load_libraries(method: str) -> None:
    """Import what a method imports when it is called, which is not timed."""
    if method not in FLOORS:
        for module in (
            "pp._signed_neighbors",
            "tl._s3rl",
            "graph",
            "fit.inputs",
            "fit.loop",
            "fit.model",
            "fit.result",
        ):
            importlib.import_module(f"s3rl.{module}")


def labels_of(method: str, adata: ad.AnnData, n_domains: int, seed: int) -> np.ndarray:
    """Run a method on a prepared table of its own, and return the domain (n,) of each spot."""
    if method in FLOORS:
        return FLOORS[method](adata, n_domains, seed)
    if method == "consensus":
        return consensus(adata, n_domains, seed)
    if method == "s3rl-embedding":
        if "X_s3rl" not in adata.obsm:
            fit(adata, n_domains, seed, Variant())
        return mixture(adata.obsm["X_s3rl"], n_domains, seed)
    return fit(adata, n_domains, seed, Variant() if method == "s3rl" else ABLATIONS[method])


def consensus(adata: ad.AnnData, n_domains: int, seed: int) -> np.ndarray:
    """What the network is trained towards, without the network."""
    import scipy.sparse as sp
    import torch

    from s3rl.fit.inputs import targets_of
    from s3rl.tl import S3RLParams

    spatial = sp.csr_matrix(graph_of(adata), dtype=np.float32)
    x = sp.csr_matrix(adata.X)[:, adata.var["highly_variable"].to_numpy()]
    params = dataclasses.replace(S3RLParams(), batch="none")
    none = sp.csr_matrix(spatial.shape, dtype=np.float32)
    targets = targets_of(x, spatial, none, spatial, n_domains, params, seed=seed, device=torch.device("cpu"))
    return targets.consensus.argmax(dim=1).numpy()


def fit(adata: ad.AnnData, n_domains: int, seed: int, variant: Variant) -> np.ndarray:
    """Signed graph and training."""
    import s3rl as s3

    names = adata.obs_names
    if variant.image:
        adata = with_features(adata, seed)
    s3.pp.signed_neighbors(adata, image_rep="X_simclr" if variant.image else None)
    restrict(adata, variant.graph)
    s3.tl.s3rl(adata, n_domains, params=variant.params(), rng=seed, progress=False)
    return adata.obs["s3rl_domain"].reindex(names).to_numpy()


def restrict(adata: ad.AnnData, graph: str) -> None:
    """Take edges out of the signed graph."""
    import scipy.sparse as sp

    if graph == "signed":
        return
    adata.obsp["s3rl_repulsions"] = sp.csr_matrix(adata.obsp["s3rl_repulsions"].shape, dtype=np.float32)
    if graph == "spatial":
        adata.obsp["s3rl_connectivities"] = sp.csr_matrix(graph_of(adata), dtype=np.float32)


def with_features(adata: ad.AnnData, seed: int) -> ad.AnnData:
    """The table with features of tiles as wide as spots are apart."""
    from scipy.spatial import cKDTree
    from spatialdata.transformations import get_transformation

    import s3rl as s3

    if not adata.uns.get("spatial"):
        raise ValueError("no image")
    sdata = s3.pp.to_spatialdata(adata)
    image = next(iter(sdata.images))
    matrix = get_transformation(sdata[image], "global").to_affine_matrix(("x", "y"), ("x", "y"))
    xy = adata.obsm["spatial"]
    apart = float(np.ceil(np.median(cKDTree(xy).query(xy, k=2)[0][:, 1])))
    s3.pp.make_tiles(sdata, image, size=apart / float(np.sqrt(abs(np.linalg.det(matrix[:2, :2])))))
    with tempfile.TemporaryDirectory() as folder:
        s3.tl.simclr(sdata, tiles_key=f"{image}_tiles", rng=seed, progress=False, encoder_path=f"{folder}/encoder")
    return next(iter(sdata.tables.values()))
