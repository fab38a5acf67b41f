"""Features of tiles as they stream in."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from s3rl.errors import ParameterError, StoreError
from s3rl.fit.atomic import write_file_atomically
from s3rl.fit.intensity import Intensity

Stream = Iterable[tuple[np.ndarray, np.ndarray]]


def embed(
    features: Callable[[Tensor], Tensor],
    batches: Stream,
    n: int,
    intensity: Intensity,
    device: torch.device,
    *,
    progress: bool = True,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions and unit-length features, float32 (b, d), of every batch of tiles.

    Parameters
    ----------
    features
        Tiles (b, C, P, P), uint8 or in [0, 1], to features (b, d).
    batches
        Positions and tiles (b, C, P, P).
    n
        Number of tiles, for the progress bar.
    intensity
        Scale of the tiles.
    device
        Where ``features`` computes.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ParameterError
        If the encoder cannot read the tiles, or gives features that are no finite (b, d).
    """
    with torch.inference_mode(), tqdm(total=n, disable=not progress, desc="embed tiles", unit="tile") as bar:
        for positions, tiles in batches:
            scaled = torch.from_numpy(np.ascontiguousarray(intensity.scaled(tiles))).to(device)
            yield positions, _checked(features, scaled)
            bar.update(len(positions))


def _checked(features: Callable[[Tensor], Tensor], tiles: Tensor) -> np.ndarray:
    about = f"tiles of {tuple(tiles.shape[1:])} (channels, height, width)"
    try:
        values = features(tiles)
    except (RuntimeError, ValueError, AssertionError, TypeError, IndexError) as error:
        raise ParameterError(
            "cannot read the tiles",
            key="encoder",
            found=f"{about}: {type(error).__name__}: {error}"[:400],
            fix="pass an encoder for this number of channels and this size, or make tiles that fit it",
        ) from error
    if not isinstance(values, Tensor) or values.ndim != 2 or len(values) != len(tiles):
        raise ParameterError(
            "must give one row of features for each tile",
            key="encoder",
            found=f"{tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__} for {about}",
            fix="leave out the classifier and pool the map: timm.create_model(name, num_classes=0)",
        )
    rows = torch.nn.functional.normalize(values.float(), dim=1).cpu().numpy()
    if not np.isfinite(rows).all():
        raise ParameterError(
            "gives features that are not finite", key="encoder", found=about, fix="check its weights and the image"
        )
    return rows


class FeatureParts:
    """Features that are done, kept as small files in a folder, so that an interrupted run goes on.

    Parameters
    ----------
    folder
        Folder of the parts, made if it is not there.
    fingerprint
        Names tiles and encoder; a folder of others is refused.
    """

    def __init__(self, folder: str | os.PathLike[str], fingerprint: str) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot be made: {error}", key=f"parts_dir={os.fspath(folder)!r}", fix="pass another folder"
            ) from error
        mark = self.folder / "run.txt"
        if mark.exists() and mark.read_text(encoding="utf-8") != fingerprint:
            raise StoreError(
                "holds the features of other tiles or of another encoder",
                key=f"parts_dir={os.fspath(folder)!r}",
                fix="pass another folder, or delete this one",
            )
        if not mark.exists() and any(self.folder.iterdir()):
            raise StoreError(
                "holds something else", key=f"parts_dir={os.fspath(folder)!r}", fix="pass a new or an empty folder"
            )
        write_file_atomically(mark, lambda partial: partial.write_text(fingerprint, encoding="utf-8"))

    def save(self, positions: np.ndarray, rows: np.ndarray) -> None:
        """Keep the features (b, d) of these positions."""
        buffer = io.BytesIO()
        np.savez(buffer, positions=positions, rows=rows)
        name = f"part-{hashlib.sha256(positions.tobytes()).hexdigest()[:24]}.npz"
        write_file_atomically(self.folder / name, lambda partial: partial.write_bytes(buffer.getvalue()))

    def load(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield what earlier calls kept."""
        for place in sorted(self.folder.glob("part-*.npz")):
            with np.load(place, allow_pickle=False) as part:
                yield part["positions"], part["rows"]

    def clear(self) -> None:
        """Delete the parts and the folder."""
        for place in self.folder.glob("part-*.npz"):
            place.unlink()
        (self.folder / "run.txt").unlink(missing_ok=True)
        self.folder.rmdir()
