"""Whether the data look like domains or like cell types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from s3rl import _keys
from s3rl._log import note
from s3rl._random import seed_of
from s3rl._slots.model import modelled_genes
from s3rl._slots.table import coordinates_of, normalised_expression_of, slices_of, table_of
from s3rl._slots.write import check_key, write_slots
from s3rl.errors import CoordinatesError, InputError, MissingKeyError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    from s3rl._typing import RNG, Data
    from s3rl.fit.contiguity import Contiguity
    from s3rl.fit.params import S3RLParams

__all__ = ["ContiguityResult", "contiguity"]


class ContiguityResult(NamedTuple):
    """What ``s3.tl.contiguity(..., copy=True)`` returns.

    Attributes
    ----------
    results
        Data frame, a row for each band of neighbours: ``first`` and ``last`` (ranks by distance) and ``shared``.
    near, far
        ``shared`` of the six nearest spots and of the 31st to 60th.
    reproducible
        Share of the variation of the leading components that both halves of the genes show.
    cell_types
        Whether the data look like cell types.
    params
        Arguments, version and seed.
    """

    results: pd.DataFrame
    near: float
    far: float
    reproducible: float
    cell_types: bool
    params: dict[str, Any]


def contiguity(
    data: Data,
    *,
    layer: str | None = None,
    library_key: str | None = None,
    spatial_key: str = _keys.SPATIAL,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str = _keys.CONTIGUITY,
    copy: bool = False,
) -> ContiguityResult | None:
    """Measure how much of a spot's expression its surroundings share, and whether that looks like cell types.

    The modelled genes are halved at random. What varies together in both halves is no noise of single genes; the
    covariance of one half in a spot with the other half in its surroundings, divided by that with the other half in
    the spot itself, is the share of this variation that the surroundings have in common with the spot: 1 if they are
    all alike, 0 if they have nothing in common. It is measured for the six nearest spots and for bands further off.

    Data look like cell types where the six nearest share less than 40 %, and the 31st to 60th less than half of that
    (with less than 10 % nearby: less than 5 %). Where the halves have less than 5 % in common (``reproducible``), the
    shares are noise, and nothing is said. With cell types, smoothing over neighbours mixes what is unlike, and
    ``s3.tl.s3rl(adata, n, params=s3.tl.S3RLParams.cell_types())`` looks for types, with nothing smoothed.
    :func:`s3rl.tl.s3rl` says so in one line of its log.

    It is about the data, not about the question: every tissue of single cells has types, and niches of types too,
    which the default looks for. Nothing is said of ``cell_types=False`` but that domains may be there.

    Parameters
    ----------
    data
        AnnData, or SpatialData with a table, with log-normalised expression. Genes with ``var["highly_variable"]`` are
        read, all of them where nothing is marked.
    layer
        Layer with log-normalised expression; None reads ``X``.
    library_key
        Column of ``obs`` that names the slice; surroundings end with it, and genes are centred within it.
    spatial_key
        Coordinates in ``obsm``.
    rng
        Seed or generator of the halves; None is seed 0.
    table_key
        Table of a SpatialData.
    key_added
        Slot in ``uns``.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``ContiguityResult`` where ``copy=True``. Otherwise writes ``uns["contiguity"]``: the same as a
    dictionary.

    Raises
    ------
    MissingKeyError
        If the layer, the slices or the coordinates are not there.
    CountsError
        If the expression is not normalised, or a spot has none.
    CoordinatesError
        If the coordinates are not finite.
    InputError
        If there are fewer than 20 spots or fewer than 4 genes.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(400, 300, n_layers=3, image=False).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.contiguity(adata)
    >>> adata.uns["contiguity"]["cell_types"]
    False
    """
    from s3rl import __version__
    from s3rl.fit.contiguity import FEWEST_GENES, FEWEST_SPOTS
    from s3rl.fit.contiguity import contiguity as measure
    from s3rl.fit.device import threads_for

    table = table_of(data, table_key)
    check_key(key_added)
    seed = seed_of(rng)
    xy = coordinates_of(table, spatial_key)
    codes, _ = slices_of(table, library_key)
    x = normalised_expression_of(table, layer)[:, modelled_genes(table)]
    for size, least, name in ((x.shape[0], FEWEST_SPOTS, "spots"), (x.shape[1], FEWEST_GENES, "modelled genes")):
        if size < least:
            raise InputError(
                f"has too few {name} to be halved", key="data", found=f"{size} {name}", fix=f"pass at least {least}"
            )
    with threads_for(table.n_obs):
        found = measure(x, xy, codes, seed=seed)
    params = {
        "layer": layer,
        "library_key": library_key,
        "spatial_key": spatial_key,
        "version": __version__,
        "seed": seed if seed < 2**63 else str(seed),
    }
    result = _result(found, params)
    if found.cell_types:
        note(_line(found))
    if copy:
        return result
    write_slots(table, {("uns", key_added): result._asdict()})
    return None


def notice_cell_types(table: AnnData, x: sp.csr_matrix, slices: np.ndarray, params: S3RLParams, *, seed: int) -> None:
    """Say in the log where smoothing over neighbours is on and the data look like cell types."""
    from s3rl.fit.contiguity import FEWEST_GENES, FEWEST_SPOTS
    from s3rl.fit.contiguity import contiguity as measure

    smooths = params.anchor_diffusion > 0 and (params.consensus > 0 or params.anchor > 0)
    if not smooths or x.shape[0] < FEWEST_SPOTS or x.shape[1] < FEWEST_GENES:
        return
    try:
        xy = coordinates_of(table)
    except (MissingKeyError, CoordinatesError):
        # the model needs a graph, not coordinates
        return
    found = measure(x, xy, slices, seed=seed)
    if found.cell_types:
        note(_line(found))


def _line(found: Contiguity) -> str:
    near, far = (f"{100 * max(float(value), 0):.0f} %" for value in (found.shared[0], found.shared[-1]))
    return (
        f"the six nearest spots share {near} of the variation in expression, those further off {far}: the data look "
        "like cell types rather than domains; to look for types, pass params=s3.tl.S3RLParams.cell_types()"
    )


def _result(found: Contiguity, params: dict[str, Any]) -> ContiguityResult:
    import pandas as pd

    from s3rl.fit.contiguity import BANDS

    first, last = zip(*BANDS, strict=True)
    results = pd.DataFrame({"first": first, "last": last, "shared": found.shared})
    near, far = float(found.shared[0]), float(found.shared[-1])
    return ContiguityResult(results, near, far, found.reproducible, found.cell_types, params)
