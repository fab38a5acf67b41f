"""How much of a spot's expression its surroundings share: little for cell types that are scattered, much in domains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from s3rl._random import stream
from s3rl.fit.batches import integrated_components

# spots by the rank of their distance: the six nearest, those around them, and two bands further off
BANDS = ((1, 6), (7, 18), (19, 30), (31, 60))
FEWEST_SPOTS, FEWEST_GENES = 20, 4
# CosMx lung has .40 nearby and .40 of that further off; among tissues with domains no one is below .43 and .5 at once
_NEAR, _KEPT, _NOTHING = 0.43, 0.5, 0.1
# below, what the halves have in common is too little to say what becomes of it
_LEAST = 0.05
_COMPONENTS = 10
_MANY = 10_000


class Contiguity(NamedTuple):
    """What surroundings share.

    Attributes
    ----------
    shared
        float64 (4,): share of the reproducible variation of expression that a spot has in common with the spots of
        each of ``BANDS``; nan where there are too few.
    reproducible
        Share of the variation of the leading components that both halves of the genes show.
    """

    shared: np.ndarray
    reproducible: float

    @property
    def cell_types(self) -> bool:
        """Whether neighbours share little and spots further off less than half of that: not so of domains."""
        near, far = self.shared[0], self.shared[-1]
        return bool(self.reproducible > _LEAST and near < _NEAR and far < _KEPT * max(near, _NOTHING))


def contiguity(x: sp.csr_matrix, xy: np.ndarray, slices: np.ndarray, *, seed: int) -> Contiguity:
    """Compare spots with their surroundings across two halves of the genes, so that noise of a spot cancels.

    The genes are halved at random. Directions that vary together in both halves are found on half of the spots; on
    the other half, the covariance of a spot's one half of the genes with its surroundings' other half is divided by
    the covariance with the spot's own other half.

    Parameters
    ----------
    x
        Log-normalised expression (n, g), at least 20 spots and 4 genes.
    xy
        Coordinates (n, 2).
    slices
        Numbers (n,) of the slices; genes are centred within them, and surroundings end with them.
    seed
        Of the halves. The mean of three draws is returned, of one with more than 10,000 spots.
    """
    around = [surroundings(xy, slices, *band) for band in BANDS]
    found = [_one_draw(x, around, slices, seed, number) for number in range(3 if len(xy) <= _MANY else 1)]
    shared = np.mean([draw.shared for draw in found], axis=0)
    return Contiguity(shared, float(np.mean([draw.reproducible for draw in found])))


def surroundings(xy: np.ndarray, slices: np.ndarray, first: int, last: int) -> sp.csr_matrix | None:
    """Mean over the spots of rank ``first`` to ``last`` by distance as csr (n, n); None if a slice has too few."""
    rows, columns = [], []
    for number in np.unique(slices):
        own = np.flatnonzero(slices == number)
        if len(own) <= first:
            return None
        near = cKDTree(xy[own]).query(xy[own], k=min(last, len(own) - 1) + 1)[1]
        # of spots at one place any may come first, so that the spot itself is found by its number
        others = near != np.arange(len(own))[:, None]
        band = np.take_along_axis(near, np.argsort(others, axis=1, kind="stable"), axis=1)[:, first:]
        rows.append(np.repeat(own, band.shape[1]))
        columns.append(own[band].ravel())
    shape = (len(xy), len(xy))
    row, column = np.concatenate(rows), np.concatenate(columns)
    counts = np.bincount(row, minlength=len(xy))
    return sp.csr_matrix((1 / counts[row], (row, column)), shape)


def _one_draw(
    x: sp.csr_matrix, around: list[sp.csr_matrix | None], slices: np.ndarray, seed: int, number: int
) -> Contiguity:
    rng = stream(seed, 31, number)
    order, half = rng.permutation(x.shape[1]), rng.permutation(x.shape[0]) % 2
    cut = x.shape[1] // 2
    batch = "center" if len(np.unique(slices)) > 1 else "none"
    first, second = (
        _centred(integrated_components(x[:, np.sort(genes)], _COMPONENTS, slices, batch, seed=seed))
        for genes in (order[:cut], order[cut:])
    )
    own, total, others = 0.0, 0.0, np.zeros(len(around))
    for part in (0, 1):
        found_on, seen = half != part, half == part
        left, _, right = np.linalg.svd(first[found_on].T @ second[found_on], full_matrices=False)
        a, b = first @ left, second @ right.T
        own += float((a * b)[seen].sum())
        total += float(np.sqrt((a[seen] ** 2).sum() * (b[seen] ** 2).sum()))
        others += [np.nan if m is None else ((a * (m @ b))[seen].sum() + (b * (m @ a))[seen].sum()) / 2 for m in around]
    if own <= 0:
        return Contiguity(np.full(len(around), np.nan), 0.0)
    return Contiguity(others / own, min(own / max(total, 1e-12), 1.0))


def _centred(components: np.ndarray) -> np.ndarray:
    return components.astype(np.float64) - components.mean(axis=0, dtype=np.float64)
