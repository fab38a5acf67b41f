"""The order in which slices lie on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData


def aligned_order(table: AnnData, spatial_key: str, names: list[str]) -> list[str] | None:
    """Order of the alignment (``pp.align_slices``) that wrote ``obsm[spatial_key]``; None where there is none."""
    described = table.uns.get(spatial_key, {})
    order = [str(name) for name in described.get("order", [])] if hasattr(described, "get") else []
    return order if sorted(order) == sorted(names) else None
