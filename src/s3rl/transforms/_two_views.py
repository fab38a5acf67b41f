"""Two views of each tile, the recipe of SimCLR as the paper takes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from s3rl.errors import ParameterError
from s3rl.transforms._base import Compose, Step, value_of
from s3rl.transforms._checks import as_count, wrong_channels
from s3rl.transforms._color import ColorJitter, ToGray
from s3rl.transforms._geometry import Flip, RandomResizedCrop
from s3rl.transforms._intensity import IntensityJitter


class TwoViews(Step):
    """Two random views of one tile, ``view_1`` and ``view_2``, for contrastive learning (section 4.2).

    Without a recipe of your own each view is a random crop resized to ``size``, flipped and turned, with its colours
    distorted and now and then without colour. The strengths are SimCLR's for small pictures. Grey tiles change in
    brightness and contrast; tiles of other numbers of channels in the intensity of each channel.

    Parameters
    ----------
    size
        Side of the views in pixels; None keeps the size of the tile.
    channels
        Channels of the tile, which decide about the colour distortion.
    recipe
        Transform or composition that makes a view of a tile; None takes the paper's. It is applied twice, with
        independent randomness; ``size`` and ``channels`` are then not used.
    key
        Key of the tile (C, P, P), which stays in the sample.

    Raises
    ------
    ParameterError
        If an argument is out of range or the recipe is no transform.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import TwoViews
    >>> views = TwoViews(24)
    >>> views.recipe
    Compose([
        RandomResizedCrop(size=24, scale=(0.2, 1.0), ratio=(0.75, 1.3333333333333333)),
        Flip(turns=True),
        ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8),
        ToGray(p=0.2),
    ])
    >>> tile = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    >>> out = views({"tile": tile, "coords": (3.0, 4.0)}, np.random.default_rng(1))
    >>> out["view_1"].shape, out["view_2"].dtype, out["coords"], sorted(out)
    ((3, 24, 24), dtype('uint8'), (3.0, 4.0), ['coords', 'tile', 'view_1', 'view_2'])
    """

    def __init__(
        self, size: int | None = None, *, channels: int = 3, recipe: Step | None = None, key: str = "tile"
    ) -> None:
        self.size = None if size is None else as_count(size)
        self.channels = as_count(channels, "channels", "channels")
        self.key = key
        if recipe is not None and (not isinstance(recipe, Step) or key not in recipe.writes):
            raise ParameterError(
                f"is no transform of {key!r}",
                key="recipe",
                found=repr(recipe),
                fix="pass a transform, or Compose([...]) of several",
            )
        self.usual = recipe is None
        self.recipe = _paper_recipe(self.size, self.channels, key) if recipe is None else recipe

    @property
    def writes(self) -> tuple[str, ...]:
        """Keys whose values are new in the result."""
        return ("view_1", "view_2")

    def run(self, sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Add the two views to a dictionary that may be written to."""
        tile = value_of(sample, self.key)
        if self.usual and isinstance(tile, np.ndarray) and tile.ndim == 3 and len(tile) != self.channels:
            raise wrong_channels(tile, self.key, (self.channels,), f"pass TwoViews(channels={len(tile)})")
        for view in self.writes:
            sample[view] = self.recipe.run({**sample, self.key: tile}, rng)[self.key]
        return sample

    def __repr__(self) -> str:
        return f"TwoViews(size={self.size}, channels={self.channels})" if self.usual else f"TwoViews({self.recipe!r})"


def _paper_recipe(size: int | None, channels: int, key: str) -> Compose:
    """Crop, flip and colour distortion (section 4.2)."""
    if channels == 3:
        colour: list[Step] = [ColorJitter(keys=key, p=0.8), ToGray(keys=key, p=0.2)]
    elif channels == 1:
        colour = [ColorJitter(keys=key, p=0.8)]
    else:
        colour = [IntensityJitter(keys=key, p=0.8)]
    return Compose([RandomResizedCrop(size, keys=key), Flip(keys=key), *colour])
