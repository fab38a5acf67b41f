"""Spots made of cells whose types are known: sums of single cells, seen by another technology."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.spatial import cKDTree

N_TYPES, N_GENES = 8, 600
CELLS_PER_TYPE = 60
CELLS_IN_SPOT = 8
DISPERSION = 0.6


class Mixture(NamedTuple):
    """Spots with counts, a reference of other cells, and the proportions (n, k) of cells drawn and expected."""

    spots: ad.AnnData
    reference: ad.AnnData
    drawn: np.ndarray
    expected: np.ndarray


def mixture(
    cells: np.ndarray,
    codes: np.ndarray,
    reference: np.ndarray,
    *,
    n: int,
    depth: float,
    platform: float,
    scattered: bool,
    rng: np.random.Generator,
) -> Mixture:
    """Draw the cells of each spot from ``cells`` (c, g) of the types ``codes`` where ``reference`` (c,) is False.

    Proportions are smooth fields over an array, or, ``scattered``, the same ones in any order. Every gene is seen
    with a factor of its own, log-normal with standard deviation ``platform``; a spot has ``depth`` counts on average.
    """
    k = int(codes.max()) + 1
    xy = array(n)
    expected = fields(xy, k, rng)
    if scattered:
        expected = expected[rng.permutation(n)]
    sizes = 1 + rng.poisson(CELLS_IN_SPOT - 1, n)
    drawn = np.stack([rng.multinomial(size, share) for size, share in zip(sizes, expected, strict=True)])
    pools = [np.flatnonzero((codes == kind) & ~reference) for kind in range(k)]
    mean = np.stack(
        [
            cells[np.concatenate([rng.choice(pools[kind], count) for kind, count in enumerate(row)])].sum(axis=0)
            for row in drawn
        ]
    )
    mean = mean * rng.lognormal(0, platform, cells.shape[1])
    mean *= depth / mean.sum(axis=1).mean() * rng.lognormal(0, 0.3, n)[:, None]
    names = [f"GENE{i}" for i in range(cells.shape[1])]
    spots = ad.AnnData(sp.csr_matrix(rng.poisson(mean).astype(np.float32)), var=pd.DataFrame(index=names))
    spots.obs_names = [f"spot{i}" for i in range(n)]
    spots.obsm["spatial"] = xy
    spots = spots[:, np.asarray(spots.X.sum(axis=0)).ravel() > 0].copy()
    other = ad.AnnData(sp.csr_matrix(cells[reference].astype(np.float32)), var=pd.DataFrame(index=names))
    other.obs_names = [f"cell{i}" for i in range(other.n_obs)]
    other.obs["cell_type"] = pd.Categorical([f"type{code:02d}" for code in codes[reference]])
    return Mixture(spots, other, drawn / sizes[:, None], expected)


def simulated(rng: np.random.Generator, **how) -> Mixture:
    """Types in pairs that share most of their markers; the cells of the spots are not those of the reference."""
    profiles = rng.lognormal(0, 1.2, N_GENES)
    change = np.zeros((N_TYPES, N_GENES))
    for kind in range(N_TYPES):
        own = rng.choice(N_GENES, N_GENES // 6, replace=False)
        change[kind, own] = rng.normal(0, 1.3, own.size)
        if kind % 2:
            alike = rng.random(N_GENES) < 0.6
            change[kind, alike] = change[kind - 1, alike]
    profiles = profiles * np.exp(change)
    profiles /= profiles.sum(axis=1, keepdims=True)
    codes = np.tile(np.repeat(np.arange(N_TYPES), CELLS_PER_TYPE), 2)
    library = (3000 * rng.lognormal(0, 0.35, N_TYPES))[codes] * rng.lognormal(0, 0.4, codes.size)
    mean = rng.gamma(1 / DISPERSION, profiles[codes] * library[:, None] * DISPERSION)
    reference = np.arange(codes.size) < codes.size // 2
    return mixture(rng.poisson(mean).astype(np.float64), codes, reference, rng=rng, **how)


def of_real_cells(folder: Path, rng: np.random.Generator, **how) -> Mixture:
    """Cells of the lymph node: half of each type is the reference, the other half makes the spots; 3,000 genes."""
    cells = ad.read_h5ad(folder / "deconvolution" / "lymph_node" / "scrna_reference.h5ad")
    counts = cells.X.toarray().astype(np.float64)
    counts = counts[:, np.argsort(-counts.sum(axis=0))[:3000]]
    codes = cells.obs["cell_type"].cat.codes.to_numpy().astype(int)
    reference = np.zeros(codes.size, dtype=bool)
    for kind in range(codes.max() + 1):
        own = rng.permutation(np.flatnonzero(codes == kind))
        reference[own[: own.size // 2]] = True
    return mixture(counts, codes, reference, rng=rng, **how)


def array(n: int) -> np.ndarray:
    """Hexagonal array (n, 2), as wide as high."""
    side = int(np.ceil(np.sqrt(n)))
    row, column = np.divmod(np.arange(n), side)
    return np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(3) / 2]).astype(float)


def fields(xy: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth proportions (n, k): softmax of random waves a quarter of the tissue long."""
    place = (xy - xy.mean(axis=0)) / np.ptp(xy, axis=0).max()
    waves = rng.normal(size=(2, 60)) / 0.25
    fields = np.cos(place @ waves + rng.uniform(0, 2 * np.pi, 60)) @ rng.normal(size=(60, k)) * 2 * np.sqrt(2 / 60)
    shares = np.exp(fields)
    return shares / shares.sum(axis=1, keepdims=True)


def neighbours(xy: np.ndarray, k: int = 6) -> sp.csr_matrix:
    """Undirected graph of the ``k`` nearest."""
    spots = np.repeat(np.arange(len(xy)), k)
    near = cKDTree(xy).query(xy, k + 1)[1][:, 1:].ravel()
    graph = sp.csr_matrix((np.ones(spots.size, np.float32), (spots, near)), shape=(len(xy), len(xy)))
    return sp.csr_matrix(((graph + graph.T) > 0).astype(np.float32))
