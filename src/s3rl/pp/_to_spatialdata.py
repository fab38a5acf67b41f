"""From scanpy's layout of images to SpatialData."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from s3rl._log import note
from s3rl._slots.scanpy_images import IMAGES, Library, circles_of, images_of, libraries_of
from s3rl._slots.table import coordinates_of, table_of
from s3rl.errors import DataTypeError, ParameterError

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData


def to_spatialdata(
    data: AnnData,
    *,
    library_id: str | None = None,
    library_key: str | None = None,
    image: Literal["hires", "lowres"] | None = None,
) -> SpatialData:
    """Make a SpatialData of an AnnData with images in ``uns["spatial"]``.

    The layout is the one of ``scanpy.read_visium`` and ``squidpy.read.visium``: coordinates in ``obsm["spatial"]`` are
    x, y in pixels of the full resolution, and a scale factor takes them to the pixels of each image.

    Parameters
    ----------
    data
        AnnData; it is not changed and shares no memory with the result.
    library_id
        Name in ``uns["spatial"]``. None: the only one, or those of ``library_key``.
    library_key
        Column of ``obs`` that names the library of each spot, for several slices. With ``library_id`` only the spots
        of that one are taken.
    image
        ``"hires"`` or ``"lowres"``; None: every one that is there.

    Returns
    -------
    SpatialData with

    - ``images["<library>_hires"]``, ``images["<library>_lowres"]``: (c, y, x) in the dtype they had (float64 as
      float32);
    - ``shapes["<library>_spots"]``: circles of half ``spot_diameter_fullres``;
    - ``tables["table"]``: a copy of ``data``, annotating the circles by ``obs["region"]`` and ``obs["instance_id"]``
      (with a trailing underscore where ``data`` has such columns).

    Names that SpatialData does not take are changed, and the log says so. The coordinate system is ``"global"``, in
    pixels of the full resolution; with several libraries each has its own, named as the library.

    Raises
    ------
    DataTypeError
        If ``data`` is no AnnData.
    MissingKeyError
        If libraries, images, scale factors or coordinates are not there.
    ParameterError
        If it must be said which library to take, or an argument is unknown.
    InputError
        If an image is not an array of pixels, or a scale factor no positive number.
    CoordinatesError
        If coordinates are not finite.
    LabelsError
        If ``library_key`` is no grouping.

    Examples
    --------
    >>> import anndata as ad
    >>> import numpy as np
    >>> import s3rl as s3
    >>> adata = ad.AnnData(np.ones((3, 2), dtype="float32"))
    >>> adata.obsm["spatial"] = np.array([[40.0, 40.0], [60.0, 40.0], [50.0, 60.0]])
    >>> factors = {"tissue_hires_scalef": 0.5, "spot_diameter_fullres": 11.0}
    >>> picture = np.zeros((50, 60, 3), dtype="uint8")
    >>> adata.uns["spatial"] = {"A1": {"images": {"hires": picture}, "scalefactors": factors}}
    >>> sdata = s3.pp.to_spatialdata(adata)
    >>> list(sdata.images), list(sdata.shapes)
    (['A1_hires'], ['A1_spots'])
    """
    import spatialdata as sd

    _check(data, image)
    coordinates_of(data)
    table = data.copy()
    table_of(table)
    table, libraries = libraries_of(table, library_id, library_key)
    xy = coordinates_of(table)
    elements: dict[str, Any] = {}
    for library in libraries:
        system = "global" if len(libraries) == 1 else library.name
        elements |= images_of(library, image, system)
        elements[library.spots] = circles_of(library, xy[library.rows], system)
    elements["table"] = _annotating(table, libraries)
    note(
        "SpatialData with %s, %s and a table of %d spots",
        ", ".join(f"images[{name!r}]" for name in elements if name.endswith(IMAGES)),
        ", ".join(f"shapes[{library.spots!r}]" for library in libraries),
        table.n_obs,
    )
    return sd.SpatialData.init_from_elements(elements)


def _check(data: Any, image: str | None) -> None:
    from anndata import AnnData

    if not isinstance(data, AnnData):
        already = hasattr(data, "images") and hasattr(data, "shapes")
        raise DataTypeError(
            "is a SpatialData already" if already else "is no AnnData",
            key="data",
            found=type(data).__name__,
            fix="s3.pp.make_tiles(sdata, image_key, size='visium')"
            if already
            else "pass what anndata.read_h5ad returns",
        )
    if image is not None and image not in IMAGES:
        raise ParameterError(
            "is unknown", key="image", found=repr(image), available=IMAGES, fix="pass image='hires', or leave it out"
        )


def _annotating(table: AnnData, libraries: list[Library]) -> AnnData:
    """Let the table annotate the circles."""
    import pandas as pd
    from spatialdata import sanitize_table
    from spatialdata.models import TableModel

    before = _names(table)
    sanitize_table(table)
    after = _names(table)
    changed = [f"{old} to {new}" for old, new in zip(before, after, strict=True) if old != new]
    if changed:
        note("names that SpatialData does not take were changed: %s", ", ".join(changed))
    region = np.empty(table.n_obs, dtype=object)
    instance = np.empty(table.n_obs, dtype=np.int64)
    for library in libraries:
        region[library.rows] = library.spots
        instance[library.rows] = np.arange(len(library.rows))
    region_key, instance_key = _free("region", table), _free("instance_id", table)
    table.obs[region_key] = pd.Categorical(region)
    table.obs[instance_key] = instance
    table.uns.pop(TableModel.ATTRS_KEY, None)
    names = [library.spots for library in libraries]
    return TableModel.parse(table, region=names, region_key=region_key, instance_key=instance_key)


def _names(table: AnnData) -> list[str]:
    mappings = {"obs": table.obs, "var": table.var, "obsm": table.obsm, "varm": table.varm, "layers": table.layers}
    mappings |= {"obsp": table.obsp, "varp": table.varp, "uns": table.uns}
    return [f"{attribute}[{str(name)!r}]" for attribute, mapping in mappings.items() for name in mapping]


def _free(name: str, table: AnnData) -> str:
    while name in table.obs:
        name += "_"
    return name
