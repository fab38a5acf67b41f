"""Permutations of spots, each from a stream of its own: the same whatever the batch or the number of workers."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from s3rl._random import stream

# keeps these streams apart from others that a function draws from the same seed
_PATH = 0x9E37


def permutation(seed: int, number: int, n: int, strata: np.ndarray | None = None) -> np.ndarray:
    """Permutation ``number`` of ``range(n)``, int64 (n,).

    Parameters
    ----------
    seed
        Seed of the whole test.
    number
        Which permutation; each number has a stream of its own.
    n
        Number of spots.
    strata
        Integer codes (n,): spots are exchanged only with spots of the same code, for example of the same slice.
    """
    draw = stream(seed, _PATH, number)
    if strata is None:
        return draw.permutation(n)
    order = np.arange(n)
    for code in np.unique(strata):
        own = np.flatnonzero(strata == code)
        order[own] = draw.permutation(own)
    return order


def alike(values: np.ndarray, strata: np.ndarray, *, parts: int = 10, fewest: int = 20) -> np.ndarray:
    """Divide each stratum into parts of like size by a covariate, which has hardly a say within them.

    Parameters
    ----------
    values
        Covariate (n,). Spots of the same value are in the same part.
    strata
        Integer codes (n,).
    parts
        Parts of a stratum.
    fewest
        Spots of a part at least, on average: smaller strata are divided into fewer parts.

    Returns
    -------
    int64 (n,), codes of the parts.
    """
    codes, used = np.empty(len(values), dtype=np.int64), 0
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        middle = (rankdata(values[own]) - 0.5) / len(own)
        number = min(parts, max(1, len(own) // fewest))
        codes[own] = used + (middle * number).astype(np.int64)
        used += number
    return codes
