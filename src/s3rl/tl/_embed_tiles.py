"""Features of image tiles from an encoder that is there already."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl import _keys
from s3rl._log import note
from s3rl._slots.images import spatialdata_of
from s3rl._slots.table import table_of
from s3rl._slots.tile_stack import TileStack
from s3rl._slots.write import write_slots
from s3rl.errors import DataTypeError, ParameterError

if TYPE_CHECKING:
    from spatialdata import SpatialData
    from torch import Tensor, nn

    from s3rl.fit.intensity import Intensity

__all__ = ["EmbedTilesResult", "embed_tiles"]

_SAMPLE = 512


class EmbedTilesResult(NamedTuple):
    """What ``s3.tl.embed_tiles(..., copy=True)`` returns.

    Attributes
    ----------
    features
        float32 (n, d), rows of unit length, in the order of the table.
    record
        Inputs, encoder and version.
    """

    features: np.ndarray
    record: dict[str, Any]


class _Reader(NamedTuple):
    """Encoder as a function of tiles, and what to say about it."""

    module: nn.Module
    features: Callable[[Tensor], Tensor]
    intensity: Intensity
    about: dict[str, str]
    identity: str


def embed_tiles(
    sdata: SpatialData,
    encoder: str | os.PathLike[str] | nn.Module,
    *,
    pretrained: bool | str | os.PathLike[str] = True,
    tiles_key: str | Sequence[str] | None = None,
    batch_size: int = 256,
    parts_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: bool = True,
    table_key: str | None = None,
    key_added: str = _keys.X_SIMCLR,
    copy: bool = False,
) -> EmbedTilesResult | None:
    """Compute features of the tiles with an encoder of ``s3.tl.simclr``, a model of timm or any torch module.

    The image is read once, chunk by chunk, through dask (on the cluster of a ``dask.distributed`` client where there
    is one), and never held as a whole.

    Parameters
    ----------
    sdata
        SpatialData with tiles (``s3.pp.make_tiles``) and a table that annotates what they were made for.
    encoder
        File that ``s3.tl.simclr(..., encoder_path=)`` wrote; the name of a timm model, to whose size and colours the
        tiles are brought (``"hf-hub:owner/model"`` for one of the hub); or a torch module from tiles (b, C, P, P) of
        float32 in [0, 1] to features (b, d), used in evaluation mode.
    pretrained
        Weights of a timm model: ``True`` downloads timm's, a path reads them from a file, ``False`` keeps random ones.
    tiles_key
        Tiles in ``shapes``; None takes all that belong to the table.
    batch_size
        Tiles computed at a time.
    parts_dir
        Folder for what is done, so that an interrupted call goes on when it is repeated; it is removed at the end.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    progress
        Whether to show a progress bar.
    table_key
        Table of ``sdata``.
    key_added
        Slot of the features; ``uns`` takes its name without ``X_``.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or an ``EmbedTilesResult`` where ``copy=True``. Otherwise writes into the table

    - ``obsm["X_simclr"]``: features, float32 (n, d), rows of unit length
    - ``uns["simclr"]``: inputs, encoder and version

    Raises
    ------
    MissingKeyError
        If the table, the tiles or the model is not there, or a row has no tile.
    DataTypeError
        If ``encoder`` is none of the three, or ``sdata`` no SpatialData.
    ModelError
        If the encoder cannot be read.
    ParameterError
        If the encoder cannot read these tiles, or an argument is out of range.
    StoreError
        If the image cannot be read, or ``parts_dir`` holds something else.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(60, 30)
    >>> s3.pp.make_tiles(sdata, "he", size=32)
    >>> s3.tl.embed_tiles(sdata, "test_resnet", pretrained=False, progress=False)
    >>> sdata.tables["table"].obsm["X_simclr"].shape
    (60, 96)
    """
    table = table_of(spatialdata_of(sdata), table_key)
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise ParameterError(
            "must be a whole number, 1 or more", key="batch_size", found=repr(batch_size), fix="batch_size=256"
        )
    stack = TileStack.of(sdata, table, tiles_key)
    reader = _reader_of(encoder, pretrained, stack)
    features = _compute(stack, reader, batch_size, parts_dir, device, progress)
    record = _record(stack, reader)
    if copy:
        return EmbedTilesResult(features, record)
    keys = _keys.TileFeatureKeys(key_added)
    write_slots(table, {("obsm", keys.features): features, ("uns", keys.uns): record})
    return None


def _reader_of(encoder: Any, pretrained: Any, stack: TileStack) -> _Reader:
    from torch import nn

    if isinstance(encoder, nn.Module):
        name = type(encoder).__name__
        about = {"backbone": name, "pretrained": "", "path": ""}
        return _Reader(encoder, partial(_of_fractions, encoder), _scale_of(stack), about, _weights_of(encoder))
    if not isinstance(encoder, (str, os.PathLike)):
        raise DataTypeError(
            "is no file, no name and no torch module",
            key="encoder",
            found=type(encoder).__name__,
            fix="pass the encoder_path of s3.tl.simclr, the name of a timm model, or a torch module",
        )
    if Path(encoder).suffix == ".safetensors" or Path(encoder).is_file():
        return _fitted(encoder, stack)
    from s3rl.nn import TimmFeatures

    model = TimmFeatures(os.fspath(encoder), in_channels=stack.shape[0], pretrained=pretrained)
    about = {"backbone": os.fspath(encoder), "pretrained": str(pretrained), "path": ""}
    return _Reader(model, model, _scale_of(stack), about, _weights_of(model))


def _of_fractions(module: nn.Module, tiles: Tensor) -> Tensor:
    return module(tiles if tiles.is_floating_point() else tiles.float() / 255)


def _fitted(path: str | os.PathLike[str], stack: TileStack) -> _Reader:
    from s3rl.fit.encoder_file import load_encoder

    fitted = load_encoder(path)
    channels, size, _ = stack.shape
    encoder = fitted.encoder
    if encoder.in_channels != channels or fitted.intensity.is_bytes != (stack.dtype == np.uint8):
        made_for = "uint8" if fitted.intensity.is_bytes else "values of other dtypes"
        raise ParameterError(
            "was trained on tiles of another kind",
            key=f"encoder {os.fspath(path)!r}",
            found=f"{encoder.in_channels} channels of {made_for}; the tiles have {channels} of {stack.dtype}",
            fix="train on these tiles with s3.tl.simclr, or bring the image to the same channels and dtype",
        )
    if encoder.tile_size != size:
        note("the encoder was trained on tiles of %d px, these have %d px", encoder.tile_size, size)
    about = {"backbone": fitted.backbone, "pretrained": "", "path": os.fspath(path)}
    return _Reader(encoder, encoder.features, fitted.intensity, about, _weights_of(encoder))


def _scale_of(stack: TileStack) -> Intensity:
    from s3rl.fit.intensity import Intensity

    return Intensity() if stack.dtype == np.uint8 else Intensity.of(stack.sample(_SAMPLE))


def _weights_of(module: nn.Module) -> str:
    import hashlib

    digest = hashlib.sha256(repr(module).encode())
    for name, value in module.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()


def _compute(
    stack: TileStack,
    reader: _Reader,
    batch_size: int,
    parts_dir: str | os.PathLike[str] | None,
    device: str,
    progress: bool,
) -> np.ndarray:
    from s3rl.fit.device import resolve_device
    from s3rl.fit.distributed import computes
    from s3rl.fit.embed import FeatureParts, embed

    place = resolve_device(device, trains=computes)
    parts = None if parts_dir is None else FeatureParts(parts_dir, stack.fingerprint(reader.identity))
    rows: np.ndarray | None = None
    missing = np.ones(stack.n, bool)
    done = iter(()) if parts is None else parts.load()
    was_training, origin = reader.module.training, _device_of(reader.module)
    reader.module.to(place).eval()
    try:
        for where, values in done:
            rows = _into(rows, stack.n, where, values)
            missing[where] = False
        batches = stack.batches(batch_size, missing)
        todo = int(missing.sum())
        for where, values in embed(reader.features, batches, todo, reader.intensity, place, progress=progress):
            rows = _into(rows, stack.n, where, values)
            if parts is not None:
                parts.save(where, values)
    finally:
        reader.module.to(origin).train(was_training)
    if parts is not None:
        parts.clear()
    return rows if rows is not None else np.empty((stack.n, 0), np.float32)


def _device_of(module: nn.Module) -> Any:
    return next((value.device for value in module.state_dict().values()), "cpu")


def _into(rows: np.ndarray | None, n: int, where: np.ndarray, values: np.ndarray) -> np.ndarray:
    rows = np.empty((n, values.shape[1]), np.float32) if rows is None else rows
    rows[where] = values
    return rows


def _record(stack: TileStack, reader: _Reader) -> dict[str, Any]:
    from s3rl import __version__

    return {"input": stack.record, "encoder": reader.about, "version": __version__}
