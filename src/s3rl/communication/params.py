"""Parameters of the test of ligands and receptors: one frozen class that checks itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from s3rl._params import Parameters, Range, one_of, real, whole


@dataclass(frozen=True, kw_only=True)
class LigrecParams(Parameters):
    """Parameters of ``s3.tl.ligrec`` that are seldom changed.

    Parameters
    ----------
    threshold
        Share of the spots of a cluster, 0 to less than 1, in which the ligand, and in the other cluster the receptor,
        must be above zero for the pair to be tested.
    test
        ``"permutation"`` exchanges the labels of the spots. ``"paired_t"`` is the authors' variant, kept to reproduce
        their figures: within one cluster, the two-sided paired t-test of the ligand against the receptor over its
        spots. It asks whether the two have different means, which is no evidence for communication.
    connectivity_key
        Key of the spatial graph, ``obsp["<connectivity_key>_connectivities"]``.
    min_contact
        Clusters touch if the edges between them are at least this share, 0 to less than 1, of the edges that leave
        the one of the two that fewer edges leave.
    min_spots
        Spots that each cluster must have.
    counts_layer
        Name in ``layers`` of the raw counts: calibrated p-values exchange spots within tenths of their total counts.
        None exchanges all with all.

    Raises
    ------
    ParameterError
        If a value is outside of its range.

    Examples
    --------
    >>> from s3rl.tl import LigrecParams
    >>> LigrecParams(threshold=0.1).threshold
    0.1
    """

    threshold: float = 0.01
    test: Literal["permutation", "paired_t"] = "permutation"
    connectivity_key: str = "spatial"
    min_contact: float = 0.05
    min_spots: int = 3
    counts_layer: str | None = "counts"

    def __post_init__(self) -> None:
        self.check(_RANGES)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


_RANGES: dict[str, Range] = {
    "threshold": real(0, 1),
    "test": one_of("permutation", "paired_t"),
    "connectivity_key": (_is_name, "a name"),
    "min_contact": real(0, 1),
    "min_spots": whole(2),
    "counts_layer": (lambda value: value is None or _is_name(value), "a name or None"),
}
