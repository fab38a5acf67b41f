"""Where spots are drawn: slices beside each other, since their coordinates may be the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl._slots.table import coordinates_of, slices_of
from s3rl.pl import _draw

if TYPE_CHECKING:
    from anndata import AnnData


def places_of(table: AnnData, library_key: str | None) -> np.ndarray:
    """Coordinates (n, 2), the slices of ``library_key`` in a row.

    Raises
    ------
    MissingKeyError
        If the coordinates or the slices are not there.
    CoordinatesError
        If the coordinates are not finite.
    LabelsError
        If the slices are no names.
    """
    codes, slices = slices_of(table, library_key)
    xy = coordinates_of(table)
    return np.asarray(xy + side_by_side(xy, codes, len(slices))[codes])


def side_by_side(xy: np.ndarray, codes: np.ndarray, n_slices: int) -> np.ndarray:
    """Shift (n_slices, 2) of each slice, so that they lie in a row."""
    shift = np.zeros((n_slices, 2))
    if n_slices == 1:
        return shift
    right = 0.0
    for code in range(n_slices):
        own = xy[codes == code]
        shift[code] = right - own[:, 0].min(), -own[:, 1].min()
        right += 1.05 * float(np.ptp(own[:, 0])) + 2 * _draw.spot_radius(own)
    return shift
