"""Optional dependencies, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from s3rl.errors import MissingExtraError


def import_extra(module: str, extra: str) -> Any:
    """Import ``module``, which the extra of this name brings.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            "is not installed", key=module.partition(".")[0], found=str(error), fix=f"pip install 's3rl-tools[{extra}]'"
        ) from error
