"""What every class of parameters shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

from s3rl.errors import ParameterError


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
