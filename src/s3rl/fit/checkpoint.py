"""The state of a training run as one file that is either whole or refused.

A checkpoint is a safetensors file. Its header keeps the state as JSON and a SHA-256 over every byte of the file, with
the 64 characters of the digest itself read as zeros. A changed, missing or added byte anywhere is therefore noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from s3rl.errors import ModelError, ParameterError
from s3rl.fit.atomic import write_file_atomically
from s3rl.fit.tensor_file import DAMAGED, check_json, pack, unpack

__all__ = ["load_checkpoint", "save_checkpoint"]

_FORMAT, _VERSION = "s3rl-checkpoint", 1
_BLANK = "0" * 64
# The note is JSON inside of JSON, hence the backslashes; the digest is its first entry.
_DIGEST = re.compile(rb'\{\\"sha256\\": \\"([0-9a-f]{64})\\"')


def save_checkpoint(path: str | os.PathLike[str], tensors: Mapping[str, torch.Tensor], state: dict[str, Any]) -> None:
    """Write a checkpoint; a kill at any moment leaves the previous one or the new one.

    Parameters
    ----------
    path
        File to write; its folder must be there.
    tensors
        Dense tensors of any shape and dtype, kept bit for bit.
    state
        Dictionaries with text keys, lists, text, numbers (NaN and infinity too), booleans and None, kept exactly.
        ``state["fingerprint"]`` names the data, parameters and seed of the run.

    Raises
    ------
    ParameterError
        If the state or a tensor cannot be kept exactly, or there is no fingerprint.
    StoreError
        If the disk is full or read-only; the previous checkpoint is as it was.

    Examples
    --------
    >>> import tempfile, torch
    >>> from s3rl.fit.checkpoint import load_checkpoint, save_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/run.safetensors", {"w": torch.ones(2)}, {"fingerprint": "a", "epoch": 3})
    ...     tensors, state = load_checkpoint(f"{folder}/run.safetensors", fingerprint="a")
    >>> tensors["w"], state["epoch"]
    (tensor([1., 1.]), 3)
    """
    from s3rl import __version__

    if not isinstance(state.get("fingerprint"), str):
        raise ParameterError(
            "must be text that names the data, the parameters and the seed",
            key="state['fingerprint']",
            found=repr(state.get("fingerprint")),
            fix="state['fingerprint'] = '...'",
        )
    check_json(state, "state", finite=False)
    note = {"sha256": _BLANK, "format": _FORMAT, "version": _VERSION, "package": __version__, "state": state}
    blank = pack(tensors, json.dumps(note, ensure_ascii=False))
    raw = _with_digest(blank, hashlib.sha256(blank).hexdigest())
    write_file_atomically(path, lambda partial: partial.write_bytes(raw))


def load_checkpoint(
    path: str | os.PathLike[str], *, fingerprint: str | None = None
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a checkpoint that ``save_checkpoint`` wrote.

    Parameters
    ----------
    path
        File to read.
    fingerprint
        Refuse a checkpoint of another run, whose ``state["fingerprint"]`` differs; None takes any.

    Returns
    -------
    Tensors on the CPU and the state.

    Raises
    ------
    ModelError
        If the file is not there, is damaged or cut short, or was made by another version or another run.
    """
    raw = _bytes_of(Path(path))
    note, tensors = _read(raw, path)
    state = note["state"]
    if fingerprint is not None and state["fingerprint"] != fingerprint:
        raise ModelError(
            "is the checkpoint of another run: other data, parameters or seed",
            key=f"checkpoint {os.fspath(path)!r}",
            found=state["fingerprint"],
            fix=f"delete it, pass another path, or repeat the run it is of; this one is {fingerprint}",
        )
    return tensors, state


def _read(raw: bytes, path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    match = _DIGEST.search(raw)
    if match is None:
        raise _refused(path, "is no checkpoint, or its header is damaged", f"{len(raw)} bytes")
    digest = match[1].decode()
    start, end = match.span(1)
    blank = raw[:start] + _BLANK.encode() + raw[end:]
    if hashlib.sha256(blank).hexdigest() != digest:
        raise _refused(path, "is damaged or was cut short", f"{len(raw)} bytes whose SHA-256 is not the stored one")
    try:
        tensors, text = unpack(raw)
        note = json.loads(text or "")
        made_by = f"format {note['format']} {note['version']} of s3rl {note['package']}"
        if (note["format"], note["version"]) != (_FORMAT, _VERSION):
            raise _refused(path, "was made by another version", f"{made_by}; this one reads format {_VERSION}")
        if not isinstance(note["state"]["fingerprint"], str):
            raise TypeError("the fingerprint is no text")
    except ModelError:
        raise
    except DAMAGED as error:
        raise _refused(path, "is no checkpoint", f"{type(error).__name__}: {error}") from error
    return note, tensors


def _with_digest(blank: bytes, digest: str) -> bytes:
    match = _DIGEST.search(blank)
    if match is None:  # the layout of the safetensors header would have to change for this
        raise ParameterError("cannot be stored", key="state", fix="use the versions of the constraints file")
    start, end = match.span(1)
    return blank[:start] + digest.encode() + blank[end:]


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused(path, "cannot be read", f"{type(error).__name__}: {error}") from error


def _refused(path: str | os.PathLike[str], problem: str, found: str) -> ModelError:
    return ModelError(
        problem,
        key=f"checkpoint {os.fspath(path)!r}",
        found=found,
        fix="delete the file to start the run again, or pass another path",
    )
