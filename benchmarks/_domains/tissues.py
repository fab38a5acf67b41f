"""Tissues whose domains are known: ten of them, the same bytes each time, none of them separable spot by spot.

A domain is a composition of cell types, as in real tissue: neighbouring domains share types, types come in families
that share markers, and the composition drifts within a domain. Upon that lie smooth programmes and programmes of
single spots that know nothing of the domains, library sizes that vary by spot and by place, ambient RNA and
overdispersed counts.
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What sets one tissue apart.

    Parameters
    ----------
    number
        Seed of everything that is drawn.
    n_spots, n_genes
        Size.
    plan
        ``layers`` (bent bands), ``regions`` (patches of any form) or ``nests`` (islands of all but the first domain).
    shares
        Share of the area of each domain.
    cells
        Mean number of cells in a spot; 1 makes single cells at irregular places.
    counts
        Mean total of a spot.
    purity
        Share of a domain's cells that are of its own types.
    contrast
        Standard deviation of the log fold changes between cell types.
    programme
        Standard deviation of the log effect of the programmes that know nothing of the domains.
    dispersion
        Negative binomial: variance = mean + dispersion * mean**2.
    """

    number: int
    n_spots: int
    n_genes: int = 600
    plan: str = "layers"
    shares: tuple[float, ...]
    cells: int = 8
    counts: float = 2500.0
    purity: float = 0.8
    contrast: float = 1.1
    programme: float = 0.2
    dispersion: float = 0.5


SPECS = {
    "layers-balanced": Spec(number=1, n_spots=1000, shares=(1, 1, 1, 1, 1)),
    "layers-unbalanced": Spec(number=2, n_spots=1200, shares=(8, 1.5, 5, 1, 3, 2)),
    "layers-thin": Spec(number=3, n_spots=1500, shares=(2, 0.7, 4, 0.7, 3, 3, 2.5)),
    "layers-noisy": Spec(number=4, n_spots=1000, shares=(2, 1, 2, 1, 2), counts=500, dispersion=1.0),
    "layers-cells": Spec(
        number=5, n_spots=1400, n_genes=160, shares=(1, 2, 1.5, 2.5, 2), cells=1, counts=600, contrast=1.3, purity=0.95
    ),
    "regions-balanced": Spec(number=6, n_spots=900, plan="regions", shares=(1, 1, 1, 1)),
    "regions-unbalanced": Spec(number=7, n_spots=1300, plan="regions", shares=(12, 6, 3, 1.5, 1, 1)),
    "regions-noisy": Spec(number=8, n_spots=800, plan="regions", shares=(3, 2, 2, 1), counts=800, programme=0.3),
    "regions-cells": Spec(
        number=9,
        n_spots=1500,
        n_genes=240,
        plan="regions",
        shares=(3, 2, 1),
        cells=1,
        counts=400,
        contrast=1.4,
        purity=0.95,
    ),
    "nests": Spec(number=10, n_spots=600, plan="nests", shares=(5, 3, 1.5), contrast=1.4, purity=0.95),
}
TISSUES = list(SPECS)


def tissue(name: str, draw: int = 0) -> ad.AnnData:
    """Make the tissue of ``name``.

    Parameters
    ----------
    name
        One of ``TISSUES``.
    draw
        0 is the tissue of the benchmark; other numbers make other tissues of the same kind.

    Returns
    -------
    AnnData with raw counts in ``X`` (CSR float32), ``obsm["spatial"]`` in units of the spacing of the spots,
    ``obs["ground_truth"]`` (categorical) and ``uns["simulation"]``, the settings.
    """
    spec = SPECS[name]
    rng = np.random.default_rng([spec.number, draw])
    xy = places(spec, rng)
    unit = (xy - xy.mean(axis=0)) / np.ptp(xy, axis=0).max()
    domain = domains(unit, spec, rng)
    mean = expected(unit, domain, spec, rng)
    counts = rng.poisson(rng.gamma(1 / spec.dispersion, mean * spec.dispersion))
    genes = counts.sum(axis=0) > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = ad.AnnData(
            sp.csr_matrix(counts[:, genes].astype(np.float32)),
            obs=pd.DataFrame(index=[f"spot{i}" for i in range(len(xy))]),
            var=pd.DataFrame(index=[f"GENE{i}" for i in np.flatnonzero(genes)]),
        )
    adata.obsm["spatial"] = xy
    names = [f"D{i + 1}" for i in range(len(spec.shares))]
    adata.obs["ground_truth"] = pd.Categorical.from_codes(domain, names)
    adata.uns["simulation"] = dataclasses.asdict(spec) | {"shares": list(spec.shares), "draw": draw}
    return adata


