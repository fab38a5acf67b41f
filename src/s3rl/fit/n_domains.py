"""How many domains the data can tell apart, without labels.

Each number of domains is a mixture of that many Gaussians on the diffused principal components, and mixtures are
compared by the Bayesian information criterion. The criterion counts independent observations, and neighbouring spots
are none: diffusion and whatever varies smoothly within domains make them alike. So, as quasi-likelihood does with
overdispersed data, the log-likelihood is divided by the variance inflation of the residuals of the richest mixture,
which is the sum of their autocorrelation over the graph, and the spots are counted as that many fewer. What varies
smoothly does so in a few directions of expression; each direction is counted with its own inflation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.stats import norm
from tqdm.auto import tqdm

from s3rl._random import stream
from s3rl.fit.batches import integrated_components
from s3rl.fit.consensus import tied_mixture
from s3rl.fit.views import FEWEST, anchors
from s3rl.statistics.autocorrelation import morans_i

N_DOMAINS_MAX = 15
N_REPEATS = 5
_GENES_KEPT = 0.9
_SPOTS_PER_DOMAIN = 10
_FITTED_SPOTS = 10_000
_SOURCES = 400
_LARGEST_HOP = 30
_LEVEL = 0.05


class NDomains(NamedTuple):
    """Evidence for each number of domains.

    Attributes
    ----------
    candidates
        int64 (m,): numbers of domains compared, from 2.
    score
        float64 (m,): log evidence for so many domains against a tissue without domains, mean over the repeats.
    spread
        float64 (m,): standard deviation over the repeats.
    runs
        float64 (r, m): score of each repeat, each on its own nine tenths of the genes.
    null
        float64 (m,): score of the same components with the spots shuffled.
    effective_spots
        float64 (r,): independent spots that the spots are worth.
    n_components
        int64 (r,): components that vary in space.
    chosen
        The candidate of the highest score.
    """

    candidates: np.ndarray
    score: np.ndarray
    spread: np.ndarray
    runs: np.ndarray
    null: np.ndarray
    effective_spots: np.ndarray
    n_components: np.ndarray
    chosen: int


def choose_n_domains(
    x: sp.csr_matrix,
    spatial: sp.csr_matrix,
    *,
    seed: int,
    smoothing: sp.csr_matrix | None = None,
    slices: np.ndarray | None = None,
    batch: str = "none",
    n_repeats: int = N_REPEATS,
    progress: bool = False,
) -> NDomains:
    """Choose the number of domains.

    Parameters
    ----------
    x
        Expression (n, g).
    spatial
        Spatial graph (n, n), symmetric.
    seed
        Genes left out and starts.
    smoothing
        Weights (n, n) of the diffusion, where they are not those of ``spatial``; without any, all components count,
        whether they vary in space or not.
    slices
        Numbers (n,) of the slices.
    batch
        What is done about differences between slices, resolved.
    n_repeats
        Repeats r.
    progress
        Whether to show a progress bar.
    """
    n, g = x.shape
    smoothing = spatial if smoothing is None else smoothing
    candidates = np.arange(2, max(2, min(N_DOMAINS_MAX, n // _SPOTS_PER_DOMAIN)) + 1)
    runs, effective, counts = [], [], []
    with tqdm(total=n_repeats + 1, disable=not progress, desc="number of domains", unit="repeat") as bar:
        for repeat in range(n_repeats):
            rng = stream(seed, 31, repeat)
            kept = np.sort(rng.choice(g, max(2, round(_GENES_KEPT * g)), replace=False))
            components = integrated_components(x[:, kept], FEWEST, slices, batch, seed=seed)
            if smoothing.nnz:
                components = components[:, varies_in_space(components, spatial)]
            score, size = _mean_evidence(components, smoothing, spatial, candidates, rng)
            runs.append(score)
            effective.append(size)
            counts.append(components.shape[1])
            bar.update()
        null, _ = _mean_evidence(components[rng.permutation(n)], smoothing, spatial, candidates, rng)
        bar.update()
    scores = np.array(runs)
    mean = scores.mean(axis=0)
    return NDomains(
        candidates.astype(np.int64),
        mean,
        scores.std(axis=0, ddof=min(1, n_repeats - 1)),
        scores,
        null,
        np.array(effective),
        np.array(counts, dtype=np.int64),
        int(candidates[np.argmax(mean)]),
    )


def varies_in_space(components: np.ndarray, spatial: sp.csr_matrix) -> np.ndarray:
    """Columns (of n, k) whose Moran's I exceeds chance at 5 % over all of them; the one of the largest where none does.

    Returns
    -------
    int64, ascending.
    """
    n, k = components.shape
    weights = float(spatial.data.sum(dtype=np.float64))
    # Cliff and Ord (1981), normality
    s1 = 0.5 * float((spatial + spatial.T).power(2).sum())
    s2 = float(((np.asarray(spatial.sum(axis=1)).ravel() + np.asarray(spatial.sum(axis=0)).ravel()) ** 2).sum())
    expected = -1 / (n - 1)
    variance = (n**2 * s1 - n * s2 + 3 * weights**2) / (weights**2 * (n**2 - 1)) - expected**2
    z = (morans_i(components, spatial) - expected) / np.sqrt(variance)
    found = np.flatnonzero(norm.sf(z) < _LEVEL / k)
    return found if len(found) else np.array([int(np.argmax(z))])


def evidence(
    view: np.ndarray, spatial: sp.csr_matrix, candidates: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Score (m,) of each candidate against one domain, and the independent spots that the spots are worth.

    With the log-likelihood l_k of the mixture of k domains on d components, v the harmonic mean of the variance
    inflations of the d directions and n' = n / v,
    the score is ``(l_k - l_1) / v - (k - 1) (d + 1) log(n') / 2``: half the difference of two information criteria,
    which approximates the logarithm of a Bayes factor.
    """
    n, d = view.shape
    fitted = view if n <= _FITTED_SPOTS else view[np.sort(rng.choice(n, _FITTED_SPOTS, replace=False))]
    likelihood = []
    for k in [1, *candidates]:
        mixture = tied_mixture(fitted, int(k), int(rng.integers(2**31 - 1)))
        likelihood.append(mixture.score(view) * n)
    residual = view - mixture.predict_proba(view) @ mixture.means_
    inflation = float(1 / np.mean(1 / variance_inflation(residual, spatial, rng)))
    gain = (np.array(likelihood[1:]) - likelihood[0]) / inflation
    return gain - 0.5 * (candidates - 1) * (d + 1) * np.log(n / inflation), n / inflation


