"""How well slices lie over each other in a representation, and whether domains hold together across them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._keys import ModelKeys
from s3rl._slots.embedding import embedding_of
from s3rl._slots.extras import import_extra
from s3rl._slots.labels import categories_of
from s3rl._slots.table import slices_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import LabelsError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from s3rl._typing import Data

_OWN = ModelKeys()
_PERPLEXITY = 30.0
# LISI weighs three times its perplexity of neighbours
_NEIGHBOURS_OF_PERPLEXITY = 3


class SliceMixing(NamedTuple):
    """What ``s3.tl.slice_mixing(..., copy=True)`` returns.

    Attributes
    ----------
    ilisi
        Median over the spots of the effective number of slices around them: 1 where slices lie apart.
    best
        The number that slices of these sizes would have if they were mixed at random.
    connectivity
        Mean over the domains of the share of their spots in one connected piece, up to 1.
    domains
        DataFrame, one row for each domain: ``n_spots``, ``n_slices`` in which it has spots, ``ilisi`` (median) and
        ``connectivity``.
    spots
        Effective number of slices around each spot, float64 (n,).
    """

    ilisi: float
    best: float
    connectivity: float
    domains: pd.DataFrame
    spots: np.ndarray


def slice_mixing(
    data: Data,
    library_key: str,
    *,
    use_rep: str = _OWN.embedding,
    groupby: str | None = None,
    n_neighs: int = 15,
    table_key: str | None = None,
    key_added: str = "slice_mixing",
    copy: bool = False,
) -> SliceMixing | None:
    """Measure how slices mix in a representation: iLISI, and graph connectivity of the domains.

    iLISI is the effective number of slices among the neighbours of a spot, near the number of slices where they mix
    and 1 where each is alone. Graph connectivity is the share of a domain's spots that hang together in the graph of
    nearest neighbours; a domain that falls apart by slice has 1 / number of slices. More mixing is not always
    better: slices that show different tissue must not mix there. Read both beside the agreement with a
    reference.

    Parameters
    ----------
    data
        AnnData or SpatialData of several slices.
    library_key
        Column of ``obs`` that names the slice.
    use_rep
        Name in ``obsm`` of the representation (n, d).
    groupby
        Column of ``obs`` with the domains; None is ``"s3rl_domain"``. Spots without a name count for iLISI only.
    n_neighs
        Neighbours of each spot in the graph of which the connectivity is measured.
    table_key
        Table of a SpatialData.
    key_added
        Name in ``uns`` of the result.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``SliceMixing`` tuple with ``copy=True``. Otherwise writes

    - ``uns["slice_mixing"]``: ``ilisi``, ``best``, ``connectivity``, ``domains`` (a data frame) and ``params``

    Raises
    ------
    MissingExtraError
        If harmonypy is not installed.
    MissingKeyError
        If the representation or a column is not there.
    LabelsError
        If there is one slice only, or a column holds no names.
    InputError
        If the representation is not finite numbers.
    ParameterError
        If ``n_neighs`` is out of range.

    Notes
    -----
    iLISI: Korsunsky et al., Nat. Methods 2019, perplexity 30, or a third of the spots where they are few. Graph
    connectivity: Luecken et al., Nat. Methods 2022; the graph is exact and joins a spot to its nearest ones either
    way.

    Examples
    --------
    >>> import numpy as np
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3, n_slices=2).tables["table"]
    >>> adata.obsm["X_mixed"] = np.random.default_rng(0).normal(size=(200, 3))
    >>> mixing = s3.tl.slice_mixing(adata, "slice", use_rep="X_mixed", groupby="domain", copy=True)
    >>> mixing.ilisi > 1.8, mixing.best
    (True, 2.0)
    """
    table = table_of(data, table_key)
    whole = isinstance(n_neighs, (int, np.integer)) and not isinstance(n_neighs, bool)
    if not whole or not 1 <= n_neighs < table.n_obs:
        raise ParameterError(
            f"must be a whole number from 1 to less than the {table.n_obs} spots",
            key="n_neighs", found=repr(n_neighs), fix=f"n_neighs={min(15, table.n_obs - 1)}",
        )  # fmt: skip
    groupby = _OWN.domain if groupby is None else groupby
    fix = "s3.tl.s3rl(adata, n_domains, library_key=...)"
    codes, names = slices_of(table, library_key)
    if len(names) < 2:
        raise LabelsError("names one slice; mixing needs two", key=f"obs[{library_key!r}]", found=names[0], fix=fix)
    values = embedding_of(table, use_rep, fix=fix)
    labels = categories_of(table, groupby, fix=fix)
    spots = _lisi(values, codes, len(names))
    domains = _of_domains(labels, spots, codes, _graph(values, int(n_neighs)))
    shares = np.bincount(codes) / len(codes)
    connectivity = float(domains["connectivity"].mean())
    result = SliceMixing(float(np.median(spots)), float(1 / (shares**2).sum()), connectivity, domains, spots)
    if copy:
        return result
    described: dict[str, Any] = {name: getattr(result, name) for name in ("ilisi", "best", "connectivity", "domains")}
    described["params"] = {
        "library_key": library_key, "use_rep": use_rep, "groupby": groupby, "n_neighs": int(n_neighs),
    }  # fmt: skip
    write_slots(table, {("uns", key_added): described})
    return None


def _lisi(values: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Inverse Simpson index of the slices around each spot, (n,)."""
    import pandas as pd

    perplexity = min(_PERPLEXITY, (len(values) - 1) / _NEIGHBOURS_OF_PERPLEXITY)
    compute_lisi = import_extra("harmonypy", "integration").compute_lisi
    found = compute_lisi(values, pd.DataFrame({"slice": codes.astype(str)}), ["slice"], perplexity=perplexity)
    return np.clip(found[:, 0], 1.0, count)


def _graph(values: np.ndarray, n_neighs: int) -> sp.csr_matrix:
    """Nearest neighbours either way, boolean (n, n)."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=n_neighs).fit(values).kneighbors_graph(mode="connectivity")
    return sp.csr_matrix(nearest.maximum(nearest.T))


def _of_domains(labels: pd.Categorical, spots: np.ndarray, codes: np.ndarray, graph: sp.csr_matrix) -> pd.DataFrame:
    import pandas as pd
    from scipy.sparse.csgraph import connected_components

    rows = []
    for code in np.unique(labels.codes[labels.codes >= 0]):
        own = np.flatnonzero(labels.codes == code)
        pieces = connected_components(graph[own][:, own], directed=False)[1]
        rows.append(
            {
                "n_spots": len(own),
                "n_slices": len(np.unique(codes[own])),
                "ilisi": float(np.median(spots[own])),
                "connectivity": float(np.bincount(pieces).max() / len(own)),
            }
        )
    index = pd.Index([labels.categories[code] for code in np.unique(labels.codes[labels.codes >= 0])], name=None)
    return pd.DataFrame(rows, index=index)
