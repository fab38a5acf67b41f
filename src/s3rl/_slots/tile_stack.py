"""The tiles of all rows of a table, whatever the number of images that they lie on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.tiles import TableTiles, tiles_of_table
from s3rl.errors import ParameterError
from s3rl.tiles.batches import in_batches
from s3rl.tiles.reader import read_tiles
from s3rl.tiles.tile_file import TileFile

if TYPE_CHECKING:
    from anndata import AnnData

Stream = Iterator[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class TileStack:
    """Tiles of the rows of a table; positions are those rows.

    Parameters
    ----------
    parts
        Tiles on each image, with the rows that they belong to.
    n
        Rows of the table.
    """

    parts: list[TableTiles]
    n: int

    @classmethod
    def of(cls, sdata: Any, table: AnnData, tiles_key: str | Sequence[str] | None) -> TileStack:
        """Find the tiles of every row.

        Raises
        ------
        MissingKeyError
            If there are no tiles, or rows without one.
        ParameterError
            If images differ in the tiles' size, their channels or their dtype.
        """
        parts = tiles_of_table(sdata, table, tiles_key)
        kinds = {(part.tiles.image.shape[0], part.tiles.size, str(part.tiles.image.dtype)) for part in parts}
        if len(kinds) > 1:
            raise ParameterError(
                "names tiles that differ in channels, pixels or dtype",
                key="tiles_key",
                found="; ".join(
                    f"{p.tiles.record['tiles_key']}: {p.tiles.image.shape[0]} channels, {p.tiles.size} px, "
                    f"{p.tiles.image.dtype}"
                    for p in parts
                ),
                fix="make the tiles of all images alike: s3.pp.make_tiles(sdata, ..., size=..., unit='um', pixels=...)",
            )
        return cls(parts, table.n_obs)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a tile."""
        tiles = self.parts[0].tiles
        return int(tiles.image.shape[0]), tiles.size, tiles.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the pixels."""
        return np.dtype(self.parts[0].tiles.image.dtype)

    @property
    def record(self) -> dict[str, list[Any]]:
        """Keys, sizes and channels of each part, for ``uns``."""
        names = ("tiles_key", "image_key", "level", "size", "microns")
        return {name: [part.tiles.record[name] for part in self.parts] for name in names} | {
            "channels": [str(name) for name in self.parts[0].tiles.channels]
        }

    def stream(self, wanted: np.ndarray | None = None) -> Stream:
        """Yield rows and their tiles in the order of the images' chunks; only those of ``wanted``, boolean (n,)."""
        for part in self.parts:
            chosen = np.arange(len(part.rows)) if wanted is None else np.flatnonzero(wanted[part.rows])
            if chosen.size:
                starts = part.tiles.starts[part.positions[chosen]]
                for positions, tiles in read_tiles(part.tiles.image, starts, part.tiles.size):
                    yield part.rows[chosen[positions]], tiles

    def batches(self, batch_size: int, wanted: np.ndarray | None = None) -> Stream:
        """Yield the stream in batches of a fixed size."""
        return in_batches(self.stream(wanted), batch_size)

    def sample(self, n: int) -> np.ndarray:
        """Tiles (m, C, P, P) spread evenly over the rows, at most n, to learn the range of values from."""
        wanted = np.zeros(self.n, bool)
        wanted[np.linspace(0, self.n - 1, min(n, self.n)).astype(np.int64)] = True
        return np.concatenate([tiles for _, tiles in self.stream(wanted)])

    def to_file(self, path: str | os.PathLike[str] | None = None) -> TileFile:
        """Copy the tiles to a temporary file, from which they can be taken in any order."""
        return TileFile.write(path, self.stream(), self.n, self.shape, self.dtype)

    def fingerprint(self, *more: object) -> str:
        """SHA-256 over the boxes and the images' shapes, and whatever else decides a result."""
        digest = hashlib.sha256(repr(more).encode())
        for part in self.parts:
            about = (part.tiles.image.shape, part.tiles.size, sorted(part.tiles.record.items()))
            digest.update(repr(about).encode())
            for values in (part.rows, part.tiles.starts[part.positions]):
                digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()
