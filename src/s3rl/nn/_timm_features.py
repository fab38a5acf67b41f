"""Any timm model as a reader of tiles, with the size and colours that its weights expect."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from s3rl._random import seeded_torch
from s3rl.nn._tile_encoder import created_backbone


class TimmFeatures(nn.Module):
    """Pooled features of a timm model without its classifier; tiles are resized to the size that it was trained on.

    Parameters
    ----------
    backbone
        Name of a timm model, ``"hf-hub:owner/model"`` included.
    in_channels
        Channels C of the tiles.
    pretrained
        ``True`` downloads timm's weights, a path reads them from a file, ``False`` keeps random ones.
    seed
        Of random weights.

    Raises
    ------
    MissingKeyError
        If timm has no such model.
    ModelError
        If the weights cannot be had or do not fit.

    Examples
    --------
    >>> import torch
    >>> from s3rl.nn import TimmFeatures
    >>> model = TimmFeatures("test_resnet", pretrained=False).eval()
    >>> model(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([2, 96])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str,
        *,
        in_channels: int = 3,
        pretrained: bool | str | os.PathLike[str] = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        with seeded_torch(seed):
            self.backbone = created_backbone(backbone, in_channels, pretrained)
        expected: dict[str, Any] = self.backbone.pretrained_cfg
        for name in ("mean", "std"):
            values = expected[name] if len(expected[name]) == in_channels else [sum(expected[name]) / 3] * in_channels
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1))
        self.input_size = tuple(expected["input_size"][1:])

    def forward(self, tiles: Tensor) -> Tensor:
        """Return features, float (B, d), of tiles (B, C, P, P), uint8 or in [0, 1]."""
        values = tiles.to(self.mean.dtype) / (255 if tiles.dtype == torch.uint8 else 1)
        values = functional.interpolate(values, self.input_size, mode="bilinear", align_corners=False, antialias=True)
        return self.backbone((values - self.mean) / self.std)
