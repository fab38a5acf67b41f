"""Interactions before and after denoising: what stays, what is new, what is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from s3rl._slots.interactions import checked_alpha, compared, interactions_in
from s3rl.communication.quadrants import QUADRANTS, rates
from s3rl.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from s3rl.tl._ligrec import LigrecResult


class CompareLigrecResult(NamedTuple):
    """Result of :func:`s3rl.tl.compare_ligrec`.

    Attributes
    ----------
    quadrants
        Data frame with a row for each interaction tested in either: ``source``, ``target``, ``ligand``, ``receptor``,
        ``raw`` and ``denoised`` (p-values, nan where it was not tested), ``quadrant`` (categorical: ``"kept"``,
        ``"new"``, ``"lost"``, ``"neither"``).
    counts
        Number of interactions of each quadrant.
    esr
        Enhanced specificity ratio, ``new / lost``; inf where nothing is lost but something new, nan where neither.
    eep
        Effective enhancement percentage, ``100 * new / (new + lost)``; nan where nothing changed.
    ssp
        Specificity stability percentage, ``100 * kept / (kept + lost)``; nan where nothing was significant before.
    """

    quadrants: pd.DataFrame
    counts: dict[str, int]
    esr: float
    eep: float
    ssp: float


def compare_ligrec(
    raw: pd.DataFrame | Mapping[str, Any] | LigrecResult,
    denoised: pd.DataFrame | Mapping[str, Any] | LigrecResult,
    *,
    alpha: float = 0.05,
    use: str = "fdr",
) -> CompareLigrecResult:
    """Compare interactions tested on raw and on denoised expression by the paper's quadrants and rates.

    An interaction is a ligand and a receptor between a source and a target cluster. One that was tested in one table
    only, because a gene passes the threshold there alone, is not significant in the other.

    Of denoised p-values many are significant by the smoothing alone, so ESR and EEP rise with smoothing and SSP with
    anything that makes p-values smaller: ``use="fdr_calibrated"`` takes calibrated ones where there are any.

    Parameters
    ----------
    raw, denoised
        Two results of :func:`s3rl.tl.ligrec`: entries of ``adata.uns``, what ``copy=True`` returns, or their frames.
        The authors' own test is compared if both were made with ``params={"test": "paired_t"}``.
    alpha
        Significant is a value of at most this.
    use
        Column of p-values: ``"pvalue"``, ``"fdr"`` (the paper), ``"fdr_pair"``, ``"fdr_cluster_pair"``,
        ``"pvalue_calibrated"`` or ``"fdr_calibrated"``; the last two stand for ``"pvalue"`` and ``"fdr"`` in a table
        that has no calibrated tests.

    Returns
    -------
    CompareLigrecResult
        Quadrants, their counts and the three rates.

    Raises
    ------
    ParameterError
        If ``alpha`` or ``use`` is outside of its range.
    MissingKeyError
        If a table lacks columns.
    DataTypeError
        If an argument holds no table.
    InputError
        If a table has no rows, names an interaction twice, or the two were made by different tests.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, section 4.6, where the values are false discovery rates.

    Examples
    --------
    >>> import pandas as pd
    >>> import s3rl as s3
    >>> place = {"source": "a", "target": "b", "ligand": ["L1", "L2", "L3"], "receptor": "R"}
    >>> raw = pd.DataFrame(place | {"pvalue": [0.5, 0.01, 0.01]})
    >>> denoised = pd.DataFrame(place | {"pvalue": [0.01, 0.01, 0.2]})
    >>> found = s3.tl.compare_ligrec(raw, denoised, use="pvalue")
    >>> found.counts
    {'kept': 1, 'new': 1, 'lost': 1, 'neither': 0}
    >>> found.esr, found.eep, found.ssp
    (1.0, 50.0, 50.0)
    """
    alpha = checked_alpha(alpha)
    frames = interactions_in(raw, "raw"), interactions_in(denoised, "denoised")
    tests = {name for name in map(_test_of, (raw, denoised)) if name is not None}
    if len(tests) > 1:
        raise InputError(
            "was made by another test than raw", key="denoised", found=" and ".join(sorted(tests)),
            fix="s3.tl.ligrec with the same params.test for both",
        )  # fmt: skip
    quadrants = compared(*frames, alpha=alpha, use=use)
    sizes = quadrants["quadrant"].value_counts()
    counts = {name: int(sizes[name]) for name in QUADRANTS}
    return CompareLigrecResult(quadrants, counts, *rates(counts["kept"], counts["new"], counts["lost"]))


def _test_of(found: Any) -> str | None:
    params = found.get("params") if isinstance(found, Mapping) else getattr(found, "params", None)
    return str(params["test"]) if isinstance(params, Mapping) and "test" in params else None
