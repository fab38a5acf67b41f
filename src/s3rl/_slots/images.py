"""Images of a SpatialData: their levels as dask arrays, and where their pixels lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl.errors import CoordinatesError, DataTypeError, InputError, MissingKeyError
from s3rl.tiles.geometry import trimmed

if TYPE_CHECKING:
    import dask.array as da

GLOBAL = "global"
_ALPHA = {"a", "alpha"}


class Level(NamedTuple):
    """One resolution of an image.

    Attributes
    ----------
    name
        "scale0", ...; "" for an image with one resolution.
    pixels
        Dask array (C, H, W), without an alpha channel.
    channels
        Names of the channels.
    factor
        float64 (2,) y, x: pixels of the full resolution for each pixel of this one.
    offset
        float64 (2,) y, x: place of the first pixel's corner in pixels of the full resolution.
    """

    name: str
    pixels: da.Array
    channels: list[str]
    factor: np.ndarray
    offset: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])


def spatialdata_of(sdata: Any) -> Any:
    """Return ``sdata`` if it is a SpatialData.

    Raises
    ------
    DataTypeError
        If it is not; for an AnnData the conversion is named.
    """
    if hasattr(sdata, "images") and hasattr(sdata, "shapes"):
        return sdata
    is_table = hasattr(sdata, "obsm")
    raise DataTypeError(
        "is an AnnData, which holds no image elements" if is_table else "is no SpatialData",
        key="sdata",
        found=type(sdata).__name__,
        fix="sdata = s3.pp.to_spatialdata(adata)"
        if is_table
        else "pass what spatialdata.read_zarr, spatialdata_io or s3.pp.to_spatialdata returns",
    )


def image_of(sdata: Any, image_key: str) -> Any:
    """Element ``sdata.images[image_key]``.

    Raises
    ------
    MissingKeyError
        If it is not there.
    DataTypeError
        If it has a z axis.
    """
    if image_key not in sdata.images:
        names = list(sdata.images)
        raise MissingKeyError(
            "is not there",
            key=f"images[{image_key!r}]",
            available=names,
            fix=f"pass image_key={names[0]!r}" if names else "add one: sdata.images[...] = Image2DModel.parse(...)",
        )
    image = sdata.images[image_key]
    dims = tuple(str(dim) for dim in next(iter(_arrays_of(image).values())).dims)
    if dims != ("c", "y", "x"):
        raise DataTypeError(
            "is not a two-dimensional image",
            key=f"images[{image_key!r}]",
            found=f"dimensions {dims}",
            fix="project it, for example with image.max('z'), and add that with Image2DModel.parse",
        )
    return image


def levels_of(image: Any, image_key: str) -> dict[str, Level]:
    """Levels of an image by name, the full resolution first.

    Raises
    ------
    CoordinatesError
        If a level is turned against the full resolution, or a transformation cannot be inverted.
    """
    arrays = _arrays_of(image)
    full = next(iter(arrays.values()))
    system = systems_of(full)[0]
    inverse = np.linalg.inv(matrix_of(full, system, f"images[{image_key!r}]"))
    return {name: _level(name, array, full, inverse, system, image_key) for name, array in arrays.items()}


def _level(name: str, array: Any, full: Any, inverse: np.ndarray, system: str, image_key: str) -> Level:
    import dask.array as da

    where = f"images[{image_key!r}]" + (f"[{name!r}]" if name else "")
    factor, offset = np.ones(2), np.zeros(2)
    if array is not full:
        matrix = inverse @ matrix_of(array, system, where)
        factor, offset = np.diag(matrix)[[1, 0]].copy(), matrix[[1, 0], 2]
        if factor.min() <= 0 or not np.allclose(matrix[[0, 1], [1, 0]], 0, atol=1e-6):
            raise CoordinatesError(
                "is turned against the full resolution",
                key=where,
                found=f"matrix {matrix.tolist()}",
                fix="make the pyramid again: Image2DModel.parse(..., scale_factors=[2, 2])",
            )
        if np.allclose(offset, 0, atol=1e-6):
            sizes = zip(factor, full.shape[1:], array.shape[1:], strict=True)
            factor, offset = np.array([trimmed(*size) for size in sizes]).T
    pixels = da.asarray(array.data)
    channels = [str(channel) for channel in array.coords["c"].values] if "c" in array.coords else []
    channels = channels or [str(number) for number in range(pixels.shape[0])]
    if len(channels) in {2, 4} and channels[-1].lower() in _ALPHA:
        pixels, channels = pixels[:-1], channels[:-1]
    return Level(name, pixels, channels, factor, offset)


def _arrays_of(image: Any) -> dict[str, Any]:
    """DataArray of each level by name."""
    from xarray import DataTree

    if not isinstance(image, DataTree):
        return {"": image}
    return {str(name): next(iter(node.ds.data_vars.values())) for name, node in image.children.items()}


def systems_of(element: Any) -> list[str]:
    """Coordinate systems that an element has a transformation to."""
    from spatialdata.transformations import get_transformation

    return [str(name) for name in get_transformation(element, get_all=True)]


def matrix_of(element: Any, system: str, where: str) -> np.ndarray:
    """Matrix (3, 3) from the element's own (x, y, 1) to those of the coordinate system.

    Raises
    ------
    CoordinatesError
        If it cannot be inverted.
    """
    from spatialdata.transformations import get_transformation

    matrix = np.asarray(get_transformation(element, system).to_affine_matrix(("x", "y"), ("x", "y")), dtype=np.float64)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-18:
        raise CoordinatesError(
            f"has a transformation to {system!r} that cannot be inverted",
            key=where,
            found=f"matrix {matrix.tolist()}",
            fix=f"spatialdata.transformations.set_transformation(element, Scale([s, s], axes=('x', 'y')), {system!r})",
        )
    return matrix


def common_system(first: Any, second: Any, names: tuple[str, str]) -> str:
    """Coordinate system that two elements share: "global" where both have it, else the first one.

    Raises
    ------
    InputError
        If there is none.
    """
    common = [name for name in systems_of(first) if name in systems_of(second)]
    if not common:
        raise no_common_system(names, systems_of(first), systems_of(second))
    return GLOBAL if GLOBAL in common else common[0]


def no_common_system(names: tuple[str, str], first: list[str], second: list[str]) -> InputError:
    """Error for two elements without a coordinate system in common."""
    return InputError(
        "have no coordinate system in common",
        key=f"{names[0]} and {names[1]}",
        found=f"{', '.join(first)} and {', '.join(second)}",
        fix="spatialdata.transformations.set_transformation(element, transformation, coordinate_system), "
        "where the transformation takes the element's own coordinates to that coordinate system",
    )
