"""Slices of a table as the alignment takes them, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from s3rl._slots.table import normalised_expression_of, slot_of
from s3rl.errors import CoordinatesError, InputError, LabelsError, ParameterError
from s3rl.transport.cells import spacing_of

if TYPE_CHECKING:
    from anndata import AnnData

_FEWEST = 10
_UNITS = 3.0


def check_slices(codes: np.ndarray, names: Sequence[str], library_key: str) -> None:
    """Refuse one slice alone and slices of fewer than ten spots."""
    key = f"obs[{library_key!r}]"
    if len(names) < 2:
        raise LabelsError(
            "names one slice; an alignment needs two",
            key=key,
            found=names[0],
            fix="anndata.concat([first, second], label='slice', index_unique='-'), then library_key='slice'",
        )
    counts = np.bincount(codes, minlength=len(names))
    if counts.min() < _FEWEST:
        raise LabelsError(
            f"has a slice of fewer than {_FEWEST} spots",
            key=key,
            found=f"{counts.min()} spots in {names[int(counts.argmin())]!r}",
            fix=f"adata = adata[adata.obs[{library_key!r}] != {names[int(counts.argmin())]!r}].copy()",
        )


def order_of(order: Sequence[str] | None, names: list[str]) -> list[int]:
    """Numbers of the slices in the order that is asked for; None is that of the categories."""
    if order is None:
        return list(range(len(names)))
    given = [str(name) for name in ([order] if isinstance(order, str) else order)]
    if sorted(given) != sorted(names):
        raise ParameterError(
            "must name every slice once", key="order", found=", ".join(given), available=names, fix=f"order={names!r}"
        )
    return [names.index(name) for name in given]


def reference_of(reference: str | None, names: list[str], order: list[int]) -> int:
    """Place in the order of the slice that stays where it is; None is the first."""
    if reference is None:
        return 0
    if str(reference) not in names:
        raise ParameterError(
            "names no slice", key="reference", found=repr(reference), available=names, fix=f"reference={names[0]!r}"
        )
    return order.index(names.index(str(reference)))


def overlaps_of(overlap: Any, n_pairs: int) -> list[float | None]:
    """One overlap for each pair of consecutive slices, in (0, 1] or None."""
    several = isinstance(overlap, (Sequence, np.ndarray)) and not isinstance(overlap, (str, bytes))
    values = list(overlap) if several else [overlap] * n_pairs
    if len(values) != n_pairs:
        raise ParameterError(
            "must be one for each pair of consecutive slices",
            key="overlap",
            found=f"{len(values)} values for {n_pairs} pairs",
            fix=f"pass one number, None, or {n_pairs} of them",
        )
    for value in values:
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if value is not None and not (number and 0 < value <= 1):
            raise ParameterError(
                "must be above 0 and at most 1, or None to estimate it",
                key="overlap",
                found=repr(value),
                fix="pass overlap=0.7, the share of the smaller slice that the other one shows, too",
            )
    return [None if value is None else float(value) for value in values]


def check_units(xy: Sequence[np.ndarray], names: Sequence[str], key: str) -> None:
    """Refuse coordinates that cannot be told apart, and two slices of different units.

    Size and spacing of one slice both being more than three times those of the other is a unit; one of them alone is
    a piece of the tissue, or another technology.
    """
    for name, part in zip(names, xy, strict=True):
        if not np.ptp(part, axis=0).all():
            raise CoordinatesError(
                "has a slice whose spots lie on one line or point",
                key=f"obsm[{key!r}]",
                found=f"slice {name!r}",
                fix="give every spot its own x and y",
            )
    spacing = [spacing_of(part) for part in xy]
    sizes = [float(np.linalg.norm(np.ptp(part, axis=0))) for part in xy]
    ratios = sizes[1] / sizes[0], spacing[1] / spacing[0]
    if min(ratios) > _UNITS or max(ratios) < 1 / _UNITS:
        raise CoordinatesError(
            f"has slices of different units: {names[1]!r} is {ratios[0]:.3g} times as large as {names[0]!r} and its "
            f"spots lie {ratios[1]:.3g} times as far apart",
            key=f"obsm[{key!r}]",
            found=f"sizes {sizes[0]:.4g} and {sizes[1]:.4g}, spacings {spacing[0]:.4g} and {spacing[1]:.4g}",
            fix=f"bring both to one unit, for example microns: adata.obsm[{key!r}][rows] *= microns_per_pixel",
        )


def representation_of(table: AnnData, use_rep: str | None, layer: str | None) -> sp.csr_matrix | np.ndarray:
    """Log-normalised expression (n, g), or features (n, d) of ``obsm``."""
    if use_rep is None:
        return normalised_expression_of(table, layer)
    if layer is not None:
        raise ParameterError(
            "cannot be given together with use_rep", key="layer", found=repr(layer), fix="pass one of both"
        )
    values = slot_of(table, "obsm", use_rep, fix="pass use_rep=None for expression, or one of the names that exist")
    features = np.asarray(values.toarray() if sp.issparse(values) else values)
    if features.ndim != 2 or features.dtype.kind not in "fiub" or not np.isfinite(features).all():
        raise InputError(
            "is not a matrix of finite numbers",
            key=f"obsm[{use_rep!r}]",
            found=f"{features.dtype} {features.shape}",
            fix="pass another use_rep, or None for expression",
        )
    return features.astype(np.float64)
