"""A fitted model as a folder of two plain files: ``model.safetensors`` and ``model.json``."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from s3rl.errors import ModelError, StoreError
from s3rl.fit.atomic import recover_folder, replace_folder, staged
from s3rl.fit.tensor_file import DAMAGED, check_json, pack, unpack

__all__ = ["SavedModel", "check_model_folder", "load_model", "save_model"]

_FORMAT, _VERSION = "s3rl-model", 1
_JSON, _TENSORS = "model.json", "model.safetensors"
_JSON_LIMIT = 64 * 2**20


@dataclass(frozen=True)
class SavedModel:
    """What a model folder holds.

    Attributes
    ----------
    tensors
        Dense tensors by name, all finite, on the CPU once loaded.
    description
        Parameters, genes and whatever else JSON keeps exactly: dictionaries with text keys, lists, text, finite
        numbers, booleans and None.
    """

    tensors: dict[str, torch.Tensor]
    description: dict[str, Any]


def save_model(folder: str | os.PathLike[str], model: SavedModel) -> None:
    """Write a model folder; a kill at any moment leaves the previous one or the new one.

    Parameters
    ----------
    folder
        Folder to write; what is there must be a model folder or empty. The folder above it must be there.
    model
        The model.

    Raises
    ------
    ParameterError
        If something in the model cannot be kept exactly.
    ModelError
        If a tensor is not finite.
    StoreError
        If the folder holds something else, or the disk is full or read-only; what was there is as it was.

    Examples
    --------
    >>> import tempfile, torch
    >>> from s3rl.fit.model_folder import SavedModel, load_model, save_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(f"{folder}/model", SavedModel({"w": torch.ones(2)}, {"genes": ["MOBP", "PCP4"]}))
    ...     model = load_model(f"{folder}/model")
    >>> model.tensors["w"], model.description["genes"]
    (tensor([1., 1.]), ['MOBP', 'PCP4'])
    """
    raw = pack(model.tensors)
    _check_finite(model.tensors, folder, fix="train again with a lower learning rate")
    text = _json_text(model.description, raw)
    with staged(folder) as partial:
        _check_replaceable(Path(folder))
        partial.mkdir()
        (partial / _TENSORS).write_bytes(raw)
        (partial / _JSON).write_text(text, encoding="utf-8")
        replace_folder(partial, folder)


def check_model_folder(folder: str | os.PathLike[str]) -> None:
    """Refuse a folder that ``save_model`` could not write, before the work is done.

    Parameters
    ----------
    folder
        Folder that is to be written.

    Raises
    ------
    StoreError
        If its parent is not there, or it holds anything but a model.
    """
    with staged(folder):
        _check_replaceable(Path(folder))


def load_model(folder: str | os.PathLike[str]) -> SavedModel:
    """Read a model folder, trusting nothing in it.

    Parameters
    ----------
    folder
        Folder that ``save_model`` wrote.

    Returns
    -------
    The model, tensors on the CPU.

    Raises
    ------
    ModelError
        If files are missing, damaged, cut short, oversized or symbolic links, name paths outside of the folder, were
        made by another version, or hold tensors that are not finite.
    """
    place = Path(folder)
    recover_folder(place)
    if not place.is_dir():
        raise _refused(place, "is no folder", "a file" if place.exists() else "nothing")
    if place.is_symlink():
        raise _refused(place, "is a symbolic link", os.path.realpath(place), fix="pass the folder that it points to")
    content = _read_json(place)
    stored = _read_file(place, content["tensors"]["file"])
    if hashlib.sha256(stored).hexdigest() != content["tensors"]["sha256"]:
        raise _refused(place, f"{_TENSORS} is damaged or of another model", f"{len(stored)} bytes of another SHA-256")
    try:
        tensors, _ = unpack(stored)
    except ValueError as error:
        raise _refused(place, f"{_TENSORS} cannot be read", str(error)) from error
    _check_finite(tensors, place, fix=_fix_of(place))
    return SavedModel(tensors, content["description"])


def _json_text(description: dict[str, Any], raw: bytes) -> str:
    content = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "package_version": _version(),
        "tensors": {"file": _TENSORS, "sha256": hashlib.sha256(raw).hexdigest()},
        "description_sha256": _digest_of(description),
        "description": description,
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _digest_of(description: dict[str, Any]) -> str:
    check_json(description, "description", finite=True)
    return hashlib.sha256(json.dumps(description, ensure_ascii=False).encode()).hexdigest()


def _read_json(place: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_file(place, _JSON, limit=_JSON_LIMIT))
        if (content["format"], content["format_version"]) != (_FORMAT, _VERSION):
            raise _of_another_version(place, content)
        if not isinstance(content["description"], dict) or not isinstance(content["tensors"]["sha256"], str):
            raise TypeError("description or tensors is of another type")
        if _digest_of(content["description"]) != content["description_sha256"]:
            raise ValueError("the description was changed after it was written")
        name = content["tensors"]["file"]
    except ModelError:
        raise
    except DAMAGED as error:
        raise _refused(place, f"{_JSON} is damaged", f"{type(error).__name__}: {error}") from error
    if name != _TENSORS:
        raise _refused(place, f"{_JSON} names a file other than {_TENSORS}", repr(name))
    return content


def _read_file(place: Path, name: str, limit: int | None = None) -> bytes:
    path = place / name
    if path.is_symlink():
        raise _refused(place, f"{name} is a symbolic link", os.path.realpath(path))
    if not path.is_file():
        raise _refused(place, f"{name} is not there", ", ".join(sorted(os.listdir(place))[:12]) or "an empty folder")
    try:
        size = path.stat().st_size
        if limit is not None and size > limit:
            raise _refused(place, f"{name} is too large", f"{size} bytes, at most {limit} are read")
        return path.read_bytes()
    except OSError as error:
        raise _refused(place, f"{name} cannot be read", f"{type(error).__name__}: {error}") from error


def _is_finite(tensor: torch.Tensor) -> bool:
    # torch has no isfinite of the one-byte floating-point types
    return bool(torch.isfinite(tensor.float() if tensor.itemsize == 1 else tensor).all())


def _check_finite(tensors: dict[str, torch.Tensor], folder: str | os.PathLike[str], fix: str) -> None:
    for name, tensor in tensors.items():
        if (tensor.is_floating_point() or tensor.is_complex()) and not _is_finite(tensor):
            raise ModelError(
                f"tensor {name!r} has values that are not finite",
                key=f"model folder {os.fspath(folder)!r}",
                found=f"{tensor.dtype} {tuple(tensor.shape)}",
                fix=fix,
            )


def _check_replaceable(place: Path) -> None:
    """A folder of anything else is never replaced, and a link is never followed to one."""
    fix = "pass a new folder, or that of a model"
    if place.is_symlink():
        raise StoreError("is a symbolic link", key=str(place), found=os.path.realpath(place), fix=fix)
    if place.is_dir():
        others = sorted(set(os.listdir(place)) - {_JSON, _TENSORS})
        if others:
            raise StoreError("holds files that no model folder has", key=str(place), found=others[:5], fix=fix)
    elif place.exists():
        raise StoreError("is a file, and a model is a folder", key=str(place), fix=fix)


def _of_another_version(place: Path, content: dict[str, Any]) -> ModelError:
    package = str(content["package_version"])[:40]
    return _refused(
        place,
        "was made by another version",
        f"{content['format']!s:.40} {content['format_version']!s:.40} of s3rl {package}, "
        f"while s3rl {_version()} reads {_FORMAT} {_VERSION}",
        fix=f"pip install s3rl-tools=={package}, which made it, or fit the model again with this version",
    )


def _version() -> str:
    from s3rl import __version__

    return __version__


def _fix_of(place: Path) -> str:
    return f"restore the folder from a copy, or fit the model again with model_dir={str(place)!r}"


def _refused(place: Path, problem: str, found: str, fix: str | None = None) -> ModelError:
    return ModelError(problem, key=f"model folder {str(place)!r}", found=found, fix=fix or _fix_of(place))
