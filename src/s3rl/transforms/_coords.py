"""Random displacement of coordinates, beside the tile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from s3rl.errors import DataTypeError
from s3rl.transforms._base import Transform
from s3rl.transforms._checks import as_number


class JitterCoords(Transform):
    """Move coordinates by normally distributed noise, as uncertain registration does.

    Parameters
    ----------
    deviation
        Standard deviation along each axis, in the unit of the coordinates.
    keys
        Coordinates, floats of any shape; every key is moved by the same amount.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If the deviation is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import JitterCoords
    >>> JitterCoords(5.0)({"coords": np.zeros(2)}, np.random.default_rng(0))["coords"].round(1)
    array([ 0.6, -0.7])
    """

    def __init__(self, deviation: float, *, keys: str | Iterable[str] = ("coords",), p: float = 1.0) -> None:
        super().__init__(keys, p)
        self.deviation = as_number(deviation, "deviation", 0)

    def check(self, value: Any, key: str, first: Any) -> None:
        """Refuse what holds no floats, or has another shape than the first key."""
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.shape != first.shape:
            raise DataTypeError(
                "must be an array of floats, of the shape of the first key",
                key=f"sample[{key!r}]",
                found=f"{getattr(value, 'dtype', type(value).__name__)} of shape {getattr(value, 'shape', None)}",
                fix="pass numpy.asarray(coords, dtype='float64')",
            )

    def sample_parameters(self, value: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """Draw the displacement, float64, of the shape of the coordinates."""
        return {"by": self.deviation * rng.standard_normal(value.shape)}

    def apply(self, value: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
        """Move the coordinates."""
        return (value + parameters["by"]).astype(value.dtype)
