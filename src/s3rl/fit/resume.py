"""State of a training in a checkpoint, and back."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from s3rl.errors import ModelError
from s3rl.fit.checkpoint import load_checkpoint, save_checkpoint

History = dict[str, list[float]]
_MODULE, _ADAM = "module.", "adam."


def save_training(
    path: str | os.PathLike[str], fingerprint: str, module: nn.Module, optimizer: torch.optim.Adam, history: History
) -> None:
    """Write parameters, the state of Adam and the history of each epoch so far."""
    tensors = {f"{_MODULE}{name}": value for name, value in module.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"{_ADAM}{index}.{name}": value for name, value in slots.items()}
    save_checkpoint(path, tensors, {"fingerprint": fingerprint, "history": history})


def resume_training(
    path: str | os.PathLike[str], fingerprint: str, module: nn.Module, optimizer: torch.optim.Adam
) -> History:
    """Put module and optimiser into the state that the checkpoint holds, and return its history.

    Raises
    ------
    ModelError
        If the checkpoint is of another run, is damaged or does not fit.
    """
    tensors, state = load_checkpoint(path, fingerprint=fingerprint)
    try:
        module.load_state_dict({k.removeprefix(_MODULE): v for k, v in tensors.items() if k.startswith(_MODULE)})
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith(_ADAM):
                _, index, slot = name.split(".")
                slots.setdefault(int(index), {})[slot] = value
        optimizer.load_state_dict(optimizer.state_dict() | {"state": slots})
        return {name: list(values) for name, values in state["history"].items()}
    except (RuntimeError, KeyError, ValueError, AttributeError) as error:
        raise ModelError(
            "does not fit this model", key=f"checkpoint {os.fspath(path)!r}", found=str(error), fix="delete the file"
        ) from error
