"""Named spots on their tissue: through spatialdata-plot, through squidpy, or as circles where there is no image."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl import _keys
from s3rl._slots.table import coordinates_of
from s3rl.errors import MissingKeyError, ParameterError
from s3rl.pl import _draw
from s3rl.pl._palette import UNLABELLED

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from spatialdata import SpatialData

    from s3rl._typing import Data


_IMAGE_BYTES = 2**26
_IMAGE_ALPHA = 0.5


class Named(NamedTuple):
    """Names to draw: labels of all spots (n,), some missing, and a colour for each name."""

    labels: pd.Categorical
    colors: dict[str, str]


class Place(NamedTuple):
    """How one panel is drawn: over an image of the SpatialData, of ``uns["spatial"]``, or without."""

    route: str
    image: str | None = None
    region: str | None = None
    system: str | None = None
    library: str | None = None
    picture: Any = None


def place_of(data: Data, table: AnnData, spots: np.ndarray, name: str, image_key: str | None, image: bool) -> Place:
    """Find what lies below the spots (a boolean mask, n) of the slice ``name``."""
    if data is not table:
        found = _place_in_sdata(data, table, spots, image_key, image)
        return found or Place("circles")
    libraries = table.uns.get(_keys.SPATIAL)
    libraries = libraries if isinstance(libraries, dict) else {}
    library = name if name in libraries else next(iter(libraries), None) if len(libraries) == 1 else None
    pictures = libraries[library].get("images", {}) if library is not None else {}
    if image_key is not None and image_key not in pictures:
        raise MissingKeyError(
            "names no image of this slice",
            key="image_key",
            found=repr(image_key),
            available=pictures,
            fix=f"pass image_key={next(iter(pictures))!r}" if pictures else "leave image_key out",
        )
    if not pictures or not image:
        return Place("circles", library=library)
    return Place("squidpy", image_key or ("hires" if "hires" in pictures else next(iter(pictures))), library=library)


def _place_in_sdata(
    sdata: SpatialData, table: AnnData, spots: np.ndarray, image_key: str | None, image: bool
) -> Place | None:
    from spatialdata.transformations import get_transformation

    if image_key is not None and image_key not in sdata.images:
        raise MissingKeyError(
            "names no image",
            key="image_key",
            found=repr(image_key),
            available=sdata.images,
            fix="pass the name of an element of sdata.images, or leave image_key out",
        )
    attributes = table.uns.get("spatialdata_attrs")
    if attributes is None:
        return None
    regions = table.obs[attributes["region_key"]][spots].astype(str).unique()
    if len(regions) != 1 or regions[0] not in sdata.shapes:
        return None
    systems = list(get_transformation(sdata.shapes[regions[0]], get_all=True))
    systems.sort(key=lambda system: system != "global")
    for candidate in [image_key] if image_key is not None else list(sdata.images) if image else []:
        shared = [s for s in systems if s in get_transformation(sdata.images[candidate], get_all=True)]
        if shared:
            picture = _in_memory(sdata.images[candidate])
            return Place("spatialdata", candidate, regions[0], shared[0], picture=picture)
    if image_key is not None:
        raise ParameterError(
            "has no coordinate system in common with the spots",
            key="image_key",
            found=repr(image_key),
            available=systems,
            fix=f"spatialdata.transformations.set_transformation(sdata[{image_key!r}], ..., {systems[0]!r})",
        )
    return Place("spatialdata", None, regions[0], systems[0])


def _in_memory(picture: Any) -> Any:
    """A small image read once for all panels of its slice; a large one stays lazy."""
    return picture.persist() if getattr(picture, "nbytes", _IMAGE_BYTES) < _IMAGE_BYTES else picture


def draw_named(ax: Axes, data: Data, table: AnnData, named: Named, spots: np.ndarray, place: Place) -> None:
    """Draw the spots in the colours of their names; those without a name are grey."""
    labels = named.labels[spots].remove_unused_categories()
    colors = [named.colors[name] for name in labels.categories]
    if place.route == "spatialdata":
        _through_spatialdata(ax, data, table, labels, colors, spots, place)
    elif place.route == "squidpy":
        _through_squidpy(ax, table, labels, colors, spots, place)
    else:
        xy = coordinates_of(table)[spots]
        radius = _radius(table, place, xy)
        # code -1, a missing name, takes the last colour
        _draw.circles(ax, xy, radius, facecolors=np.array([*colors, UNLABELLED])[labels.codes])
        _draw.as_image(ax, np.vstack([xy - radius, xy + radius]))


def draw_image(ax: Axes, data: Data, table: AnnData, spots: np.ndarray, place: Place) -> None:
    """Draw the image of a place alone, as far as the spots (a boolean mask, n) reach."""
    if place.route == "spatialdata":
        _image_of_spatialdata(ax, data, table, spots, place)
        return
    library = table.uns[_keys.SPATIAL][place.library]
    pixels = np.asarray(library["images"][place.image])
    ax.imshow(pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, axis=-1))
    scale = library.get("scalefactors", {}).get(f"tissue_{place.image}_scalef", 1.0)
    xy = coordinates_of(table)[spots]
    xy, radius = xy * scale, _radius(table, place, xy) * scale
    _draw.as_image(ax, np.vstack([xy - radius, xy + radius]))


def _radius(table: AnnData, place: Place, xy: np.ndarray) -> float:
    if place.library is not None:
        diameter = table.uns[_keys.SPATIAL][place.library].get("scalefactors", {}).get("spot_diameter_fullres")
        if diameter:
            return float(diameter) / 2
    return _draw.spot_radius(xy)


def _image_of_spatialdata(ax: Axes, sdata: Any, table: AnnData, spots: np.ndarray, place: Place) -> None:
    import spatialdata as sd
    import spatialdata_plot  # noqa: F401

    ids = table.obs[table.uns["spatialdata_attrs"]["instance_key"]].to_numpy()[spots]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apart = sd.SpatialData(images={place.image: place.picture})
        apart.pl.render_images(place.image).pl.show(coordinate_systems=place.system, ax=ax, title="", show=False)
        extent = sd.get_extent(sdata.shapes[place.region].loc[ids], coordinate_system=place.system)
    _draw.as_image(ax, np.array([extent["x"], extent["y"]]).T)


def _through_spatialdata(
    ax: Axes, sdata: Any, table: AnnData, labels: pd.Categorical, colors: list[str], spots: np.ndarray, place: Place
) -> None:
    """Render only the elements of the panel, with a table of its own, so that the user's object stays as it is."""
    import anndata as ad
    import pandas as pd
    import spatialdata as sd
    import spatialdata_plot  # noqa: F401

    attributes = table.uns["spatialdata_attrs"]
    instance_key, region_key = attributes["instance_key"], attributes["region_key"]
    ids = table.obs[instance_key].to_numpy()[spots]
    obs = pd.DataFrame({"s3rl": labels, instance_key: ids}, index=table.obs_names[spots])
    obs[region_key] = pd.Categorical([place.region] * len(obs))
    small = sd.models.TableModel.parse(
        ad.AnnData(obs=obs), region=place.region, region_key=region_key, instance_key=instance_key
    )
    images = {} if place.image is None else {place.image: place.picture}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apart = sd.SpatialData(
            images=images, shapes={place.region: sdata.shapes[place.region].loc[ids]}, tables={"table": small}
        )
        if images:
            apart = apart.pl.render_images(place.image, alpha=_IMAGE_ALPHA)
        apart.pl.render_shapes(
            place.region,
            color="s3rl",
            table_name="table",
            palette=dict(zip(labels.categories, colors, strict=True)),
            na_color=UNLABELLED,
        ).pl.show(coordinate_systems=place.system, ax=ax, legend_loc=None, title="", show=False)
        extent = sd.get_extent(apart.shapes[place.region], coordinate_system=place.system)
    _draw.as_image(ax, np.array([extent["x"], extent["y"]]).T)


def _through_squidpy(
    ax: Axes, table: AnnData, labels: pd.Categorical, colors: list[str], spots: np.ndarray, place: Place
) -> None:
    import anndata as ad
    import pandas as pd
    import squidpy as sq
    from matplotlib.colors import ListedColormap

    small = ad.AnnData(
        obs=pd.DataFrame({"s3rl": labels}, index=table.obs_names[spots]),
        obsm={_keys.SPATIAL: coordinates_of(table)[spots]},
        uns={_keys.SPATIAL: {place.library: table.uns[_keys.SPATIAL][place.library]}},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.pl.spatial_scatter(
            small,
            color="s3rl",
            library_id=place.library,
            img_res_key=place.image,
            palette=ListedColormap(colors),
            na_color=UNLABELLED,
            legend_loc=None,
            title="",
            ax=ax,
            img_alpha=_IMAGE_ALPHA,
        )
    scale = small.uns[_keys.SPATIAL][place.library].get("scalefactors", {}).get(f"tissue_{place.image}_scalef", 1.0)
    xy, radius = small.obsm[_keys.SPATIAL] * scale, _radius(table, place, small.obsm[_keys.SPATIAL]) * scale
    _draw.as_image(ax, np.vstack([xy - radius, xy + radius]))
