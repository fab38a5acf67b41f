"""Learn features of image tiles without labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl import _keys
from s3rl._log import note
from s3rl._random import seed_of
from s3rl._slots.images import spatialdata_of
from s3rl._slots.table import table_of
from s3rl._slots.tile_stack import TileStack
from s3rl._slots.write import write_slots
from s3rl.errors import ParameterError
from s3rl.fit.simclr_params import SimCLRParams

if TYPE_CHECKING:
    from spatialdata import SpatialData

    from s3rl._typing import RNG
    from s3rl.fit.distributed import Team
    from s3rl.fit.encoder_file import FittedEncoder
    from s3rl.transforms._base import Step

__all__ = ["SimCLRParams", "SimCLRResult", "simclr"]

_SAMPLE = 512
_BATCH = 256
# what the log calls small
_QUICK = ("resnet10t", "test_resnet")


class SimCLRResult(NamedTuple):
    """What ``s3.tl.simclr(..., copy=True)`` returns.

    Attributes
    ----------
    features
        float32 (n, d), rows of unit length, in the order of the table.
    record
        Parameters, inputs, encoder, loss history, version and seed.
    """

    features: np.ndarray
    record: dict[str, Any]


def simclr(
    sdata: SpatialData,
    *,
    tiles_key: str | Sequence[str] | None = None,
    backbone: str = "resnet10t",
    pretrained: bool | str | os.PathLike[str] = False,
    transform: Step | None = None,
    params: SimCLRParams | Mapping[str, Any] | None = None,
    encoder_path: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    rng: RNG = None,
    device: str = "auto",
    progress: bool = True,
    table_key: str | None = None,
    key_added: str = _keys.X_SIMCLR,
    copy: bool = False,
) -> SimCLRResult | None:
    """Learn features of the tiles of an image by contrast (Fu et al., Adv. Sci. 2025, section 4.2).

    Two views of each tile, cropped, turned and recoloured at random, shall be near each other in a space of features
    and far from the views of the other tiles (NT-Xent). The tiles are copied once to a temporary file, so that memory
    does not grow with the slide.

    The default is a small backbone and a short training, which end in minutes on two cores of a CPU for a slide of
    4,000 spots. The paper's is ``backbone="resnet50", params=SimCLRParams.paper()``: days on a CPU, best on a GPU,
    where half precision is used and the views are drawn in other processes. Started by ``torchrun``, the processes
    share each batch and give what one would.

    Parameters
    ----------
    sdata
        SpatialData with tiles (``s3.pp.make_tiles``) and a table that annotates what they were made for.
    tiles_key
        Tiles in ``shapes``, several where the table annotates several slices; None takes all that belong to the table.
    backbone
        Name of a timm model; its stem is adapted to small tiles (``s3.nn.TileEncoder``).
    pretrained
        ``True`` downloads timm's weights, a path reads them from a file, ``False`` starts from random ones.
    transform
        Gives ``view_1`` and ``view_2`` of a tile (``s3.transforms.TwoViews``); None is the paper's recipe at the
        strengths of ``params``.
    params
        ``SimCLRParams``, or a mapping of some of its names.
    encoder_path
        File to save the encoder in (safetensors), for ``s3.tl.embed_tiles``.
    checkpoint
        File to save the state of training in, and to continue from where it exists.
    rng
        Seed or generator; None is seed 0.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    progress
        Whether to show progress bars.
    table_key
        Table of ``sdata``.
    key_added
        Slot of the features; ``uns`` takes its name without ``X_``.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``SimCLRResult`` where ``copy=True``. Otherwise writes into the table

    - ``obsm["X_simclr"]``: features, float32 (n, ``params.n_features``), rows of unit length
    - ``uns["simclr"]``: parameters, inputs, encoder, loss history, version and seed

    Raises
    ------
    DataTypeError
        If ``sdata`` is no SpatialData (``s3.pp.to_spatialdata`` makes one).
    MissingKeyError
        If the table, the tiles or the backbone is not there, or a row has no tile.
    ParameterError
        If tiles of several images differ in kind, the backbone cannot read them, or an argument is out of range.
    ModelError
        If weights or checkpoint cannot be read, or the loss stops being finite.
    StoreError
        If the image cannot be read, or ``encoder_path`` cannot be written.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(60, 30)
    >>> s3.pp.make_tiles(sdata, "he", size=32)
    >>> s3.tl.simclr(sdata, backbone="test_resnet", params={"epochs": 1, "min_steps": 1}, progress=False)
    >>> sdata.tables["table"].obsm["X_simclr"].shape
    (60, 256)
    """
    from s3rl.fit.encoder_file import check_encoder_path, save_encoder

    table = table_of(spatialdata_of(sdata), table_key)
    settings = SimCLRParams.of(params)
    seed = seed_of(rng)
    if encoder_path is not None:
        check_encoder_path(encoder_path)
    stack = TileStack.of(sdata, table, tiles_key)
    if stack.n < 2:
        raise ParameterError(
            "has fewer than two tiles to contrast", key="sdata", found=f"{stack.n} rows", fix="pass a whole slide"
        )
    _tell(backbone, pretrained, settings, stack.n)
    fitted, features, history = _fit(
        stack, backbone, pretrained, transform, settings,
        seed=seed, device=device, checkpoint=checkpoint, progress=progress,
    )  # fmt: skip
    if encoder_path is not None:
        save_encoder(encoder_path, fitted)
    record = _record(stack, fitted, history, pretrained, encoder_path)
    if copy:
        return SimCLRResult(features, record)
    keys = _keys.TileFeatureKeys(key_added)
    write_slots(table, {("obsm", keys.features): features, ("uns", keys.uns): record})
    return None


def _tell(backbone: str, pretrained: object, params: SimCLRParams, n: int) -> None:
    from s3rl.fit.simclr import epochs_of

    said = f"training {backbone} on {n:,} tiles for {epochs_of(n, params)} epochs"
    if backbone in _QUICK and not pretrained:
        said += "; a small encoder and a short training, for a CPU. The paper's: backbone='resnet50', "
        said += "params=s3.tl.SimCLRParams.paper()"
    note(said)


def _fit(
    stack: TileStack,
    backbone: str,
    pretrained: bool | str | os.PathLike[str],
    transform: Step | None,
    params: SimCLRParams,
    *,
    seed: int,
    device: str,
    checkpoint: str | os.PathLike[str] | None,
    progress: bool,
) -> tuple[FittedEncoder, np.ndarray, dict[str, list[float]]]:
    from s3rl.fit.distributed import team_of
    from s3rl.fit.encoder_file import FittedEncoder
    from s3rl.fit.intensity import Intensity
    from s3rl.fit.simclr import train_encoder
    from s3rl.fit.tile_views import Views, recipe_of
    from s3rl.transforms import TwoViews

    with team_of(device) as team, stack.to_file() as tiles:
        sample = tiles.take(_spread(stack.n))
        intensity = Intensity.of(sample)
        encoder = _encoder(stack, backbone, pretrained, params, intensity.scaled(sample), seed)
        draw = TwoViews(recipe=recipe_of(params, stack.shape[0])) if transform is None else transform
        history = train_encoder(
            encoder,
            Views(tiles, intensity, draw, seed),
            params,
            team,
            checkpoint=checkpoint,
            fingerprint=stack.fingerprint(params.decisive(), seed, backbone, str(pretrained), repr(draw)),
            progress=progress,
        )
        about = {"params": params.as_dict(), "seed": seed if seed < 2**63 else str(seed), "input": stack.record}
        fitted = FittedEncoder(encoder, backbone, intensity, about)
        features = _features(fitted, tiles, team, progress)
        encoder.cpu()
    return fitted, features, history


def _spread(n: int) -> np.ndarray:
    return np.linspace(0, n - 1, min(_SAMPLE, n)).astype(np.int64)


def _encoder(
    stack: TileStack, backbone: str, pretrained: Any, params: SimCLRParams, sample: np.ndarray, seed: int
) -> Any:
    """Untrained encoder; from random weights on it expects the colours of this slide."""
    from s3rl.nn import TileEncoder

    scale = 255.0 if sample.dtype == np.uint8 else 1.0
    own = {} if pretrained else {
        "mean": (sample.mean(axis=(0, 2, 3)) / scale).tolist(),
        "std": (np.maximum(sample.std(axis=(0, 2, 3)), 1e-3 * scale) / scale).tolist(),
    }  # fmt: skip
    channels, size, _ = stack.shape
    return TileEncoder(
        backbone,
        in_channels=channels,
        tile_size=size,
        n_features=params.n_features,
        n_projection=params.n_projection,
        pretrained=pretrained,
        seed=seed,
        **own,
    )


def _features(fitted: FittedEncoder, tiles: Any, team: Team, progress: bool) -> np.ndarray:
    from s3rl.fit.embed import embed

    n = len(tiles)
    rows = np.empty((n, fitted.encoder.n_features), np.float32)
    positions = np.arange(n)
    batches = ((positions[i : i + _BATCH], tiles.take(positions[i : i + _BATCH])) for i in range(0, n, _BATCH))
    encoder = fitted.encoder
    for where, values in embed(
        encoder.features, batches, n, fitted.intensity, team.device, progress=progress and team.leads
    ):
        rows[where] = values
    return rows


def _record(
    stack: TileStack,
    fitted: FittedEncoder,
    history: dict[str, list[float]],
    pretrained: object,
    encoder_path: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    from s3rl import __version__

    return {
        "params": fitted.about["params"],
        "input": stack.record,
        "encoder": {
            "backbone": fitted.backbone,
            "pretrained": str(pretrained),
            "path": "" if encoder_path is None else os.fspath(encoder_path),
        },
        "history": {name: np.asarray(values) for name, values in history.items()},
        "version": __version__,
        "seed": fitted.about["seed"],
    }
