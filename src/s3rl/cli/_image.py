"""The image of an input: which one and how finely, tiles on it, and their features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from s3rl._keys import SPATIAL, X_SIMCLR, TileFeatureKeys, tiles_of_image
from s3rl.cli._image_choice import WANTED_PIXELS, common_side, level_for
from s3rl.errors import MissingKeyError, ParameterError, S3RLError

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from spatialdata import SpatialData

    from s3rl._typing import Data
    from s3rl.cli._pipeline import Settings

_IMAGES = ("hires", "lowres")
_NO_IMAGE = "leave the option out, or pass an input with an image"
_KEYS = TileFeatureKeys()


class Tiled(NamedTuple):
    """Tiles on the image of an input.

    Attributes
    ----------
    sdata
        The input where it is a SpatialData, else the image and the spots of it.
    table
        Its table, with the spots in the order of the input's.
    keys
        Names of the tiles in ``sdata.shapes``.
    facts
        What the summary says about them.
    """

    sdata: SpatialData
    table: AnnData
    keys: list[str]
    facts: dict[str, Any]


class ImageUse(NamedTuple):
    """How the image takes part: its tiles, or the reason why there are none."""

    tiled: Tiled | None = None
    left_out: str | None = None


def check_options(settings: Settings) -> None:
    """Refuse options of the image where it is not used."""
    given = {"image_key": settings.image_key, "tile_size": settings.tile_size}
    for name, value in given.items():
        if value is not None and not settings.use_image:
            raise ParameterError(
                "has no meaning with --no-image", key=name, found=repr(value), fix="leave one of them out"
            )


def has_image(data: Data, table: AnnData) -> bool:
    """Whether the input holds an image at all."""
    if data is not table:
        return bool(data.images)
    libraries = table.uns.get(SPATIAL)
    libraries = libraries.values() if hasattr(libraries, "values") else ()
    return any(set(_IMAGES) & set(library.get("images") or {}) for library in libraries if hasattr(library, "get"))


def make_tiles_on(data: Data, table: AnnData, settings: Settings, said: list[str]) -> ImageUse:
    """Put tiles on the image, or say why it cannot be used where the user has not asked for it.

    The image, and of a pyramid the level, is the one where neighbouring spots are nearest to 32 pixels apart, by ratio.
    Tiles are as wide as this distance, rounded up to an even number of pixels.
    """
    asked = settings.image_key is not None or settings.tile_size is not None
    if not has_image(data, table):
        if asked:
            key = "image_key" if settings.image_key is not None else "tile_size"
            raise ParameterError("has no meaning without an image", key=key, available=[], fix=_NO_IMAGE)
        return ImageUse(left_out="there is none")
    try:
        tiled = _tiled(data, table, settings)
    except S3RLError as error:
        if asked:
            raise
        said.append(f"image left out: {error}")
        return ImageUse(left_out=str(error))
    facts = tiled.facts
    microns = "" if facts["microns"] is None else f", {facts['microns']:.3g} µm"
    said.append(f"{facts['size']} px{microns} on {', '.join(facts['images'])}")
    if facts["padded"]:
        said.append(f"{facts['padded']:,} reach beyond the image")
    return ImageUse(tiled)


def learn_features(
    tiled: Tiled, table: AnnData, settings: Settings, *, encoder: Path, checkpoint: Path, progress: bool
) -> str:
    """Train an encoder on the tiles, write features and domains of the image alone into the table of the input."""
    from s3rl._slots.write import write_slots
    from s3rl.tl._cluster import cluster
    from s3rl.tl._simclr import simclr

    epochs = settings.image_epochs
    simclr(
        tiled.sdata,
        tiles_key=tiled.keys,
        params=None if epochs is None else {"epochs": epochs, "min_steps": 1},
        encoder_path=encoder,
        checkpoint=checkpoint,
        rng=settings.seed,
        device=settings.device,
        progress=progress,
        table_key=_name_of(tiled),
    )
    if tiled.table is not table:
        found = tiled.table
        write_slots(
            table, {("obsm", _KEYS.features): found.obsm[_KEYS.features], ("uns", _KEYS.uns): found.uns[_KEYS.uns]}
        )
    cluster(table, "leiden", use_rep=X_SIMCLR, rng=settings.seed)
    record = table.uns[_KEYS.uns]
    done = len(record["history"]["loss"])
    tiled.facts.update(backbone=record["encoder"]["backbone"], epochs=done)
    short = ", a short training for the demo" if epochs is not None else ""
    return f"{record['encoder']['backbone']}, {done} epochs{short}"


def _name_of(tiled: Tiled) -> str:
    return next(name for name, table in tiled.sdata.tables.items() if table is tiled.table)


def _tiled(data: Data, table: AnnData, settings: Settings) -> Tiled:
    from s3rl._slots.tile_stack import TileStack
    from s3rl.pp._make_tiles import make_tiles

    sdata = data if data is not table else _picture_of(table, settings)
    own = table if data is not table else sdata.tables["table"]
    chosen = {region: level_for(sdata, region, settings) for region in _regions_of(own)}
    side = common_side(list(chosen.values())) if settings.tile_size is None else None
    keys = []
    for region, choice in chosen.items():
        size = settings.tile_size if side is None else side * choice.factor
        # two slices may lie on one image
        alone = sum(other.image == choice.image for other in chosen.values()) == 1
        keys.append(tiles_of_image(choice.image if alone else f"{choice.image}_{region}"))
        make_tiles(
            sdata,
            choice.image,
            size=float(size or 0),
            unit=settings.tile_unit if side is None else "px",  # type: ignore[arg-type]
            # micrometres say nothing about the resolution, pixels do
            pixels=side if side is not None else WANTED_PIXELS if settings.tile_unit == "um" else None,
            region_key=region,
            key_added=keys[-1],
        )
    return Tiled(sdata, own, keys, _facts(TileStack.of(sdata, own, keys)))


def _picture_of(table: AnnData, settings: Settings) -> SpatialData:
    """Images and spots alone, without expression."""
    import numpy as np
    import pandas as pd
    from anndata import AnnData

    from s3rl.pp._to_spatialdata import to_spatialdata

    names = [settings.library_key] if settings.library_key is not None else []
    bare = AnnData(
        np.zeros((table.n_obs, 1), np.float32),
        obs=table.obs[names].copy(),
        var=pd.DataFrame(index=["none"]),
        obsm={SPATIAL: np.asarray(table.obsm[SPATIAL])},
        uns={SPATIAL: table.uns[SPATIAL]},
    )
    several = len(table.uns[SPATIAL]) > 1
    wanted: Any = settings.image_key if settings.image_key in _IMAGES else None
    return to_spatialdata(bare, library_key=settings.library_key if several else None, image=wanted)


def _regions_of(table: AnnData) -> list[str]:
    attributes = table.uns.get("spatialdata_attrs")
    if attributes is None:
        raise MissingKeyError(
            "annotates no shapes, so that its spots have no place on an image",
            key="uns['spatialdata_attrs']",
            available=list(table.uns),
            fix="spatialdata.models.TableModel.parse(adata, region=..., region_key=..., instance_key=...)",
        )
    return [str(region) for region in table.obs[attributes["region_key"]].astype(str).unique()]


def _facts(stack: Any) -> dict[str, Any]:
    import numpy as np

    record = stack.record
    microns = float(np.mean(record["microns"]))
    return {
        "images": [str(name) for name in record["image_key"]],
        "levels": [str(name) for name in record["level"]],
        "tiles": list(record["tiles_key"]),
        "size": int(record["size"][0]),
        "microns": round(microns, 4) if math.isfinite(microns) else None,
        "channels": stack.shape[0],
        "padded": int(sum((part.tiles.padded[part.positions] > 0).sum() for part in stack.parts)),
    }
