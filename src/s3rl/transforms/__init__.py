"""Transforms of one tile and what belongs to it, composable, with the randomness handed in."""

from s3rl._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(
    __name__,
    {
        "Transform": "_base",
        "Compose": "_base",
        "Apply": "_base",
        "RandomResizedCrop": "_geometry",
        "Flip": "_geometry",
        "Resize": "_geometry",
        "ColorJitter": "_color",
        "ToGray": "_color",
        "StainJitter": "_stain",
        "IntensityJitter": "_intensity",
        "Blur": "_blur",
        "Rescale": "_scale",
        "Normalize": "_scale",
        "DropGenes": "_genes",
        "JitterCoords": "_coords",
        "TwoViews": "_two_views",
    },
)
