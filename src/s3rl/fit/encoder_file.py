"""A trained tile encoder as one safetensors file, with what it needs to read tiles again."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from s3rl.errors import ModelError, StoreError
from s3rl.fit.atomic import write_file_atomically
from s3rl.fit.intensity import Intensity
from s3rl.fit.tensor_file import DAMAGED, check_json, pack, unpack
from s3rl.nn import TileEncoder

__all__ = ["FittedEncoder", "check_encoder_path", "load_encoder", "save_encoder"]

_FORMAT, _VERSION = "s3rl-tile-encoder", 1


@dataclass(frozen=True)
class FittedEncoder:
    """An encoder and the tiles that it was made for.

    Parameters
    ----------
    encoder
        Encoder in evaluation mode.
    backbone
        Name of the timm model.
    intensity
        Scale of the tiles.
    about
        What else JSON keeps: channels' names, side of the tiles in microns, parameters, seed.
    """

    encoder: TileEncoder
    backbone: str
    intensity: Intensity
    about: dict[str, Any]


def save_encoder(path: str | os.PathLike[str], fitted: FittedEncoder) -> None:
    """Write the encoder; a kill at any moment leaves the previous file or the new one.

    Raises
    ------
    ParameterError
        If ``about`` holds what JSON does not keep.
    StoreError
        If the folder is not there, or the disk is full or read-only.
    """
    from s3rl import __version__

    encoder = fitted.encoder
    note = {
        "format": _FORMAT,
        "version": _VERSION,
        "package": __version__,
        "backbone": fitted.backbone,
        "in_channels": encoder.in_channels,
        "tile_size": encoder.tile_size,
        "n_features": encoder.n_features,
        "n_projection": encoder.n_projection,
        "intensity": fitted.intensity.as_dict(),
        "about": fitted.about,
    }
    check_json(note, "encoder", finite=False)
    raw = pack(encoder.state_dict(), json.dumps(note, ensure_ascii=False))
    write_file_atomically(path, lambda partial: partial.write_bytes(raw))


def check_encoder_path(path: str | os.PathLike[str]) -> None:
    """Refuse a path that ``save_encoder`` could not write, before the work is done."""
    place = Path(path)
    if not place.parent.is_dir() or place.is_dir():
        raise StoreError(
            "is a folder" if place.is_dir() else "lies in a folder that is not there",
            key=f"encoder_path={os.fspath(path)!r}",
            fix="pass the path of a file to write, for example 'encoder.safetensors'",
        )


def load_encoder(path: str | os.PathLike[str]) -> FittedEncoder:
    """Read what ``save_encoder`` wrote, on the CPU.

    Raises
    ------
    ModelError
        If the file is not there, is damaged, or is no encoder of this version.
    """
    try:
        tensors, text = unpack(Path(path).read_bytes())
        note = json.loads(text or "{}")
        if (note.get("format"), note.get("version")) != (_FORMAT, _VERSION):
            raise ValueError(f"format {note.get('format')} {note.get('version')}, not {_FORMAT} {_VERSION}")
        encoder = TileEncoder(
            note["backbone"],
            **{name: note[name] for name in ("in_channels", "tile_size", "n_features", "n_projection")},
        )
        encoder.load_state_dict(tensors)
        if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
            raise ValueError("weights that are not finite")
        low, high = (note["intensity"][name] for name in ("low", "high"))
        intensity = Intensity(low and tuple(low), high and tuple(high))
        return FittedEncoder(encoder.eval(), note["backbone"], intensity, note["about"])
    except (OSError, RuntimeError, AttributeError, *DAMAGED) as error:
        raise ModelError(
            "cannot be read as a tile encoder",
            key=f"encoder {os.fspath(path)!r}",
            found=f"{type(error).__name__}: {error}"[:400],
            fix="pass the encoder_path of s3.tl.simclr, or the name of a timm model",
        ) from error
