"""The errors a user can meet, as one tree.

::

    S3RLError
    ├── InputError (ValueError)            values that no result can be computed from
    │   ├── CountsError                    expression that is not raw counts, or not normalised, where it must be
    │   ├── CoordinatesError               coordinates that are absent, not finite or of the wrong shape
    │   ├── GraphError                     a graph of another object, of the wrong shape or with invalid weights
    │   └── LabelsError                    a column that cannot serve as labels or as slices
    ├── MissingKeyError (KeyError)         a slot that is not there
    ├── ParameterError (ValueError)        an argument outside of what the function accepts
    ├── DataTypeError (TypeError)          an object of a type that the function does not take
    ├── StoreError (OSError)               a store that cannot be read or written
    ├── ModelError (ValueError)            a model folder or checkpoint that cannot be used
    └── MissingExtraError (ImportError)    an optional dependency that is not installed

Every error says what is wrong, what was found, what exists, and the call that repairs it; the parts are kept as
attributes so that programs can read them too.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "CoordinatesError",
    "CountsError",
    "DataTypeError",
    "GraphError",
    "InputError",
    "LabelsError",
    "MissingExtraError",
    "MissingKeyError",
    "ModelError",
    "ParameterError",
    "S3RLError",
    "StoreError",
]

_LISTED = 12


class S3RLError(Exception):
    """Base of every error that s3rl raises on purpose.

    Parameters
    ----------
    problem
        What is wrong, one sentence without a full stop.
    key
        Name of the slot or argument that is wrong, as the user wrote it, for example ``obsm['spatial']``.
    found
        What was found there.
    available
        Names that exist where the key was looked for.
    fix
        The call or the change that repairs it.
    """

    def __init__(
        self,
        problem: str,
        *,
        key: str,
        fix: str,
        found: object = None,
        available: Iterable[object] | None = None,
    ) -> None:
        self.problem = problem
        self.key = key
        self.found = found
        self.available = None if available is None else [str(name) for name in available]
        self.fix = fix
        super().__init__(self._message())

    def _message(self) -> str:
        parts = [f"{self.key}: {self.problem}."]
        if self.found is not None:
            parts.append(f"Found: {self.found}.")
        if self.available is not None:
            shown = ", ".join(self.available[:_LISTED]) or "nothing"
            more = len(self.available) - _LISTED
            parts.append(f"Available: {shown}{f' and {more} more' if more > 0 else ''}.")
        parts.append(f"Fix: {self.fix}")
        return " ".join(parts)

    def __str__(self) -> str:
        return self._message()

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.problem, self.key, self.fix, self.found, self.available)


def _rebuild(
    kind: type[S3RLError], problem: str, key: str, fix: str, found: object, available: list[str] | None
) -> S3RLError:
    return kind(problem, key=key, fix=fix, found=found, available=available)


class InputError(S3RLError, ValueError):
    """Values in the data that no result can be computed from."""


class CountsError(InputError):
    """Expression that is not raw counts, or not normalised, where it must be."""


class CoordinatesError(InputError):
    """Coordinates that are absent, not finite or of the wrong shape."""


class GraphError(InputError):
    """A graph of another object, of the wrong shape or with invalid weights."""


class LabelsError(InputError):
    """A column that cannot serve as labels or as slices."""


class MissingKeyError(S3RLError, KeyError):
    """A slot that is not there."""


class ParameterError(S3RLError, ValueError):
    """An argument outside of what the function accepts."""


class DataTypeError(S3RLError, TypeError):
    """An object of a type that the function does not take."""


class StoreError(S3RLError, OSError):
    """A store that cannot be read or written."""


class ModelError(S3RLError, ValueError):
    """A model folder or a checkpoint that cannot be used."""


class MissingExtraError(S3RLError, ImportError):
    """An optional dependency that is not installed."""