def places(spec: Spec, rng: np.random.Generator) -> np.ndarray:
    """Spots on a hexagonal array, or cells at irregular places, (n, 2): those nearest the centre of a rough disc."""
    side = int(np.ceil(np.sqrt(spec.n_spots * 1.8)))
    row, column = np.divmod(np.arange(side**2), side)
    xy = np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(3) / 2])
    if spec.cells == 1:
        xy = xy + rng.normal(0, 0.25, xy.shape)
    off = xy - xy.mean(axis=0)
    angle = np.arctan2(off[:, 1], off[:, 0])
    rough = 1 + sum(0.12 / k * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4))
    return xy[np.sort(np.argsort(np.hypot(*off.T) / rough)[: spec.n_spots])]


def waves(unit: np.ndarray, n_fields: int, length: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random fields (n, n_fields) of unit variance over the tissue, with ups and downs ``length`` apart."""
    frequency = rng.normal(size=(2, 80)) / length
    phases = np.cos(unit @ frequency + rng.uniform(0, 2 * np.pi, 80))
    made = phases @ rng.normal(size=(80, n_fields))
    return (made - made.mean(axis=0)) / made.std(axis=0)


def domains(unit: np.ndarray, spec: Spec, rng: np.random.Generator) -> np.ndarray:
    """Domain (n,) of each spot, with the shares of the tissue."""
    shares = np.array(spec.shares) / sum(spec.shares)
    if spec.plan == "layers":
        depth = unit[:, 1] + 0.5 * unit[:, 0] ** 2 + 0.03 * waves(unit, 1, 0.25, rng)[:, 0]
        return cut(depth, shares)
    if spec.plan == "nests":
        return cut(waves(unit, 1, 0.16, rng)[:, 0], shares)
    fields = waves(unit, len(shares), 0.2, rng)
    offset = np.log(shares)
    for _ in range(400):
        found = np.bincount((fields + offset).argmax(axis=1), minlength=len(shares)) / len(unit)
        offset += 0.1 * (np.log(shares) - np.log(found + 1e-3))
    return (fields + offset).argmax(axis=1)


def cut(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Number of the interval (n,) of each value, where the intervals hold ``shares`` of the values."""
    return np.searchsorted(np.quantile(values, np.cumsum(shares)[:-1]), values, side="right")


def composition(unit: np.ndarray, domain: np.ndarray, spec: Spec, rng: np.random.Generator) -> np.ndarray:
    """Share of each cell type (n, k) at each spot: two types of its own, those of the next domain, and common ones."""
    c = len(spec.shares)
    k = 2 * c + 3
    own = np.zeros((c, k))
    for j in range(c):
        own[j, [2 * j, 2 * j + 1]] = rng.dirichlet([4, 4])
        own[j, [2 * ((j + 1) % c), 2 * ((j - 1) % c) + 1]] += 0.25
    own /= own.sum(axis=1, keepdims=True)
    common = rng.dirichlet(np.r_[np.full(2 * c, 1.0), np.full(3, 4.0)])
    shares = spec.purity * own[domain] + (1 - spec.purity) * common
    shares = shares * np.exp(0.15 * waves(unit, k, 0.2, rng))
    return shares / shares.sum(axis=1, keepdims=True)


def profiles(k: int, spec: Spec, rng: np.random.Generator) -> np.ndarray:
    """Mean expression (k, g) of the cell types, in families of three that share most of their markers."""
    change = np.zeros((k, spec.n_genes))
    for kind in range(k):
        marked = rng.random(spec.n_genes) < 0.12
        change[kind, marked] = rng.normal(0, spec.contrast, marked.sum())
        if kind % 3:
            alike = rng.random(spec.n_genes) < 0.6
            change[kind, alike] = change[kind - kind % 3, alike]
    made = rng.lognormal(0, 1.2, spec.n_genes) * np.exp(change)
    return made / made.sum(axis=1, keepdims=True) * rng.lognormal(0, 0.25, (k, 1))


def expected(unit: np.ndarray, domain: np.ndarray, spec: Spec, rng: np.random.Generator) -> np.ndarray:
    """Mean counts (n, g)."""
    n, g = len(unit), spec.n_genes
    shares = composition(unit, domain, spec, rng)
    sizes = np.ones(n, int) if spec.cells == 1 else 1 + rng.poisson(spec.cells - 1, n)
    drawn = np.stack([rng.multinomial(size, share) for size, share in zip(sizes, shares, strict=True)])
    mean = drawn @ profiles(shares.shape[1], spec, rng)
    activity = np.column_stack([waves(unit, 3, 0.3, rng), rng.normal(size=(n, 2))])
    loading = rng.normal(0, spec.programme, (5, g)) * (rng.random((5, g)) < 0.1)
    mean *= np.exp(activity @ loading)
    mean = mean / mean.sum(axis=1, keepdims=True)
    mean = 0.9 * mean + 0.1 * mean.mean(axis=0)
    library = np.exp(rng.normal(0, 0.35, n) + 0.2 * waves(unit, 1, 0.4, rng)[:, 0])
    return mean * (spec.counts * library / library.mean())[:, None]
