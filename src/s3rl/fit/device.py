"""Choose the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import scipy.sparse as sp
import torch

from s3rl._log import note
from s3rl.errors import ParameterError
from s3rl.nn import (
    Diffusion,
    Neighborhood,
    PrototypeHead,
    SeparableAutoencoder,
    SparseMatrix,
    hyperspherical_prototypes,
)

_ONE_THREAD_UP_TO = 20_000


@contextmanager
def threads_for(n_spots: int) -> Iterator[None]:
    """Compute on one thread up to 20,000 spots, on as many as torch has beyond, and put the number back afterwards.

    A small step gains a quarter from a second core and loses a factor of 30 where another process wants that core,
    since the threads of every short product wait for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if n_spots <= _ONE_THREAD_UP_TO else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve_device(device: str, *, trains: Callable[[torch.device], bool] | None = None) -> torch.device:
    """Return the device of that name; ``"auto"`` prefers CUDA, then Apple's, then the CPU.

    ``"auto"`` passes over a device on which ``trains`` says no, and tells so; by default that asks whether a model of
    four spots trains there.

    Raises
    ------
    ParameterError
        If the name means nothing or the device is not there.
    """
    present = ["cpu"]
    if torch.cuda.is_available():
        present.append("cuda")
    if torch.backends.mps.is_available():
        present.append("mps")
    if device == "auto":
        for name in present[1:]:
            if (trains or _trains)(torch.device(name)):
                return torch.device(name)
            note("device %s is there but cannot train this model; using the CPU", name)
        return torch.device("cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ParameterError(
            "names no device", key="device", found=repr(device), available=present, fix="device='auto'"
        ) from error
    if resolved.type not in present:
        raise ParameterError(
            "is not there on this machine", key="device", found=repr(device), available=present, fix="device='auto'"
        )
    return resolved


def _trains(device: torch.device) -> bool:
    """Whether the operations of a training step exist on the device: one step on four spots."""
    ring = sp.csr_matrix(np.eye(4)[[1, 2, 3, 0]] + np.eye(4)[[3, 0, 1, 2]])
    try:
        model = SeparableAutoencoder(6, 4, 3, head=PrototypeHead(hyperspherical_prototypes(2, 3))).to(device)
        x = SparseMatrix.from_scipy(sp.csr_matrix(np.eye(4, 6)), device)
        graph = Neighborhood.from_scipy(ring, device)
        z = model.encode(x, graph, Diffusion.on(ring, 1.0, device=device))
        spots, genes = model.decode(z, graph)
        (model.head(z).sum() + (spots @ genes.T).sum() + (x @ genes).sum()).backward()
    except (RuntimeError, TypeError, AssertionError):
        return False
    return True
