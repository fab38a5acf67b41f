"""Random absence of genes, beside the tile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from s3rl.errors import DataTypeError
from s3rl.transforms._base import Transform
from s3rl.transforms._checks import as_number


class DropGenes(Transform):
    """Set random genes to zero, as dropout does in sparse counts.

    Parameters
    ----------
    rate
        Probability of each gene of being set to zero.
    keys
        Expression (g,) or (n, g); the same genes are dropped from every row and key.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If the rate is no probability.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import DropGenes
    >>> DropGenes(0.5)({"expression": np.ones(6)}, np.random.default_rng(0))["expression"]
    array([1., 0., 0., 0., 1., 1.])
    """

    def __init__(self, rate: float = 0.2, *, keys: str | Iterable[str] = ("expression",), p: float = 1.0) -> None:
        super().__init__(keys, p)
        self.rate = as_number(rate, "rate", 0, 1)

    def check(self, value: Any, key: str, first: Any) -> None:
        """Refuse what is no dense expression of the genes of the first key."""
        if not isinstance(value, np.ndarray) or value.ndim == 0 or value.shape[-1] != first.shape[-1]:
            raise DataTypeError(
                "must be a dense array with one value for each gene",
                key=f"sample[{key!r}]",
                found=f"{type(value).__name__} of shape {getattr(value, 'shape', None)}",
                fix="pass expression of shape (g,), for example matrix[i].toarray().ravel()",
            )

    def sample_parameters(self, value: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """Draw the genes that stay, boolean (g,)."""
        return {"kept": rng.random(value.shape[-1]) >= self.rate}

    def apply(self, value: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
        """Set the other genes to zero."""
        return value * parameters["kept"].astype(value.dtype)