def variance_inflation(residual: np.ndarray, spatial: sp.csr_matrix, rng: np.random.Generator) -> np.ndarray:
    """By how much autocorrelation inflates the variance of a mean: the sum of the correlations with one spot.

    The directions are the uncorrelated ones that neighbours share least to most (min/max autocorrelation factors,
    Switzer and Green 1984). Correlations are averaged over pairs that lie equally many steps apart on the graph, and
    summed until the first that is not positive, since the noise of the many distant pairs has no bound (Geyer 1992).

    Parameters
    ----------
    residual
        Residuals (n, d) that are not collinear.
    spatial
        Graph (n, n).
    rng
        Picks the spots whose surroundings are read.

    Returns
    -------
    float64 (d,), each at least 1, in the order of the directions.
    """
    n = len(residual)
    steps = sp.csr_matrix((np.ones(spatial.nnz), spatial.indices, spatial.indptr), spatial.shape)
    factors = _factors(residual - residual.mean(axis=0), steps)
    sources = np.sort(rng.choice(n, min(n, _SOURCES), replace=False))
    own = factors[sources]
    reached = sp.csr_matrix((np.ones(len(sources)), (np.arange(len(sources)), sources)), (len(sources), n))
    total = np.ones(factors.shape[1])
    positive = np.ones(factors.shape[1], dtype=bool)
    for _ in range(_LARGEST_HOP):
        grown = ((reached @ steps + reached) > 0).astype(np.float64)
        ring = grown - reached
        ring.eliminate_zeros()
        share = ((ring @ factors) * own).mean(axis=0) / (own**2).mean(axis=0)
        positive &= share > 0
        if not positive.any():
            break
        total[positive] += share[positive]
        reached = grown
    return total


def _factors(centred: np.ndarray, steps: sp.csr_matrix) -> np.ndarray:
    """Rotate and scale (n, d) to uncorrelated columns of unit variance, those that neighbours share least first."""
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    white = centred @ (vectors / np.sqrt(np.maximum(values, 1e-12 * values[-1])))
    shared = white.T @ (steps @ white)
    return np.asarray(white @ np.linalg.eigh(shared + shared.T)[1])


def _mean_evidence(
    components: np.ndarray,
    smoothing: sp.csr_matrix,
    spatial: sp.csr_matrix,
    candidates: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    """Mean of :func:`evidence` over the strengths of diffusion: little shows thin domains, much shows faint ones."""
    views = anchors(components, smoothing) if smoothing.nnz else [components.astype(np.float64)]
    scores, sizes = zip(*[evidence(view, spatial, candidates, rng) for view in views], strict=True)
    return np.mean(scores, axis=0), float(np.mean(sizes))


__all__ = ["N_DOMAINS_MAX", "NDomains", "choose_n_domains", "evidence", "variance_inflation", "varies_in_space"]
