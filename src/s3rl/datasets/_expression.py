"""Counts of a simulated tissue: which gene does what, and negative-binomial draws; arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from s3rl._random import stream

if TYPE_CHECKING:
    from s3rl.datasets._params import CortexParams

_ROWS = 1024


@dataclass(frozen=True)
class Genes:
    """What every gene does.

    Parameters
    ----------
    names, kind
        Object (g,): name; ``marker``, ``gradient``, ``ligand``, ``receptor`` or ``null``.
    layer
        Int (g,): layer in which the gene is raised, -1 for none.
    base
        Float (g,): mean count outside of that layer at library size 1.
    fold
        Float (g,): factor in that layer, 1 for none.
    slope
        Float (g, 2): change of the log mean along the depth and along the layers.
    """

    names: np.ndarray
    kind: np.ndarray
    layer: np.ndarray
    base: np.ndarray
    fold: np.ndarray
    slope: np.ndarray


def make_genes(n_genes: int, n_layers: int, params: CortexParams, rng: np.random.Generator) -> Genes:
    """Draw the roles of the genes: markers, gradients, planted pairs, pairs without a pattern, and the rest."""
    n_pairs = params.n_pairs
    n_markers = round(params.marker_share * n_genes)
    n_gradients = round(params.gradient_share * n_genes)
    counts = [n_markers, n_gradients, 2 * n_pairs, 2 * n_pairs]
    kinds = np.repeat(
        np.array(["marker", "gradient", "ligand", "receptor", "null"], object), [*counts, n_genes - sum(counts)]
    )
    layer = np.full(n_genes, -1)
    layer[:n_markers] = np.arange(n_markers) % n_layers
    starts = np.arange(n_pairs) % (n_layers - 1)
    inwards = (np.arange(n_pairs) // (n_layers - 1)) % 2 == 0
    layer[np.flatnonzero(kinds == "ligand")[:n_pairs]] = np.where(inwards, starts, starts + 1)
    layer[np.flatnonzero(kinds == "receptor")[:n_pairs]] = np.where(inwards, starts + 1, starts)
    spread = rng.lognormal(0.0, 1.0, n_genes)
    fold = np.where(layer >= 0, np.maximum(params.marker_fold * rng.lognormal(0.0, 0.25, n_genes), 1.0), 1.0)
    paired = np.isin(kinds, ["ligand", "receptor"])
    spread[paired] = np.median(spread) * rng.lognormal(0.0, 0.2, paired.sum())
    slope = np.zeros((n_genes, 2))
    gradients = np.flatnonzero(kinds == "gradient")
    slope[gradients, np.arange(gradients.size) % 2] = params.gradient * rng.choice([-1.0, 1.0], gradients.size)
    base = spread / spread.mean() * params.counts_per_gene
    return Genes(_names(kinds, layer, n_layers), kinds, layer, base, fold, slope)


def _names(kinds: np.ndarray, layer: np.ndarray, n_layers: int) -> np.ndarray:
    from s3rl.datasets._tissue import layer_names

    domains = layer_names(n_layers)
    prefix = {"gradient": "GRAD", "ligand": "LIG", "receptor": "REC", "null": "GENE"}
    seen: dict[str, int] = {}
    names = []
    for kind, where in zip(kinds, layer, strict=True):
        stem = f"MARK-{domains[where]}-" if kind == "marker" else prefix[kind]
        seen[stem] = seen.get(stem, 0) + 1
        names.append(f"{stem}{seen[stem]}")
    return np.array(names, object)


def mean_counts(genes: Genes, weights: np.ndarray, depth: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Float (n, g): mean counts at library size 1 of spots with ``weights`` (n, k) of the layers."""
    raised = genes.layer >= 0
    mean = np.broadcast_to(genes.base, (len(weights), genes.base.size)).copy()
    mean[:, raised] *= 1.0 + (genes.fold[raised] - 1.0) * weights[:, genes.layer[raised]]
    sloped = np.flatnonzero(genes.slope.any(axis=1))
    position = np.stack([depth, along], axis=1) - 0.5
    mean[:, sloped] *= np.exp(position @ genes.slope[sloped].T)
    return mean


def negative_binomial(mean: np.ndarray, dispersion: float, rng: np.random.Generator) -> np.ndarray:
    """Counts with variance ``mean + dispersion * mean**2``, shape of ``mean``; Poisson where dispersion is 0."""
    if dispersion > 0:
        mean = rng.gamma(1.0 / dispersion, mean * dispersion)
    return rng.poisson(mean)


def draw_counts(
    genes: Genes,
    weights: np.ndarray,
    depth: np.ndarray,
    along: np.ndarray,
    library: np.ndarray,
    *,
    batch: np.ndarray,
    dispersion: float,
    dropout: float,
    seed: int,
    path: tuple[int, ...],
) -> sp.csr_matrix:
    """Float32 CSR (n, g) of whole numbers, drawn in blocks of rows so that n x g is never dense.

    Parameters
    ----------
    weights, depth, along
        (n, k) memberships, (n,) depth and (n,) position along the layers.
    library, batch
        Float (n,) and (g,) factors on the mean: library size of the spot, batch effect on the gene.
    seed, path
        Name of the random stream; every block has its own below it.
    """
    blocks = []
    for number, start in enumerate(range(0, len(weights), _ROWS)):
        rows = slice(start, start + _ROWS)
        rng = stream(seed, *path, number)
        mean = mean_counts(genes, weights[rows], depth[rows], along[rows]) * library[rows, None] * batch
        counts = negative_binomial(mean, dispersion, rng)
        if dropout > 0:
            counts[rng.random(counts.shape) < dropout] = 0
        # a spot without a single count is unusable downstream and is never on tissue in practice
        empty = np.flatnonzero(~counts.any(axis=1))
        counts[empty, mean[empty].argmax(axis=1)] = 1
        blocks.append(sp.csr_matrix(counts.astype(np.float32)))
    return sp.csr_matrix(sp.vstack(blocks, format="csr"))
