"""Write results into the table: everything is computed and checked before the first slot changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3rl._log import wrote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData


def write_slots(table: AnnData, slots: Mapping[tuple[str, str], Any]) -> None:
    """Assign ``{(attribute, key): value}`` to the table and log a line for each.

    If one assignment fails, those before it are taken back and the table is as it was.
    """
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
    for (attribute, key), value in slots.items():
        wrote(f"{attribute}[{key!r}]", _describe(value))


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return f"dictionary with {', '.join(map(str, list(value)[:6]))}"
    shape = getattr(value, "shape", None)
    if shape is not None:
        extra = f", {value.nnz} entries" if hasattr(value, "nnz") else ""
        return f"{type(value).__name__} {tuple(shape)} {getattr(value, 'dtype', '')}{extra}".replace("  ", " ")
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else repr(value)
