"""Choose the device that trains."""

from __future__ import annotations

import torch

from s3rl.errors import ParameterError


def resolve_device(device: str) -> torch.device:
    """Return the device of that name; ``"auto"`` prefers CUDA, then Apple's, then the CPU.

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
        return torch.device("cuda" if "cuda" in present else present[-1])
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
