"""The output folder: refused where it would bury something, continued where a run was interrupted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from s3rl.errors import StoreError

_MARKER = "unfinished.json"
_CHECKPOINT = "training.safetensors"
_IMAGE_CHECKPOINT = "image_training.safetensors"
_ENCODER = "encoder.safetensors"
_RESULTS = ("results.h5ad", "results.zarr")
_OWN = (
    *_RESULTS,
    *("tissue.zarr", "model", "figures", "summary.json"),
    *(_MARKER, _CHECKPOINT, _IMAGE_CHECKPOINT, _ENCODER),
)


@dataclass(frozen=True)
class OutputFolder:
    """Paths below the output folder."""

    root: Path

    @property
    def checkpoint(self) -> Path:
        """State of the training; only there while a run is unfinished."""
        return self.root / _CHECKPOINT

    @property
    def image_checkpoint(self) -> Path:
        """State of the training on the image; only there while a run is unfinished."""
        return self.root / _IMAGE_CHECKPOINT

    @property
    def encoder(self) -> Path:
        """Encoder of tiles, for ``s3.tl.embed_tiles``."""
        return self.root / _ENCODER

    @property
    def tissue(self) -> Path:
        """What the demo simulated."""
        return self.root / "tissue.zarr"

    @property
    def model(self) -> Path:
        """Fitted model, for ``s3.tl.transfer``."""
        return self.root / "model"

    @property
    def figures(self) -> Path:
        """Folder of the pictures."""
        return self.root / "figures"

    @property
    def summary(self) -> Path:
        """The table that is printed, as JSON."""
        return self.root / "summary.json"

    def results(self, suffix: str) -> Path:
        """Results, ``.h5ad`` or ``.zarr``."""
        return self.root / f"results{suffix}"


@contextmanager
def opened(root: Path, settings: Mapping[str, Any], *, overwrite: bool, source: Path | None) -> Iterator[OutputFolder]:
    """Make the folder, mark it as unfinished, and take the mark and the checkpoints away when the block ends well.

    Parameters
    ----------
    root
        Folder.
    settings
        What decides the result; an unfinished run of the same settings is continued, one of others refused.
    overwrite
        Take a folder that holds results, and start again where a run is unfinished.
    source
        Input, which must lie apart from everything that is written.

    Raises
    ------
    StoreError
        If the folder holds something and ``overwrite`` is False, is a file, cannot be made, or would change the input.
    """
    folder = OutputFolder(root)
    if source is not None:
        _check_apart(root, source)
    goes_on = _check_free(root, dict(settings), overwrite)
    made = _make(root)
    if not goes_on:
        _drop_checkpoints(folder)
        write_json(root / _MARKER, settings)
    elif _has_begun(folder):
        click.echo(f"  continuing the unfinished run in {root}", err=True)
    try:
        yield folder
    except BaseException:
        _leave(folder, made)
        raise
    (root / _MARKER).unlink(missing_ok=True)
    _drop_checkpoints(folder)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that is whole or not there."""
    from s3rl.fit.atomic import write_file_atomically

    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_file_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def is_finished(root: Path, command: str) -> bool:
    """Whether the folder holds what ``command`` made, and no unfinished run."""
    return _json_of(OutputFolder(root).summary).get("command") == command and not (root / _MARKER).exists()


def drop_other_results(folder: OutputFolder, kept: Path) -> None:
    """Remove the results of an earlier run that have the other format, which would be taken for those of this one."""
    for name in _RESULTS:
        old = folder.root / name
        if old != kept and old.is_dir():
            shutil.rmtree(old)
        elif old != kept:
            old.unlink(missing_ok=True)


def _has_begun(folder: OutputFolder) -> bool:
    return folder.checkpoint.exists() or folder.image_checkpoint.exists()


def _drop_checkpoints(folder: OutputFolder) -> None:
    folder.checkpoint.unlink(missing_ok=True)
    folder.image_checkpoint.unlink(missing_ok=True)


def _json_of(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _check_apart(root: Path, source: Path) -> None:
    inside, given = Path(os.path.realpath(root)), Path(os.path.realpath(source))
    written = [inside / name for name in _OWN]
    if given in (inside, *inside.parents) or any(place in (given, *given.parents) for place in written):
        raise StoreError(
            "would write into the input, which is never changed",
            key=f"--output {root}",
            found=f"input {source}",
            fix="pass --output with another folder",
        )


def _check_free(root: Path, settings: dict[str, Any], overwrite: bool) -> bool:
    """Whether an unfinished run goes on."""
    if root.exists() and not root.is_dir():
        raise StoreError("is a file", key=f"--output {root}", fix="pass --output with another folder")
    there = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
    if not there or overwrite:
        return False
    if _MARKER not in there:
        raise StoreError(
            "is there and not empty",
            key=f"--output {root}",
            found=", ".join(there[:5]) + (", ..." if len(there) > 5 else ""),
            fix="pass --output with another folder, or --overwrite to replace the results in it",
        )
    before = _json_of(root / _MARKER)
    differ = [f"{name} {before.get(name)!r}" for name, value in settings.items() if before.get(name) != value]
    if differ:
        raise StoreError(
            "holds an unfinished run of other settings",
            key=f"--output {root}",
            found=", ".join(differ),
            fix="repeat that run to finish it, pass --overwrite to start this one, or --output with another folder",
        )
    return True


def _make(root: Path) -> bool:
    """Make the folder; whether it was not there."""
    if root.is_dir():
        return False
    try:
        root.mkdir(parents=True)
    except OSError as error:
        raise StoreError(
            "cannot be made",
            key=f"--output {root}",
            found=f"{type(error).__name__}: {error}",
            fix="pass --output with a folder in a place that you may write to",
        ) from error
    return True


def _leave(folder: OutputFolder, made: bool) -> None:
    """Say how to go on where training has begun; leave no trace where nothing was written."""
    if _has_begun(folder):
        click.echo(f"The training so far is kept in {folder.root}; the same command continues from there.", err=True)
        return
    with suppress(OSError):
        if [entry.name for entry in folder.root.iterdir()] == [_MARKER]:
            (folder.root / _MARKER).unlink()
            if made:
                folder.root.rmdir()
