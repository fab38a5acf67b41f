"""Images and scale factors in ``uns["spatial"]``, scanpy's layout, as SpatialData elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl import _keys
from s3rl._slots.table import slices_of
from s3rl.errors import InputError, MissingKeyError, ParameterError

if TYPE_CHECKING:
    from anndata import AnnData

IMAGES = ("hires", "lowres")
_CHUNK = 1024
_LAYOUT_FIX = (
    "adata.uns['spatial'] = {'library': {'images': {'hires': array (H, W, 3)}, 'scalefactors': "
    "{'tissue_hires_scalef': 1.0, 'spot_diameter_fullres': 100.0}}}, as scanpy.read_visium does"
)


class Library(NamedTuple):
    """One library of ``uns["spatial"]`` and its rows int64 (k,) of the table; ``name`` is fit for SpatialData."""

    name: str
    content: Mapping[str, Any]
    rows: np.ndarray
    where: str

    @property
    def spots(self) -> str:
        """Name of the circles."""
        return f"{self.name}_spots"


def libraries_of(table: AnnData, library_id: str | None, library_key: str | None) -> tuple[AnnData, list[Library]]:
    """Libraries to convert, with the table cut to their rows.

    Raises
    ------
    MissingKeyError
        If there are none, or one that is asked for or named by ``library_key`` is not there.
    ParameterError
        If there are several and nothing says which row belongs to which.
    LabelsError
        If ``library_key`` is no grouping.
    """
    there = table.uns.get(_keys.SPATIAL)
    if not isinstance(there, Mapping) or not there:
        raise MissingKeyError("holds no library", key="uns['spatial']", available=list(table.uns), fix=_LAYOUT_FIX)
    if library_key is None:
        name = _only(there, library_id)
        return table, [_library(name, there, np.arange(table.n_obs))]
    codes, names = slices_of(table, library_key)
    if library_id is not None:
        if library_id not in names:
            raise MissingKeyError(
                "has no spot of this library",
                key=f"obs[{library_key!r}]",
                found=repr(library_id),
                available=names,
                fix=f"pass library_id={names[0]!r}",
            )
        table = table[codes == names.index(library_id)].copy()
        return table, [_library(library_id, there, np.arange(table.n_obs))]
    return table, [_library(name, there, np.flatnonzero(codes == code)) for code, name in enumerate(names)]


def _only(there: Mapping[str, Any], library_id: str | None) -> str:
    if library_id is not None:
        return library_id
    if len(there) > 1:
        raise ParameterError(
            "must say which library to take",
            key="library_id",
            found="None",
            available=there,
            fix=f"pass library_key= with the column of obs that names them, or library_id={next(iter(there))!r} if all "
            "spots belong to it",
        )
    return next(iter(there))


def _library(name: str, there: Mapping[str, Any], rows: np.ndarray) -> Library:
    from spatialdata import sanitize_name

    if name not in there or not isinstance(there[name], Mapping):
        raise MissingKeyError(
            "is not there",
            key=f"uns['spatial'][{name!r}]",
            available=there,
            fix="name a library that exists, or rename the categories of library_key",
        )
    return Library(sanitize_name(str(name)), there[name], rows, f"uns['spatial'][{name!r}]")


def images_of(library: Library, wanted: str | None, system: str) -> dict[str, Any]:
    """Image elements by name, each with its scale as the transformation to pixels of the full resolution.

    Raises
    ------
    MissingKeyError
        If there is no image, or not the one that is wanted, or it has no scale factor.
    InputError
        If an image is no array of pixels.
    """
    pictures = library.content.get("images")
    pictures = pictures if isinstance(pictures, Mapping) else {}
    names = [name for name in IMAGES if name in pictures and wanted in {None, name}]
    if not names:
        raise MissingKeyError(
            "is not there",
            key=f"{library.where}['images'][{wanted or 'hires'!r}]",
            available=pictures,
            fix=f"pass image={next(iter(pictures))!r}" if set(pictures) & set(IMAGES) else _LAYOUT_FIX,
        )
    return {f"{library.name}_{name}": _image(library, name, pictures[name], system) for name in names}


def _image(library: Library, name: str, picture: Any, system: str) -> Any:
    from spatialdata.models import Image2DModel
    from spatialdata.transformations import Scale

    pixels = np.asarray(picture)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.dtype.kind not in "uif" or 0 in pixels.shape:
        raise InputError(
            "is not an image (height, width, channels) of numbers",
            key=f"{library.where}['images'][{name!r}]",
            found=f"{pixels.dtype} {pixels.shape}",
            fix="matplotlib.image.imread(file) returns one",
        )
    if pixels.dtype == np.float64:
        pixels = pixels.astype(np.float32)
    factor = _factor(library, f"tissue_{name}_scalef")
    channels = {1: ["grey"], 3: ["r", "g", "b"], 4: ["r", "g", "b", "a"]}.get(pixels.shape[2])
    return Image2DModel.parse(
        np.ascontiguousarray(pixels.transpose(2, 0, 1)),
        dims=("c", "y", "x"),
        c_coords=channels,
        chunks=(pixels.shape[2], _CHUNK, _CHUNK),
        transformations={system: Scale([1 / factor, 1 / factor], axes=("x", "y"))},
    )


def circles_of(library: Library, xy: np.ndarray, system: str) -> Any:
    """Circles of the spots in pixels of the full resolution."""
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Identity

    return ShapesModel.parse(
        xy,
        geometry=0,
        radius=_factor(library, "spot_diameter_fullres") / 2,
        index=np.arange(len(xy)),
        transformations={system: Identity()},
    )


def _factor(library: Library, name: str) -> float:
    factors = library.content.get("scalefactors")
    factors = factors if isinstance(factors, Mapping) else {}
    where = f"{library.where}['scalefactors'][{name!r}]"
    meaning = (
        "the diameter of a spot in pixels of the full resolution"
        if name.startswith("spot")
        else "pixels of this image for each pixel of the full resolution, 1.0 where coordinates are its own pixels"
    )
    if name not in factors:
        raise MissingKeyError("is not there", key=where, available=factors, fix=f"adata.{where} = {meaning}")
    try:
        factor = float(np.asarray(factors[name]).item())
    except (TypeError, ValueError):
        factor = np.nan
    if not 0 < factor < np.inf:
        raise InputError("is no positive number", key=where, found=repr(factors[name]), fix=f"set it to {meaning}")
    return factor
