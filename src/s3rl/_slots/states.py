"""Global states that libraries change below us."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def quiet_library() -> Iterator[None]:
    """Restore the random states of Python and numpy and numpy's print options; no messages, no warnings."""
    # cellrank reports every step
    speaker = logging.getLogger("cellrank")
    level = speaker.level
    speaker.setLevel(logging.ERROR)
    python, state, printing = random.getstate(), np.random.get_state(), np.get_printoptions()  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        # the first import of cellrank sets a level of its own
        if speaker.level == logging.ERROR:
            speaker.setLevel(level)
        random.setstate(python)
        np.random.set_state(state)  # noqa: NPY002
        np.set_printoptions(**printing)
