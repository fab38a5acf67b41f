"""Arguments that tests with and without permutations share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl._keys import SPATIAL_NEIGHBORS
from s3rl._log import note
from s3rl._slots.crossfit import blind_readouts_of, input_of
from s3rl._slots.layers import Expression
from s3rl._slots.post_denoising import readout_of
from s3rl.errors import LabelsError, ParameterError
from s3rl.statistics.linear import linear_pvalues
from s3rl.statistics.rank_correlation import sparse_ranks
from s3rl.statistics.readout import Readout

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData

PERMUTATIONS = 999


def permutations_of(calibrate: object) -> int:
    """Number of permutations: 0 for False, 999 for True, or the number itself.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    if isinstance(calibrate, (bool, np.bool_)):
        return PERMUTATIONS if calibrate else 0
    if isinstance(calibrate, (int, np.integer)) and calibrate >= 1:
        return int(calibrate)
    raise ParameterError(
        "must be True, False or the number of permutations", key="calibrate", found=repr(calibrate),
        fix=f"calibrate=True for {PERMUTATIONS} permutations",
    )  # fmt: skip


def flag_of(calibrate: object, number: str) -> bool:
    """Whether to calibrate, for functions whose permutations are counted elsewhere, by ``number``.

    Raises
    ------
    ParameterError
        If it is neither True nor False.
    """
    if isinstance(calibrate, (bool, np.bool_)):
        return bool(calibrate)
    raise ParameterError(
        "must be True or False", key="calibrate", found=repr(calibrate), fix=f"calibrate=True, {number}"
    )


def fraction(value: object, key: str, low: float, high: float) -> float:
    """Return a number from ``low`` to ``high``.

    Raises
    ------
    ParameterError
        If it is none.
    """
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if number and low <= float(value) <= high:  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    raise ParameterError(
        f"must be a number from {low:g} to {high:g}", key=key, found=repr(value), fix=f"pass {key} in that range"
    )


def before_denoising(table: AnnData, expression: Expression) -> tuple[sp.csc_matrix, Readout | None]:
    """The values that are permuted for a layer, csc (n, g), and the denoiser that follows; None where there is none."""
    if not expression.denoised:
        return sp.csc_matrix(expression.values), None
    source = input_of(table, str(expression.layer))
    return sp.csc_matrix(source.values), readout_of(table, expression.layer)


class Before(NamedTuple):
    """Values before denoising, and denoisers that have not seen them.

    Attributes
    ----------
    values
        csc_matrix (n, g).
    half
        Int64 (g,): which denoiser a gene is denoised with.
    denoisers
        None where there is none.
    """

    values: sp.csc_matrix
    half: np.ndarray
    denoisers: tuple[Readout | None, ...]

    def pvalues(
        self,
        genes: np.ndarray,
        weights: np.ndarray,
        rows: np.ndarray,
        strata: np.ndarray,
        *,
        ranks: bool,
        seed: int,
        count: int,
    ) -> np.ndarray:
        """P-values (m,) of weighted sums of denoised genes, or of their ranks, by permutations of ``rows``."""
        found = np.full(len(genes), np.nan)
        for number, denoiser in enumerate(self.denoisers):
            own = np.flatnonzero(self.half[genes] == number)
            if not len(own):
                continue
            values = self.values[:, genes[own]]
            values = sparse_ranks(values) if ranks else values.astype(np.float64)
            found[own] = linear_pvalues(values, weights, rows, strata, denoiser, seed=seed, count=count)
        return found


def blind_before(
    table: AnnData, expression: Expression, seed: int, connectivity_key: str = SPATIAL_NEIGHBORS
) -> Before:
    """The values that are permuted for a layer, and denoisers that are blind to the genes they denoise.

    Raises
    ------
    MissingKeyError
        If a layer was denoised and there is no embedding.
    InputError
        If that is not finite numbers.
    """
    if not expression.denoised or expression.layer is None:
        nothing = np.zeros(expression.values.shape[1], dtype=np.int64)
        return Before(sp.csc_matrix(expression.values), nothing, (None,))
    blind = blind_readouts_of(table, expression.layer, connectivity_key, seed=seed)
    return Before(sp.csc_matrix(input_of(table, expression.layer).values), blind.half, blind.readouts)


def joint_codes(*codes: np.ndarray) -> np.ndarray:
    """One code (n,) for each combination of several."""
    return np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def groups_of(
    labels: pd.Categorical | None, usable: np.ndarray, min_spots: int, key: str | None
) -> list[tuple[str, np.ndarray]]:
    """Names and rows of the groups with ``min_spots`` usable spots or more; one group ``"all"`` without labels.

    Raises
    ------
    LabelsError
        If no group is that large.
    """
    if labels is None:
        found = [("all", np.flatnonzero(usable))]
    else:
        codes = np.where(usable, labels.codes, -1)
        found = [(name, np.flatnonzero(codes == code)) for code, name in enumerate(labels.categories)]
        found = [(name, rows) for name, rows in found if len(rows)]
    few = {name: len(rows) for name, rows in found if len(rows) < min_spots}
    large = [(name, rows) for name, rows in found if name not in few]
    if not large:
        raise LabelsError(
            f"has no group of {min_spots} spots or more", key="min_spots" if key is None else f"obs[{key!r}]",
            found=f"{max(few.values(), default=0)} spots in the largest", fix="lower min_spots, or pass larger groups",
        )  # fmt: skip
    if few:
        listed = ", ".join(f"{name} ({count})" for name, count in few.items())
        note("groups of fewer than %d spots are skipped: %s", min_spots, listed)
    return large


def frame_of(columns: dict[str, Any], words: Sequence[str]) -> pd.DataFrame:
    """Tidy frame of columns; those named in ``words`` become categorical in the order of their first appearance."""
    import pandas as pd

    frame = pd.DataFrame(columns)
    for name in words:
        values = frame[name]
        if not isinstance(values.dtype, pd.CategoricalDtype):
            frame[name] = pd.Categorical(values, categories=list(dict.fromkeys(values)))
    return frame
