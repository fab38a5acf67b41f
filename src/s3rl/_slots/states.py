"""Global states that libraries change below us."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def quiet_library() -> Iterator[None]:
    """Restore the random states of Python and numpy and numpy's print options, and keep warnings of libraries off."""
    python, state, printing = random.getstate(), np.random.get_state(), np.get_printoptions()  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(python)
        np.random.set_state(state)  # noqa: NPY002
        np.set_printoptions(**printing)
