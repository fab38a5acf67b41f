"""Cut a part off every slice, as the paper does to test what incomplete slices cost."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING

import numpy as np

from s3rl._log import note
from s3rl._random import seed_of, stream
from s3rl._slots.centroids import ensure_coordinates
from s3rl._slots.table import coordinates_of, slices_of, table_of
from s3rl.errors import ParameterError

if TYPE_CHECKING:
    from anndata import AnnData

    from s3rl._typing import RNG, Data


def crop_slices(
    data: Data,
    library_key: str,
    *,
    fraction: float = 0.3,
    rng: RNG = None,
    table_key: str | None = None,
) -> AnnData:
    """Cut the same share of spots off every slice, each by a straight line in a direction of its own.

    Parameters
    ----------
    data
        AnnData or SpatialData with coordinates in ``obsm["spatial"]``; it is not changed.
    library_key
        Column of ``obs`` that names the slice.
    fraction
        Share of the spots of each slice that is cut off, 0 to below 1, rounded to whole spots; one spot stays.
    rng
        Seed or generator of the directions; None is seed 0. A slice's direction depends on its place among the
        names alone.
    table_key
        Table of a SpatialData.

    Returns
    -------
    adata
        AnnData with a copy of the rows that are left, in the order they had. Images in ``uns["spatial"]`` stay whole.

    Raises
    ------
    DataTypeError
        If ``data`` is no table, or a view.
    MissingKeyError
        If the column or the coordinates are not there.
    LabelsError
        If ``library_key`` is no grouping.
    CoordinatesError
        If coordinates are not finite.
    ParameterError
        If ``fraction`` or ``rng`` is outside of its range.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 2.11: 30 % of each slice.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3, n_slices=2, image=False)
    >>> cropped = s3.pp.crop_slices(sdata, "slice", rng=1)
    >>> cropped.obs["slice"].value_counts().tolist()
    [70, 70]
    """
    table = table_of(data, table_key)
    number = isinstance(fraction, numbers.Real) and not isinstance(fraction, bool)
    if not number or not 0 <= fraction < 1:
        raise ParameterError(
            "must be at least 0 and below 1", key="fraction", found=repr(fraction), fix="pass fraction=0.3"
        )
    seed = seed_of(rng)
    codes, names = slices_of(table, library_key)
    ensure_coordinates(data, table, "spatial")
    xy = coordinates_of(table)
    kept = np.ones(table.n_obs, dtype=bool)
    for code, name in enumerate(names):
        rows = np.flatnonzero(codes == code)
        angle = stream(seed, code).uniform(0, 2 * np.pi)
        along = xy[rows] @ [np.cos(angle), np.sin(angle)]
        # equal places along the cut are told apart by the coordinates, not by the order of the rows
        ordered = rows[np.lexsort((xy[rows, 1], xy[rows, 0], along))]
        cut = min(round(float(fraction) * len(rows)), len(rows) - 1)
        kept[ordered[len(rows) - cut :]] = False
        note("%s: cut %d of %d spots off at %.0f degrees", name, cut, len(rows), np.degrees(angle))
    return table[kept].copy()
