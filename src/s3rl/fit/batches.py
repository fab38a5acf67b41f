"""Several slices in one model: whether they lie over each other, and components in which they do."""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, svds

from s3rl._log import note
from s3rl._random import stream
from s3rl.errors import MissingExtraError, ParameterError
from s3rl.fit.views import CLIP, leading, principal_components

Batch = Literal["auto", "none", "center", "harmony"]
_LEADING = 10
# Neighbouring sections of one donor stay below a quarter, a change of chemistry comes near to one; where slices miss
# layers that others have, a centre of their own would tear the same layers apart.
_MOST = 1 / 3


def slice_share(components: np.ndarray, slices: np.ndarray) -> np.ndarray:
    """Share of the variance of each component that lies between slices (eta squared).

    Parameters
    ----------
    components
        float (n, k).
    slices
        Numbers (n,) of the slices.

    Returns
    -------
    float64 (k,), from 0 where all slices have the same mean to 1 where nothing else varies.
    """
    centred = components - components.mean(axis=0, dtype=np.float64)
    found, codes = np.unique(slices, return_inverse=True)
    weights = np.bincount(codes) / len(codes)
    means = np.stack([centred[codes == s].mean(axis=0) for s in range(len(found))])
    return (weights[:, None] * means**2).sum(axis=0) / np.maximum((centred**2).mean(axis=0), 1e-12)


def resolved_batch(x: sp.csr_matrix, slices: np.ndarray, batch: Batch, *, seed: int) -> Batch:
    """Turn ``"auto"`` into what the data ask for; one slice needs nothing.

    Raises
    ------
    MissingExtraError
        If Harmony is asked for and not installed.
    """
    if len(np.unique(slices)) < 2:
        return "none"
    if batch == "harmony":
        _harmony()
    if batch != "auto":
        return batch
    most = float(slice_share(principal_components(x, _LEADING, seed=seed), slices).max())
    chosen: Batch = "none" if most <= _MOST else "center"
    note(
        "slices explain up to %.0f %% of a leading component, so genes are %scentred within slices (params.batch=%r)",
        100 * most,
        "" if chosen == "center" else "not ",
        chosen,
    )
    return chosen


def integrated_components(
    x: sp.csr_matrix,
    n_components: int,
    slices: np.ndarray | None,
    batch: str,
    *,
    seed: int,
    scaling: float = 1.0,
    spatial: sp.csr_matrix | None = None,
) -> np.ndarray:
    """Principal components in which slices lie over each other as far as ``batch`` asks for.

    Parameters
    ----------
    x
        Expression (n, g).
    n_components
        Wanted; fewer come back where n or g is smaller.
    slices
        Numbers (n,) of the slices; None is one.
    batch
        ``"none"``, ``"center"`` or ``"harmony"``.
    seed
        Of the solver and of Harmony.
    scaling
        Power of its deviation that every gene is divided by.
    spatial
        Graph (n, n); where there is one, no more components come back than :func:`s3rl.fit.views.leading` leaves.

    Returns
    -------
    float32 (n, k).
    """
    if slices is None or batch == "none":
        components = principal_components(x, n_components, seed=seed, scaling=scaling)
    elif batch in ("center", "harmony"):
        components = centred_components(x, n_components, slices, seed=seed, scaling=scaling)
    else:
        raise ParameterError(
            "is not resolved", key="batch", found=repr(batch), available=["none", "center", "harmony"],
            fix="resolved_batch(x, slices, batch, seed=seed)",
        )  # fmt: skip
    if spatial is not None:
        components = leading(components, spatial)
    if slices is not None and batch == "harmony":
        return _harmonised(components, slices, seed)
    return components.astype(np.float32)


def centred_components(
    x: sp.csr_matrix, n_components: int, slices: np.ndarray, *, seed: int, scaling: float = 1.0
) -> np.ndarray:
    """Principal components of genes centred within slices and scaled by their deviation within slices.

    The centre is taken off inside of the products, so that nothing becomes dense.

    Returns
    -------
    float64 (n, k), the sign of each component such that its largest loading is positive.
    """
    members = sp.csr_matrix((np.ones(len(slices)), (np.arange(len(slices)), slices)))
    sizes = np.maximum(np.asarray(members.sum(axis=0)).ravel(), 1)[:, None]
    scaled = _scaled_within(x, members, sizes, slices, scaling)
    means = np.asarray((members.T @ scaled).todense()) / sizes
    centred = LinearOperator(
        scaled.shape,
        matvec=lambda v: scaled @ v.ravel() - members @ (means @ v.ravel()),
        rmatvec=lambda u: scaled.T @ u.ravel() - means.T @ (members.T @ u.ravel()),
        dtype=np.float64,
    )
    k = min(n_components, min(x.shape) - 1)
    start = stream(seed, 22).normal(size=min(x.shape))
    left, values, right = svds(centred, k=k, v0=start)
    order = np.argsort(-values)
    sign = np.sign(right[np.arange(k), np.abs(right).argmax(axis=1)])
    return ((left * values) * sign)[:, order]


def _scaled_within(
    x: sp.csr_matrix, members: sp.csr_matrix, sizes: np.ndarray, slices: np.ndarray, scaling: float
) -> sp.csr_matrix:
    """Genes over their deviation within slices, clipped from above as ``principal_components`` does."""
    scaled = sp.csr_matrix(x, dtype=np.float64, copy=True)
    means = np.asarray((members.T @ scaled).todense()) / sizes
    squares = np.asarray((members.T @ scaled.multiply(scaled)).todense()) / sizes
    variance = ((squares - means**2) * sizes).sum(axis=0) / sizes.sum()
    deviation = np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 0)), 1.0)
    rows = np.repeat(np.arange(x.shape[0]), np.diff(scaled.indptr))
    limit = CLIP + (means / deviation)[slices[rows], scaled.indices]
    scaled.data = np.minimum(scaled.data / deviation[scaled.indices], limit)
    scaled.data *= (deviation ** (1 - scaling))[scaled.indices]
    return scaled


def _harmonised(components: np.ndarray, slices: np.ndarray, seed: int) -> np.ndarray:
    import logging

    import pandas as pd

    logger = logging.getLogger("harmonypy")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        found = _harmony().run_harmony(
            components, pd.DataFrame({"slice": slices.astype(str)}), ["slice"], random_state=seed % 2**32, verbose=False
        )
    finally:
        logger.setLevel(level)
    corrected = np.asarray(found.Z_corr)
    return (corrected if corrected.shape == components.shape else corrected.T).astype(np.float32)


def _harmony():  # type: ignore[no-untyped-def]
    try:
        import harmonypy
    except ImportError as error:
        raise MissingExtraError(
            "is not installed", key="harmonypy", fix="pip install 's3rl-tools[integration]', or params.batch='center'"
        ) from error
    return harmonypy


__all__ = ["centred_components", "integrated_components", "resolved_batch", "slice_share"]
