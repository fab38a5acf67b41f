"""Optional dependencies, imported when they are needed."""

from __future__ import annotations

import logging
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
    handlers = list(logging.root.handlers)
    try:
        found = import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            "is not installed", key=module.partition(".")[0], found=str(error), fix=f"pip install 's3rl-tools[{extra}]'"
        ) from error
    # some set up the root logger when they are imported, and every line of ours would be shown twice
    logging.root.handlers[:] = handlers
    return found
