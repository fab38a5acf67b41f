"""What ``tl.trajectory`` computes with scanpy: neighbours, diffusion map, connected groups; all beside the table."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._log import note
from s3rl._slots.states import quiet_library
from s3rl.errors import GraphError, MissingExtraError
from s3rl.statistics.pseudotime import FRAGMENT, distance_from, dpt_coordinates, ends, outermost

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_SHOWN = 5


class Groups(NamedTuple):
    """Groups of spots and how they hang together.

    Attributes
    ----------
    names
        The k groups that have spots.
    codes
        Group of each spot, int (n,); -1 is none.
    connectivities, tree
        PAGA's, float64 (k, k) and symmetric.
    """

    names: list[str]
    codes: np.ndarray
    connectivities: np.ndarray
    tree: np.ndarray

    def spots(self, name: str) -> np.ndarray:
        """Positions of the spots of a group."""
        return np.flatnonzero(self.codes == self.names.index(name))


def neighbors_apart(table: AnnData, values: np.ndarray, n_neighs: int) -> AnnData:
    """A table of its own with the exact neighbours of an embedding (n, d), as :func:`scanpy.pp.neighbors` has them."""
    import anndata as ad
    import pandas as pd
    import scanpy as sc

    # cellrank asks for the type of X
    apart = ad.AnnData(
        sp.csr_matrix((table.n_obs, 1), dtype=np.float32),
        obs=pd.DataFrame(index=table.obs_names.copy()),
        obsm={"X": values.astype(np.float32)},
    )
    with quiet_library():
        sc.pp.neighbors(apart, n_neighbors=n_neighs, use_rep="X", transformer="sklearn", random_state=0)
    return apart


def add_space(apart: AnnData, spatial: sp.csr_matrix, weight: float) -> None:
    """Mix the neighbours with those in the tissue; both graphs have the same mean degree before."""
    own = apart.obsp["connectivities"]
    spatial = spatial.maximum(spatial.T)
    scale = own.sum() / spatial.sum()
    apart.obsp["connectivities"] = sp.csr_matrix((1 - weight) * own + weight * scale * spatial, dtype=np.float32)


def join_parts(apart: AnnData, spatial_weight: float) -> None:
    """Join small parts of the neighbours to the largest one, each of their spots to the most similar spot there.

    Raises
    ------
    GraphError
        If another part has one spot in a hundred or more: there is no way from one to the other.
    """
    from sklearn.neighbors import NearestNeighbors

    weights = apart.obsp["connectivities"]
    count, part = sp.csgraph.connected_components(weights, directed=False)
    if count == 1:
        return
    sizes = np.bincount(part)
    _refuse_parts(np.sort(sizes)[::-1], spatial_weight)
    main, strays = np.flatnonzero(part == sizes.argmax()), np.flatnonzero(part != sizes.argmax())
    note("%d spots in small parts (%d) are joined to the spots of the rest they resemble", len(strays), count - 1)
    values = apart.obsm["X"]
    nearest = NearestNeighbors(n_neighbors=1).fit(values[main]).kneighbors(values[strays], return_distance=False)
    bridge = np.full(len(strays), weights.data.mean())
    new = sp.csr_matrix((bridge, (strays, main[nearest[:, 0]])), shape=weights.shape, dtype=np.float32)
    apart.obsp["connectivities"] = sp.csr_matrix(weights + new + new.T, dtype=np.float32)


def _refuse_parts(sizes: np.ndarray, spatial_weight: float) -> None:
    if sizes[1] < FRAGMENT * sizes.sum():
        return
    shown = ", ".join(map(str, sizes[:_SHOWN])) + (", ..." if len(sizes) > _SHOWN else "")
    more = "" if spatial_weight else ", params={'spatial_weight': 0.1} to join neighbours in the tissue"
    raise GraphError(
        "falls into parts, and no pseudotime leads from one to another",
        key="neighbours of the embedding",
        found=f"{len(sizes)} parts of {shown} spots",
        fix=f"pass params={{'n_neighs': 30}} or more{more}; or take one part: adata[...].copy()",
    )


def diffused(apart: AnnData, n_components: int, seed: int) -> np.ndarray:
    """Coordinates (n, n_components) in which the distance is the diffusion pseudotime."""
    import scanpy as sc

    with quiet_library():
        sc.tl.diffmap(apart, n_comps=n_components, random_state=seed % 2**32)
    return dpt_coordinates(apart.uns["diffmap_evals"], apart.obsm["X_diffmap"])


def groups_of(apart: AnnData, labels: pd.Categorical) -> Groups:
    """How groups of spots hang together in the neighbours of the embedding (:func:`scanpy.tl.paga`)."""
    import scanpy as sc

    labels = labels.remove_unused_categories()
    named = apart[labels.codes >= 0].copy()
    named.obs["group"] = labels[labels.codes >= 0]
    with quiet_library():
        sc.tl.paga(named, groups="group")
    found, tree = (named.uns["paga"][name].toarray() for name in ("connectivities", "connectivities_tree"))
    return Groups(list(labels.categories), np.asarray(labels.codes, dtype=np.int64), found, np.maximum(tree, tree.T))


def root_of(coordinates: np.ndarray, groups: Groups, root: str | int) -> int:
    """The root spot itself, or of a group the one farthest from all other spots."""
    if isinstance(root, int):
        return root
    own = groups.spots(root)
    return outermost(coordinates, own, np.setdiff1d(np.arange(len(coordinates)), own))


def palantir_time(
    values: np.ndarray, names: pd.Index, root: int, *, n_neighs: int, n_components: int, seed: int
) -> np.ndarray:
    """Palantir's pseudotime (n,) on an embedding.

    Raises
    ------
    MissingExtraError
        If palantir is not installed.
    """
    import pandas as pd

    frame = pd.DataFrame(values, index=names)
    with quiet_library(), redirect_stdout(StringIO()):
        try:
            import palantir
        except ImportError as error:
            raise MissingExtraError(
                "is not installed", key="palantir", found=str(error), fix="pip install palantir, or pseudotime='dpt'"
            ) from error
        maps = palantir.utils.run_diffusion_maps(frame, n_components=n_components, knn=n_neighs, seed=seed % 2**32)
        space = palantir.utils.determine_multiscale_space(maps)
        found = palantir.core.run_palantir(
            space, names[root], knn=n_neighs, use_early_cell_as_start=True, n_jobs=1, seed=seed % 2**32
        )
    return np.asarray(found.pseudotime.reindex(names), dtype=np.float64)


def dpt_time(coordinates: np.ndarray, root: int) -> np.ndarray:
    """Diffusion pseudotime (n,) from the root, 0 to 1."""
    return distance_from(coordinates, root)


def medians_of(groups: Groups, time: np.ndarray) -> np.ndarray:
    """Median pseudotime of each group, float64 (k,)."""
    return np.array([np.median(time[groups.codes == code]) for code in range(len(groups.names))])


def ends_of(
    apart: AnnData, groups: Groups, time: np.ndarray, root_group: object, *, count: int, share: float, fewest: int
) -> list[str]:
    """Groups after which nothing comes, but the root's and those of fewer than ``fewest`` spots."""
    sizes = np.bincount(groups.codes[groups.codes >= 0], minlength=len(groups.names))
    allowed = (sizes >= fewest) & (np.array(groups.names) != root_group)
    found = ends(apart.obsp["connectivities"], time, groups.codes, allowed, count=count, share=share)
    return [groups.names[place] for place in found]
