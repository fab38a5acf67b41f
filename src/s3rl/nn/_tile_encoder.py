"""A timm backbone that reads small tiles, with the two heads of SimCLR."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from s3rl._random import seeded_torch
from s3rl.errors import MissingKeyError, ModelError, ParameterError

_SMALLEST_MAP = 2
# a patch of this share of the tile leaves a transformer 8 x 8 tokens
_PATCHES = 8
_FROM_HUB = ("hf-hub:", "hf_hub:", "local-dir:")


class TileEncoder(nn.Module):
    """Features of image tiles: a timm backbone without its classifier, an MLP onto the unit sphere, a projection.

    The features are those of the paper's section 4.2, ``h = normalise(MLP(backbone(tile)))``; the projection is only
    used by the contrastive loss. Backbones are built for photographs of 224 pixels and shrink a tile of 32 to a single
    value in their first layers, so the stem's pooling and stride are taken out, in this order, until the last map is at
    least two pixels wide.

    Parameters
    ----------
    backbone
        Name of a timm model.
    in_channels
        Channels C of the tiles.
    tile_size
        Side P of the tiles in pixels.
    n_features, n_projection
        Channels of the features and of the projection.
    pretrained
        ``True`` downloads timm's weights, a path reads them from a file (safetensors or torch), ``False`` starts from
        random ones. A backbone for three channels is adapted to another number.
    mean, std
        Of each channel, on a scale from 0 to 1; None is what the pretrained weights expect, or 0.5 and 0.25.
    seed
        Of the random weights.

    Raises
    ------
    MissingKeyError
        If timm has no such model.
    ModelError
        If the weights cannot be had or do not fit.
    ParameterError
        If the backbone cannot read tiles of this size or number of channels.

    Examples
    --------
    >>> import torch
    >>> from s3rl.nn import TileEncoder
    >>> encoder = TileEncoder("test_resnet", tile_size=32, n_features=16).eval()
    >>> h = encoder.features(torch.zeros(4, 3, 32, 32, dtype=torch.uint8))
    >>> h.shape, h.norm(dim=1).round(decimals=4).tolist()
    (torch.Size([4, 16]), [1.0, 1.0, 1.0, 1.0])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str = "resnet10t",
        *,
        in_channels: int = 3,
        tile_size: int = 32,
        n_features: int = 256,
        n_projection: int = 128,
        pretrained: bool | str | os.PathLike[str] = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        with seeded_torch(seed):
            self.backbone = _adapted(
                created_backbone(backbone, in_channels, pretrained, tile_size), tile_size, in_channels
            )
            width = _width(self.backbone, backbone, in_channels, tile_size)
            self.head = _mlp(width, n_features)
            self.projection = _mlp(n_features, n_projection)
        expected = getattr(self.backbone, "pretrained_cfg", {}) if pretrained else {}
        for name, given, usual in (("mean", mean, 0.5), ("std", std, 0.25)):
            values = given if given is not None else _spread(expected.get(name, (usual,)), in_channels)
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1))
        self.tile_size = tile_size
        self._sizes = n_features, n_projection

    @property
    def in_channels(self) -> int:
        """Channels C of the tiles."""
        return self.mean.shape[1]

    @property
    def n_features(self) -> int:
        """Channels of the features."""
        return self._sizes[0]

    @property
    def n_projection(self) -> int:
        """Channels of the projection."""
        return self._sizes[1]

    def features(self, tiles: Tensor) -> Tensor:
        """Return features, float (B, n_features), rows of unit length, of tiles (B, C, P, P), uint8 or in [0, 1]."""
        if tiles.dtype == torch.uint8:
            tiles = tiles.to(self.mean.dtype) / 255
        pooled = self.backbone((tiles - self.mean) / self.std)
        return functional.normalize(self.head(pooled).float(), dim=1)

    def forward(self, tiles: Tensor) -> Tensor:
        """Return the projection, float (B, n_projection), of tiles (B, C, P, P), uint8 or in [0, 1]."""
        return self.projection(self.features(tiles))


def _mlp(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_in), nn.ReLU(), nn.Linear(n_in, n_out))


def _spread(values: Sequence[float], n: int) -> list[float]:
    """Statistics of n channels from those of another number: their own where it fits, else the average."""
    return list(values) if len(values) == n else [sum(values) / len(values)] * n


