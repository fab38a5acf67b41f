"""A coordinate system in which the slices of a SpatialData lie on each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._log import note

if TYPE_CHECKING:
    from anndata import AnnData

_TOLERANCE = 1e-4


def set_aligned(
    sdata: Any, table: AnnData, codes: np.ndarray, xy: np.ndarray, matrices: Mapping[int, np.ndarray], system: str
) -> list[str]:
    """Give the shapes of each slice, and the images beside them, a transformation to ``system``.

    A slice is passed over, and the log says so, where it has no region of its own or its coordinates are not those of
    the shapes in any coordinate system. Images are moved where no other slice has their coordinate system.

    Parameters
    ----------
    codes, xy
        Slice (n,) and coordinates (n, 2) of each row of the table.
    matrices
        Affine matrix (3, 3) of each slice, on such coordinates.

    Returns
    -------
    Names of the elements that have the coordinate system now.
    """
    regions = _regions(table, codes)
    homes = {code: _home(sdata, table, name, codes == code, xy) for code, name in regions.items()}
    done = []
    for code, matrix in matrices.items():
        home = homes.get(code)
        if home is None:
            note("slice %d has no shapes of its own at its coordinates: not in coordinate system %r", code, system)
            continue
        shared = sum(other == home for other in homes.values()) > 1
        names = [regions[code], *([] if shared else _images_in(sdata, home))]
        for name in names:
            _set(sdata[name], home, matrix, system)
        done += names
    return done


def _regions(table: AnnData, codes: np.ndarray) -> dict[int, str]:
    """Name of the element of each slice that has one, and one that no other slice has."""
    attributes = table.uns.get("spatialdata_attrs")
    if attributes is None:
        return {}
    column = table.obs[attributes["region_key"]].astype(str).to_numpy()
    of_slice = {int(code): np.unique(column[codes == code]) for code in np.unique(codes)}
    single = {code: str(names[0]) for code, names in of_slice.items() if len(names) == 1}
    return {code: name for code, name in single.items() if len(np.unique(codes[column == name])) == 1}


def _home(sdata: Any, table: AnnData, name: str, rows: np.ndarray, xy: np.ndarray) -> str | None:
    """Coordinate system in which the shapes have the coordinates of the table."""
    import spatialdata as sd
    from spatialdata.transformations import get_transformation

    if name not in sdata.shapes:
        return None
    ids = table.obs[table.uns["spatialdata_attrs"]["instance_key"]].to_numpy()[rows]
    scale = float(np.ptp(xy[rows], axis=0).max())
    for system in get_transformation(sdata[name], get_all=True):
        found = sd.get_centroids(sdata[name], coordinate_system=system).compute().reindex(ids)[["x", "y"]].to_numpy()
        if np.allclose(found, xy[rows], rtol=0, atol=_TOLERANCE * scale):
            return str(system)
    return None


def _images_in(sdata: Any, system: str) -> list[str]:
    from spatialdata.transformations import get_transformation

    return [str(name) for name, image in sdata.images.items() if system in get_transformation(image, get_all=True)]


def _set(element: Any, home: str, matrix: np.ndarray, system: str) -> None:
    from spatialdata.transformations import Affine, Sequence, get_transformation, set_transformation

    moved = Affine(matrix, input_axes=("x", "y"), output_axes=("x", "y"))
    set_transformation(element, Sequence([get_transformation(element, home), moved]), to_coordinate_system=system)
