"""Tensors and JSON as bytes: what checkpoints and model folders share. No pickle, in either direction."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch

from s3rl.errors import ParameterError

__all__ = ["DAMAGED", "check_json", "pack", "unpack"]

# Everything that a damaged file can make the JSON and the safetensors readers raise.
DAMAGED = (ValueError, KeyError, TypeError, RecursionError, OverflowError, EOFError)


def pack(tensors: Mapping[str, torch.Tensor], note: str | None = None) -> bytes:
    """Bytes of a safetensors file; equal tensors give equal bytes.

    Parameters
    ----------
    tensors
        Dense tensors of any device, shape and dtype that safetensors has; they are copied to the CPU.
    note
        Text kept in the header. It is one entry, since safetensors writes several in no fixed order.

    Raises
    ------
    ParameterError
        If a name is no text or a value is no tensor that can be stored.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save

    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ParameterError(
                "must map text to tensors",
                key=f"tensors[{name!r}]",
                found=type(tensor).__name__,
                fix="torch.as_tensor(value)",
            )
    try:
        # A clone of its own for each, since safetensors refuses tensors that share memory.
        ready = {name: t.detach().to("cpu").clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
        return bytes(save(ready, metadata=None if note is None else {"s3rl": note}))
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ParameterError(
            "cannot be stored", key="tensors", found=str(error), fix="pass dense tensors of a numeric dtype"
        ) from error


def unpack(raw: bytes) -> tuple[dict[str, torch.Tensor], str | None]:
    """Tensors on the CPU and the note of a safetensors file.

    Raises
    ------
    ValueError
        If the bytes are no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(raw)
        size = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + size])
    except (SafetensorError, *DAMAGED) as error:
        raise ValueError(f"no safetensors file: {error}") from error
    return tensors, header.get("__metadata__", {}).get("s3rl")


def check_json(value: object, key: str, *, finite: bool) -> None:
    """Refuse what would not read back from JSON as it is, for example a tuple or a numpy scalar.

    Parameters
    ----------
    value
        Dictionaries with text keys, lists, text, numbers, booleans and None.
    key
        Name of the argument, for the error.
    finite
        Refuse NaN and infinity too, which other JSON readers do not know.

    Raises
    ------
    ParameterError
        Naming the place in ``value``.
    """
    kind: Any = type(value)
    if kind is dict:
        for name, entry in value.items():  # type: ignore[attr-defined]
            if type(name) is not str:
                raise ParameterError("has a key that is no text", key=key, found=repr(name), fix="use str(key)")
            check_json(entry, f"{key}[{name!r}]", finite=finite)
    elif kind is list:
        for index, entry in enumerate(value):  # type: ignore[arg-type]
            check_json(entry, f"{key}[{index}]", finite=finite)
    elif kind is float and finite and not math.isfinite(value):  # type: ignore[arg-type]
        raise ParameterError("is not finite", key=key, found=value, fix="store None or text instead")
    elif kind is str and not _is_encodable(value):  # type: ignore[arg-type]
        raise ParameterError("is text that UTF-8 does not have", key=key, found=repr(value), fix="remove surrogates")
    elif kind not in {str, int, float, bool, type(None)}:
        raise ParameterError(
            "is nothing that JSON keeps as it is",
            key=key,
            found=kind.__name__,
            fix="store dictionaries, lists, text, numbers, booleans and None; arrays belong to the tensors",
        )


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
