"""Write a slide as the folder that Space Ranger makes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._log import note
from s3rl._slots.counts import counts_of
from s3rl._slots.images import Level, image_of, levels_of, matrix_of, spatialdata_of, systems_of
from s3rl._slots.regions import region_of
from s3rl._slots.table import table_of
from s3rl.datasets._spaceranger_files import Slide, is_ours, spots_of, write_files
from s3rl.errors import DataTypeError, InputError, MissingKeyError, ParameterError, StoreError
from s3rl.fit.atomic import recover_folder, replace_folder, staged
from s3rl.tiles.geometry import length_factor, mapped

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from spatialdata import SpatialData

_SOFTWARE = "s3rl-"
_GENES = {"id": "gene_ids", "name": None, "feature_type": "feature_types", "genome": "genome"}


def write_spaceranger(
    sdata: SpatialData,
    folder: str | os.PathLike[str],
    *,
    image_key: str | None = None,
    table_key: str | None = None,
    overwrite: bool = False,
) -> pd.Series:
    """Write a slide in the layout of Space Ranger 2, to start from what comes from the machine.

    ``spatialdata_io.visium``, ``squidpy.read.visium`` and ``scanpy.read_visium`` read the folder. The image becomes the
    full resolution, and the spots are written in its pixels. The whole folder appears at once.

    Parameters
    ----------
    sdata
        SpatialData with an RGB image, circles on a hexagonal array, and a table of counts that annotates them; as
        :func:`s3rl.datasets.simulated_cortex` makes it.
    folder
        Folder to write, in one that is there.
    image_key
        Name in ``sdata.images``. None: the only one in a coordinate system of the spots.
    table_key
        Table of ``sdata``.
    overwrite
        Replace a folder that this function has written. An empty one is always replaced.

    Returns
    -------
    barcodes
        Series of text (n,): the barcode of each row of the table, by its name in ``obs``. Names of the form
        ``AAACAAGTATCTCCCA-1`` are kept. In the folder are

        - ``filtered_feature_bc_matrix.h5``: the counts, by barcode in alphabetical order;
        - ``spatial/tissue_positions.csv``: all places of the array between the outermost spots, in tissue where the
          table has a row; from ``obs["array_row"]`` and ``obs["array_col"]`` where they are there;
        - ``spatial/tissue_hires_image.png`` and ``spatial/tissue_lowres_image.png``: up to 2,000 and 600 pixels, never
          more than the image has;
        - ``spatial/scalefactors_json.json``;
        - ``tissue_image.tif``: the full resolution, which with Space Ranger is your own file elsewhere.

    Raises
    ------
    DataTypeError
        If ``sdata`` is no SpatialData, or the image is not uint8 of three channels.
    MissingKeyError
        If the table, the spots or the image is not there.
    ParameterError
        If it must be said which image to take.
    InputError
        If the table annotates several regions, or something other than circles.
    CountsError
        If ``X`` holds no raw counts.
    CoordinatesError
        If the spots are on no hexagonal array.
    StoreError
        If ``folder`` holds something else, or cannot be written; what was there is as it was.

    Notes
    -----
    The image is held in memory as a whole. It is not turned: where the coordinate systems say that it lies turned to
    the spots, they are turned into its pixels.

    Examples
    --------
    >>> import squidpy as sq
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3)
    >>> barcodes = s3.datasets.write_spaceranger(sdata, "section")
    >>> adata = sq.read.visium("section")
    >>> adata.shape, list(adata.uns["spatial"]["section"]["images"])
    ((100, 50), ['hires', 'lowres'])
    >>> adata.obs["layer"] = sdata.tables["table"].obs["domain"].set_axis(barcodes)
    """
    from s3rl import __version__

    target = Path(os.path.realpath(folder))
    _check_target(target, overwrite)
    slide = _slide_of(spatialdata_of(sdata), table_of(sdata, table_key), image_key, table_key, _library(target))
    with staged(target) as partial:
        partial.mkdir()
        write_files(slide, partial, f"{_SOFTWARE}{__version__}")
        replace_folder(partial, target)
    table = table_of(sdata, table_key)
    note("%s: %d spots, %d genes, an image of %d x %d pixels", target, *table.shape, *slide.pixels.shape[1::-1])
    return slide.spots.index[: table.n_obs].to_series(index=table.obs_names, name="barcode")


def _check_target(target: Path, overwrite: bool) -> None:
    recover_folder(target)
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        return
    if not target.is_dir() or not is_ours(target, _SOFTWARE):
        raise StoreError(
            "holds something that s3.datasets.write_spaceranger did not write",
            key=str(target),
            fix="pass a folder that is not there yet",
        )
    if not overwrite:
        raise StoreError("is already there", key=str(target), fix="pass overwrite=True, or another folder")


def _library(target: Path) -> str:
    return target.parent.name if target.name == "outs" else target.name


def _slide_of(sdata: Any, table: AnnData, image_key: str | None, table_key: str | None, library: str) -> Slide:
    import pandas as pd
    import scipy.sparse as sp

    name, instances = _spots_of(sdata, table)
    image_key = _image_key(sdata, name) if image_key is None else image_key
    level = _level(image_of(sdata, image_key), image_key)
    counts = counts_of(table, np.zeros(table.n_obs, np.int64))[0]
    counts = sp.csr_matrix(counts.compute() if hasattr(counts, "compute") else counts)
    region = region_of(sdata, image_key, region_key=name, table_key=table_key, system=None)
    positions = region.instances.get_indexer(pd.Index(instances))
    if (positions < 0).any():
        raise InputError(
            "has rows whose spots are not there",
            key=f"shapes[{name!r}]",
            found=f"{(positions < 0).sum()} of {table.n_obs}, first {table.obs_names[positions < 0][0]}",
            fix="spatialdata.match_table_to_element(sdata, element_name, table_name)",
        )
    circles = sdata.shapes[name]
    back = np.linalg.inv(matrix_of(sdata.images[image_key], region.system, f"images[{image_key!r}]"))
    onto = back @ matrix_of(circles, region.system, f"shapes[{name!r}]")
    return Slide(
        library,
        counts,
        pd.DataFrame({name: _gene_column(table, name, column) for name, column in _GENES.items()}),
        spots_of(mapped(back, region.xy[positions]), list(table.obs_names), _places_in(table)),
        2 * float(circles["radius"].median()) * length_factor(onto),
        np.ascontiguousarray(np.moveaxis(np.asarray(level.pixels), 0, -1)),
    )


def _places_in(table: AnnData) -> np.ndarray | None:
    """Row and column int64 (n, 2) on the array, where the table has them."""
    names = ["array_row", "array_col"]
    if not set(names) <= set(table.obs) or not all(table.obs[name].dtype.kind in "iuf" for name in names):
        return None
    places = table.obs[names].to_numpy(np.float64)
    return places.astype(np.int64) if np.isfinite(places).all() else None


def _spots_of(sdata: Any, table: AnnData) -> tuple[str, np.ndarray]:
    """Name of the circles that the table annotates, and the instance of each row."""
    from spatialdata.models import get_table_keys

    try:
        _, region_key, instance_key = get_table_keys(table)
        names = [str(name) for name in table.obs[region_key].unique()]
        instances = table.obs[instance_key].to_numpy()
    except (KeyError, ValueError, AttributeError) as error:
        raise MissingKeyError(
            "are not there: the table annotates no shapes",
            key="uns['spatialdata_attrs']",
            available=list(table.uns),
            fix="spatialdata.models.TableModel.parse(adata, region=..., region_key=..., instance_key=...)",
        ) from error
    if len(names) > 1:
        raise InputError(
            "has spots of several regions, and Space Ranger writes one folder for each",
            key=f"obs[{region_key!r}]",
            found=", ".join(names),
            fix="sdata.filter_by_coordinate_system(...), once for each",
        )
    if names[0] not in sdata.shapes or set(sdata.shapes[names[0]].geom_type) != {"Point"}:
        raise InputError(
            "is not circles, as Visium's spots are",
            key=names[0],
            available=list(sdata.shapes),
            fix="s3.datasets.simulated_cortex(technology='visium')",
        )
    return names[0], instances


def _image_key(sdata: Any, region: str) -> str:
    systems = set(systems_of(sdata.shapes[region]))
    near = [str(name) for name in sdata.images if systems & set(systems_of(sdata.images[name]))]
    if not near:
        raise MissingKeyError(
            "is not there: no image shares a coordinate system with the spots",
            key="images",
            available=list(sdata.images),
            fix="s3.datasets.simulated_cortex(image=True)",
        )
    if len(near) > 1:
        raise ParameterError(
            "must say which image is the full resolution",
            key="image_key",
            found="None",
            available=near,
            fix=f"pass image_key={near[0]!r}",
        )
    return near[0]


def _level(image: Any, image_key: str) -> Level:
    level = next(iter(levels_of(image, image_key).values()))
    if level.pixels.dtype != np.uint8 or len(level.pixels) != 3:
        raise DataTypeError(
            "is no RGB image of uint8",
            key=f"images[{image_key!r}]",
            found=f"{len(level.pixels)} channels of {level.pixels.dtype}",
            fix="bring it to three channels of uint8 with Image2DModel.parse, or pass another image_key=",
        )
    return level


def _gene_column(table: AnnData, name: str, column: str | None) -> list[str]:
    if column is not None and column in table.var:
        return table.var[column].astype(str).tolist()
    return {"feature_type": ["Gene Expression"] * table.n_vars, "genome": ["unknown"] * table.n_vars}.get(
        name, table.var_names.astype(str).tolist()
    )
