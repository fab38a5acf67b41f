"""Coordinates of a table's instances from the shapes that it annotates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._log import note
from s3rl._slots.write import write_slots
from s3rl.errors import CoordinatesError, MissingKeyError

if TYPE_CHECKING:
    from anndata import AnnData

    from s3rl._typing import Data

_GLOBAL = "global"


def ensure_coordinates(data: Data, table: AnnData, key: str) -> None:
    """Write ``obsm[key]`` from the centroids of the annotated shapes where a SpatialData's table has none."""
    if data is table or key in table.obsm or not hasattr(data, "shapes"):
        return
    write_slots(table, {("obsm", key): centroids_of(data, table)})


def centroids_of(sdata: Any, table: AnnData) -> np.ndarray:
    """Centroids float64 (n, 2) in the order of the table's rows, whatever the order of the shapes.

    Raises
    ------
    MissingKeyError
        If the table annotates no element, or one that is not there.
    CoordinatesError
        If instances of the table have no shape.
    """
    import spatialdata as sd
    from spatialdata.models import get_table_keys
    from spatialdata.transformations import get_transformation

    fix = "set table.obsm['spatial'], or link the table to its shapes with spatialdata.models.TableModel.parse"
    try:
        regions, region_key, instance_key = get_table_keys(table)
    except (KeyError, ValueError) as error:
        raise MissingKeyError(
            "annotates no shapes and has no coordinates", key="obsm['spatial']", available=list(table.obsm), fix=fix
        ) from error
    xy = np.full((table.n_obs, 2), np.nan)
    for region in [regions] if isinstance(regions, str) else regions:
        if region not in sdata:
            raise MissingKeyError("is not there", key=f"shapes[{region!r}]", available=list(sdata.shapes), fix=fix)
        systems = list(get_transformation(sdata[region], get_all=True))
        system = _GLOBAL if _GLOBAL in systems else systems[0]
        centroids = sd.get_centroids(sdata[region], coordinate_system=system).compute()
        rows = np.flatnonzero((table.obs[region_key] == region).to_numpy())
        wanted = centroids.reindex(table.obs[instance_key].to_numpy()[rows])
        xy[rows] = wanted[["x", "y"]].to_numpy()
        note("coordinates of %d spots from shapes[%r] in coordinate system %r", len(rows), region, system)
    lacking = np.isnan(xy).any(axis=1)
    if lacking.any():
        raise CoordinatesError(
            "has instances without a shape",
            key=f"obs[{instance_key!r}]",
            found=f"{lacking.sum()} of {table.n_obs}, first {table.obs_names[lacking][0]}",
            fix="spatialdata.match_table_to_element or drop these rows",
        )
    return xy