def created_backbone(
    name: str, in_channels: int, pretrained: bool | str | os.PathLike[str], tile_size: int | None = None
) -> Any:
    """Create a timm model without its classifier.

    Parameters
    ----------
    name
        Name that timm knows.
    in_channels
        Channels of the tiles.
    pretrained
        Where the weights come from.
    tile_size
        What a transformer for images of a fixed size is made for; None keeps the size that it was trained on.
    """
    import timm

    if not timm.is_model(name) and not name.startswith(_FROM_HUB):
        raise MissingKeyError(
            "is no model of timm",
            key=f"backbone={name!r}",
            available=timm.list_models(f"*{name.split('_')[0][:6]}*")[:20],
            fix="timm.list_models() lists them; small ones: 'resnet10t', 'resnet18', 'convnext_atto'",
        )
    options: dict[str, Any] = {"pretrained": bool(pretrained), "num_classes": 0, "in_chans": in_channels}
    if not isinstance(pretrained, bool):
        place = Path(pretrained)
        if not place.is_file():
            raise ModelError(
                "is no file", key=f"pretrained={os.fspath(place)!r}", fix="pass the path of the weights, True or False"
            )
        options["pretrained_cfg_overlay"] = {"file": os.fspath(place)}
    try:
        options |= {} if tile_size is None else _sized(name, options, tile_size)
        state = torch.random.get_rng_state()
        model = timm.create_model(name, **options)
        if pretrained:
            torch.random.set_rng_state(state)
            _check_loaded(model, timm.create_model(name, **options | {"pretrained": False}))
        return model
    except (RuntimeError, ValueError, KeyError, OSError, AssertionError) as error:
        if not pretrained:
            raise _unreadable(name, in_channels, tile_size, error) from error
        raise ModelError(
            "cannot be loaded",
            key=f"pretrained={pretrained!r} of {name!r}",
            found=f"{type(error).__name__}: {error}"[:400],
            fix="pass a file of this model's weights, or pretrained=False; True needs access to timm's hub",
        ) from error


def _check_loaded(model: nn.Module, random: nn.Module) -> None:
    """Refuse weights that left layers random: timm passes over what a file lacks with a line in the log."""
    start = dict(random.named_parameters())
    same = [name for name, value in model.named_parameters() if value.ndim > 1 and torch.equal(value, start[name])]
    if same:
        raise ValueError(f"has no weights for {len(same)} layers, first {same[0]}")


def _sized(name: str, options: dict[str, Any], tile_size: int) -> dict[str, Any]:
    """Options that tell a transformer for images of a fixed size how large the tiles are."""
    import timm

    embed = getattr(timm.create_model(name, **options | {"pretrained": False}), "patch_embed", None)
    if embed is None or getattr(embed, "img_size", None) is None:
        return {}
    return {"img_size": tile_size, "patch_size": max(2, tile_size // _PATCHES)}


def _adapted(model: Any, tile_size: int, in_channels: int) -> Any:
    """Take out the stem's pooling, then halve the stride of its convolution, until the last map is wide enough."""
    model.eval()
    for change in _stem_changes(model):
        if _map_side(model, tile_size, in_channels) >= _SMALLEST_MAP:
            break
        change()
    return model.train()


def _map_side(model: Any, tile_size: int, in_channels: int) -> int:
    try:
        with torch.no_grad():
            last = model.forward_features(torch.zeros(1, in_channels, tile_size, tile_size))
    except RuntimeError:
        # the tile is used up before the last layer
        return 0
    # tokens, or channels last, have no map to widen
    return int(min(last.shape[2:])) if last.ndim == 4 and last.shape[1] == model.num_features else _SMALLEST_MAP


def _stem_changes(model: Any) -> list[Callable[[], None]]:
    changes: list[Callable[[], None]] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.MaxPool2d):
            parent, _, last = name.rpartition(".")
            changes.append(partial(setattr, model.get_submodule(parent), last, nn.Identity()))
            break
    stem = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    stride = 1 if stem is None else stem.stride[0]
    while stride > 1:
        stride //= 2
        changes.append(partial(setattr, stem, "stride", (stride, stride)))
    return changes


def _width(model: Any, name: str, in_channels: int, tile_size: int) -> int:
    """Channels that the backbone gives for a tile; raises where it cannot read one."""
    try:
        model.eval()
        with torch.no_grad():
            return int(model(torch.zeros(1, in_channels, tile_size, tile_size)).shape[1])
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        raise _unreadable(name, in_channels, tile_size, error) from error
    finally:
        model.train()


def _unreadable(name: str, in_channels: int, tile_size: int | None, error: Exception) -> ParameterError:
    return ParameterError(
        f"cannot read tiles of {in_channels} channels" + (f" and {tile_size} pixels" if tile_size else ""),
        key=f"backbone={name!r}",
        found=f"{type(error).__name__}: {error}"[:300],
        fix="pass another backbone, for example 'resnet18', or tiles of another size",
    )
