"""Write results into the table: everything is computed and checked before the first slot changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3rl._log import wrote
from s3rl.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anndata import AnnData


def write_slots(
    table: AnnData, slots: Mapping[tuple[str, str], Any], *, stale: Collection[tuple[str, str]] = ()
) -> None:
    """Assign ``{(attribute, key): value}`` to the table and log a line for each.

    If one assignment fails, those before it are taken back and the table is as it was. Slots in ``stale`` belong to
    the result that is replaced, and go where nothing takes their place.

    Raises
    ------
    ParameterError
        If a key is empty, no text, or has a slash, which no file can keep; or if it would replace the record of a
        model by something else.
    """
    for (attribute, key), value in slots.items():
        check_key(key)
        if attribute == "uns" and _is_model(table.uns.get(key)) and not _is_model(value):
            raise ParameterError(
                "is where the record of a model is",
                key="key_added",
                found=f"uns[{key!r}]",
                fix="pass another key_added=, or leave it out",
            )
    before: list[tuple[Any, str, Any]] = []
    absent = object()
    try:
        for (attribute, key), value in slots.items():
            mapping = getattr(table, attribute)
            before.append((mapping, key, mapping.get(key, absent)))
            mapping[key] = value
    except Exception:
        for mapping, key, old in reversed(before):
            if old is not absent:
                mapping[key] = old
            elif key in mapping:
                del mapping[key]
        raise
    for attribute, key in set(stale) - set(slots):
        if key in getattr(table, attribute):
            del getattr(table, attribute)[key]
    for (attribute, key), value in slots.items():
        wrote(f"{attribute}[{key!r}]", _describe(value))


def _is_model(record: object) -> bool:
    return hasattr(record, "get") and "prototypes" in record  # type: ignore[operator]


def check_key(key: object) -> None:
    """Refuse a name that no file can keep.

    Raises
    ------
    ParameterError
        If it is empty, no text, or has a slash.
    """
    if not isinstance(key, str) or not key or "/" in key:
        raise ParameterError(
            "must be a name without a slash",
            key="key_added",
            found=repr(key),
            fix="pass another key_added=, or leave it out",
        )


def recorded(table: AnnData, key: str, name: str) -> bool:
    """Whether the result in ``uns[key]`` has an entry, or its table a column, of this name."""
    found = table.uns.get(key)
    if not hasattr(found, "get"):
        return False
    return name in found or name in getattr(found.get("results"), "columns", ())


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return f"dictionary with {', '.join(map(str, list(value)[:6]))}"
    shape = getattr(value, "shape", None)
    if shape is not None:
        extra = f", {value.nnz} entries" if hasattr(value, "nnz") else ""
        return f"{type(value).__name__} {tuple(shape)} {getattr(value, 'dtype', '')}{extra}".replace("  ", " ")
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else repr(value)
