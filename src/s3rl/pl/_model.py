"""Read what a training has left in ``uns``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3rl import _keys
from s3rl._slots.table import slot_of
from s3rl.errors import InputError, MissingKeyError

if TYPE_CHECKING:
    from anndata import AnnData


def training_call(key: str) -> str:
    """The call that writes the slots of the model ``key``."""
    return "s3.tl.s3rl(adata, n_domains)" if key == "s3rl" else f"s3.tl.s3rl(adata, n_domains, key_added={key!r})"


def record_of(table: AnnData, key: str) -> dict[str, Any]:
    """The dictionary ``uns[key]`` of a model."""
    name = _keys.ModelKeys(key).uns
    record = slot_of(table, "uns", name, fix=training_call(key))
    if not hasattr(record, "keys"):
        raise InputError(
            "does not describe a model", key=f"uns[{name!r}]", found=type(record).__name__, fix=training_call(key)
        )
    return record


def part_of(record: dict[str, Any], key: str, part: str) -> Any:
    """Return ``uns[key][part]`` or say what exists there."""
    if part not in record:
        name = f"uns[{_keys.ModelKeys(key).uns!r}][{part!r}]"
        raise MissingKeyError("is not there", key=name, available=record, fix=training_call(key))
    return record[part]
