"""Results of the downstream tools as the plots read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from s3rl._slots.table import slot_of
from s3rl.errors import InputError, MissingKeyError, ParameterError

if TYPE_CHECKING:
    from anndata import AnnData

LAYER_TITLES = {"X": "raw"}
"""Titles of layers; others that were denoised are ``"denoised"`` where there is only one."""


def stored(table: AnnData, key: str, frames: Sequence[str], *, fix: str) -> Any:
    """``uns[key]``, checked to hold these frames and ``params``.

    Raises
    ------
    MissingKeyError
        If it is not there.
    InputError
        If it is something else.
    """
    found = slot_of(table, "uns", key, fix=fix)
    if not hasattr(found, "keys") or any(name not in found for name in (*frames, "params")):
        raise InputError(
            "is no result of that function", key=f"uns[{key!r}]",
            found=f"keys {sorted(map(str, found))}" if hasattr(found, "keys") else type(found).__name__, fix=fix,
        )  # fmt: skip
    return found


def chosen(wanted: str | Iterable[str] | None, known: Iterable[Any], key: str, *, most: int, fix: str) -> list[str]:
    """Names that are asked for, of those that there are; None is all, or the first ``most`` of them.

    Raises
    ------
    MissingKeyError
        If one is not there.
    ParameterError
        If none is asked for.
    """
    known = list(dict.fromkeys(map(str, known)))
    if wanted is None:
        return known[:most]
    names = [wanted] if isinstance(wanted, str) else list(map(str, wanted)) if hasattr(wanted, "__iter__") else []
    if not names:
        raise ParameterError("names nothing", key=key, found=repr(wanted), available=known, fix=fix)
    absent = [name for name in names if name not in known]
    if absent:
        raise MissingKeyError("is not in the result", key=key, found=", ".join(absent), available=known, fix=fix)
    return names


def layer_title(layer: str, layers: Sequence[str]) -> str:
    """``"raw"`` for X, ``"denoised"`` for the other one of a pair, else the name."""
    if layer in LAYER_TITLES:
        return LAYER_TITLES[layer]
    return "denoised" if layer == "s3rl" or len(layers) == 1 else layer
