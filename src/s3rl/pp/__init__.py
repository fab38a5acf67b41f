"""Preparation: normalise, put tiles on an image, build the signed graph."""

from s3rl._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(
    __name__,
    {
        "MakeTilesResult": "_make_tiles",
        "TILE_PRESETS": "_make_tiles",
        "TilePreset": "_make_tiles",
        "SlicesAligned": "_align_slices",
        "align_slices": "_align_slices",
        "crop_slices": "_crop_slices",
        "join_slices": "_join_slices",
        "iter_tiles": "_iter_tiles",
        "make_tiles": "_make_tiles",
        "normalize": "_normalize",
        "SliceNeighbors": "_slice_neighbors",
        "signed_neighbors": "_signed_neighbors",
        "slice_neighbors": "_slice_neighbors",
        "split_slices": "_split_slices",
        "to_spatialdata": "_to_spatialdata",
    },
)
# a table of values and no call; everything that is listed can be called
__all__.remove("TILE_PRESETS")
