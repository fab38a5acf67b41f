"""Several processes that train one model: found from the variables that torchrun sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from s3rl.errors import ParameterError
from s3rl.fit.device import resolve_device


@dataclass(frozen=True)
class Team:
    """One process among those that train together.

    Parameters
    ----------
    rank, size
        Number of this process, from 0, and how many there are.
    device
        Device of this process.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def gather(self, values: Tensor) -> Tensor:
        """Rows of all processes, in order of rank; the gradient flows back to each."""
        if self.size == 1:
            return values
        from torch.distributed.nn.functional import all_gather

        return torch.cat(list(all_gather(values)))

    def share_buffers(self, module: nn.Module) -> None:
        """Give every process the buffers of the leading one, running means of batch normalisation for example."""
        if self.size > 1:
            for buffer in module.buffers():
                distributed.broadcast(buffer, 0)

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def team_of(device: str) -> Iterator[Team]:
    """Join the processes that torchrun started, or train alone.

    A process group that the program has made already is used and left as it is.

    Parameters
    ----------
    device
        As ``resolve_device`` takes it; with CUDA each process takes the device of its local rank.

    Raises
    ------
    ParameterError
        If the device is not there.
    """
    ours = not distributed.is_initialized()
    if ours and int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield Team(0, 1, resolve_device(device, trains=computes))
        return
    place = resolve_device(device, trains=computes)
    if place.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise ParameterError(
                "has fewer devices than processes",
                key="device",
                found=f"{torch.cuda.device_count()} CUDA devices, local rank {local}",
                fix="torchrun --nproc-per-node with at most one process for each device, or device='cpu'",
            )
        place = torch.device("cuda", local)
        torch.cuda.set_device(place)
    if ours:
        distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size(), place)
    finally:
        if ours:
            distributed.destroy_process_group()


def computes(device: torch.device) -> bool:
    """Whether the device computes a convolution and its gradient."""
    try:
        layer = torch.nn.Conv2d(3, 4, 3).to(device)
        layer(torch.zeros(2, 3, 8, 8, device=device)).sum().backward()
    except (RuntimeError, TypeError, AssertionError):
        return False
    return True
