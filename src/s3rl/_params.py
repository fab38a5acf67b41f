"""What every class of parameters shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, Self

import numpy as np

from s3rl.errors import ParameterError

Range = tuple[Callable[[Any], bool], str]


class Parameters:
    """Base of frozen dataclasses of parameters, which a function also takes as a mapping."""

    @classmethod
    def of(cls, params: Self | Mapping[str, Any] | None) -> Self:
        """Take parameters as they are, from a mapping of some of their names, or the defaults for None.

        Raises
        ------
        ParameterError
            If ``params`` is anything else, has a name that does not exist, or a value out of range.
        """
        if params is None:
            return cls()
        if isinstance(params, cls):
            return params
        if not isinstance(params, Mapping):
            raise ParameterError(
                f"is neither {cls.__name__} nor a mapping",
                key="params",
                found=type(params).__name__,
                fix=f"pass params={cls.__name__}(...)",
            )
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        unknown = [str(name) for name in params if name not in known]
        if unknown:
            raise ParameterError(
                "has names that do not exist",
                key="params",
                found=", ".join(unknown),
                available=known,
                fix=f"use the fields of {cls.__name__}",
            )
        return cls(**params)

    def check(self, ranges: Mapping[str, Range]) -> None:
        """Refuse the first value that is outside of its range."""
        for name, (accepts, wanted) in ranges.items():
            value = getattr(self, name)
            if not accepts(value):
                raise ParameterError(
                    f"must be {wanted}",
                    key=f"params.{name}",
                    found=repr(value),
                    fix=f"{type(self).__name__}({name}=...)",
                )

    def as_dict(self) -> dict[str, Any]:
        """Names and values, of plain types that a store can keep."""
        return asdict(self)  # type: ignore[call-overload]


def whole(low: int) -> Range:
    """Range of whole numbers from ``low`` on."""
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= low, f"a whole number, {low} or more"


def real(low: float, high: float = float("inf")) -> Range:
    """Range of numbers from ``low`` to less than ``high``."""
    text = f"a number, {low:g} or more" if high == float("inf") else f"a number from {low:g} to less than {high:g}"
    return lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and low <= v < high, text


def one_of(*words: object) -> Range:
    """Range of named choices."""
    return lambda v: v in words, f"one of {', '.join(map(repr, words))}"


def whole_number(value: object, key: str, low: int, usual: int | None = None) -> int:
    """Return the value of the argument ``key``, a whole number from ``low`` on.

    Raises
    ------
    ParameterError
        If it is none; the message suggests ``usual``, or 20.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= low:
        return int(value)
    suggested = max(low, 20) if usual is None else usual
    raise ParameterError(
        f"must be a whole number, {low} or more", key=key, found=repr(value), fix=f"pass {key}={suggested}"
    )
