"""One ``rng`` in, independent streams out; the global random states are never touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from s3rl.errors import ParameterError

if TYPE_CHECKING:
    import torch

    from s3rl._typing import RNG


def seed_of(rng: RNG) -> int:
    """Reduce ``rng`` to one non-negative seed; a generator gives 63 bits and is advanced by one draw, None is 0."""
    if rng is None:
        return 0
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(0, 2**63 - 1))
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return int(rng)
    raise ParameterError(
        "must be None, a non-negative integer or a numpy random Generator",
        key="rng",
        found=repr(rng),
        fix="pass rng=0 or rng=numpy.random.default_rng(0)",
    )


def stream(seed: int, *path: int) -> np.random.Generator:
    """Numpy generator of the stream named by ``path`` below ``seed``; the same path gives the same numbers."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


def torch_stream(seed: int, *path: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Torch generator of the stream named by ``path`` below ``seed``."""
    import torch

    state = np.random.SeedSequence(seed, spawn_key=path).generate_state(2, np.uint32)
    return torch.Generator(device=device).manual_seed(int(state[0]) << 31 ^ int(state[1]))


@contextmanager
def seeded_torch(seed: int, *path: int) -> Iterator[None]:
    """Let torch draw on the CPU from the stream named by ``path``, for libraries that take no generator."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(torch_stream(seed, *path).get_state())
        yield
