"""Smooth trends of expression along a pseudotime: how much they explain, and the spread around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp
    from sklearn.pipeline import Pipeline

_FOLDS = 5
_RIDGE = 1.0


class Correlation(NamedTuple):
    """Pearson correlations and their p-values, each float64 (m, k); nan for what does not vary."""

    r: np.ndarray
    pvalues: np.ndarray


def correlation(values: sp.spmatrix | np.ndarray, targets: np.ndarray) -> Correlation:
    """Pearson correlation of each gene with each target, and Fisher's two-sided p-value for independent spots.

    Parameters
    ----------
    values
        Expression (n, m), dense or sparse; it is not made dense.
    targets
        Float (n, k).
    """
    import scipy.sparse as sp
    from scipy.stats import norm

    n = values.shape[0]
    targets = np.asarray(targets, dtype=np.float64)
    targets = targets - targets.mean(axis=0)
    mean = np.asarray(values.mean(axis=0, dtype=np.float64)).ravel()
    squares: Any = values.multiply(values) if sp.issparse(values) else np.square(values)  # type: ignore[union-attr]
    square = np.asarray(squares.mean(axis=0, dtype=np.float64)).ravel()
    variance = square - mean**2
    # a constant gene has a variance of rounding errors
    variance = np.where(variance > 1e-12 * np.maximum(square, np.finfo(np.float64).tiny), variance, np.nan)
    length = np.sqrt((targets**2).sum(axis=0))
    length = np.where(length > 1e-12 * np.sqrt(n), length, np.nan)
    r = np.asarray(values.T @ targets) / (np.sqrt(n * variance)[:, None] * length)
    r = np.clip(r, -1.0, 1.0)
    with np.errstate(divide="ignore"):
        pvalues = 2 * norm.sf(np.abs(np.arctanh(r)) * np.sqrt(max(n - 3, 0)))
    return Correlation(r, np.where(np.isnan(r), np.nan, np.maximum(pvalues, np.finfo(np.float64).tiny)))


def explained(time: np.ndarray, values: np.ndarray, *, n_knots: int, seed: int) -> np.ndarray:
    """Share of the variance of each gene that a smooth trend predicts in spots that it was not fitted to.

    Cubic splines with knots at quantiles of the time, fitted by ridge regression to four fifths of the spots at a
    time; ``1 - errors / variance`` over all spots, which is below 0 for a trend worse than the mean.

    Parameters
    ----------
    time
        Float (n,).
    values
        Expression, dense (n, m).
    n_knots
        Knots of the splines.
    seed
        Of the partition of the spots.

    Returns
    -------
    Float64 (m,); nan for genes that do not vary.
    """
    from sklearn.model_selection import KFold, cross_val_predict

    folds = KFold(_FOLDS, shuffle=True, random_state=seed % 2**32)
    predicted = cross_val_predict(_model(time, n_knots), time[:, None], values, cv=folds)
    predicted = predicted.reshape(values.shape)  # scikit-learn makes a vector of one column
    total = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    scale = (values**2).sum(axis=0)
    varies = total > 1e-12 * np.maximum(scale, np.finfo(np.float64).tiny)
    errors = ((values - predicted) ** 2).sum(axis=0)
    return np.where(varies, 1 - errors / np.where(varies, total, 1.0), np.nan)


def trend(time: np.ndarray, values: np.ndarray, at: np.ndarray, *, n_knots: int) -> np.ndarray:
    """The same trend fitted to all spots: float64 (len(at), m) at the times ``at``."""
    found = _model(time, n_knots).fit(time[:, None], values).predict(at[:, None])
    return np.asarray(found, dtype=np.float64).reshape(len(at), values.shape[1])


def _model(time: np.ndarray, n_knots: int) -> Pipeline:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    # times that many spots share would put several knots in one place
    knots = np.unique(np.quantile(time, np.linspace(0, 1, n_knots)))
    return make_pipeline(SplineTransformer(knots=knots[:, None], degree=3), Ridge(_RIDGE, solver="cholesky"))


def windows(time: np.ndarray, n_windows: int) -> np.ndarray:
    """Window of each spot, int64 (n,): of equal numbers of spots along the time; equal times share one."""
    from scipy.stats import rankdata

    return ((rankdata(time) - 0.5) / len(time) * n_windows).astype(np.int64)


def variation(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficient of variation along the time: standard deviation within windows over the mean, float64 (m,).

    The variances of the windows are pooled, so that windows in which a gene is silent do not divide by zero. nan for
    genes without expression.

    Parameters
    ----------
    codes
        Windows of the spots, int (n,).
    values
        Expression, dense (n, m).
    """
    used, codes = np.unique(codes, return_inverse=True)
    counts = np.bincount(codes)
    sums = np.zeros((len(used), values.shape[1]))
    np.add.at(sums, codes, values)
    inside = values - (sums / counts[:, None])[codes]
    spread = np.sqrt((inside**2).sum(axis=0) / max(len(values) - len(used), 1))
    mean = values.mean(axis=0)
    return np.where(mean > 0, spread / np.where(mean > 0, mean, 1.0), np.nan)
