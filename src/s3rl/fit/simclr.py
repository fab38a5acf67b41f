"""Contrastive training of a tile encoder (section 4.2)."""

from __future__ import annotations

import math
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from s3rl.errors import ModelError
from s3rl.fit.distributed import Team
from s3rl.fit.resume import History, resume_training, save_training
from s3rl.fit.simclr_params import SimCLRParams
from s3rl.fit.tile_views import Views, batches_of_epoch, load_views
from s3rl.losses import nt_xent
from s3rl.nn import TileEncoder

_MOST_WORKERS = 8


def train_encoder(
    encoder: TileEncoder,
    views: Views,
    params: SimCLRParams,
    team: Team,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    fingerprint: str = "",
    progress: bool = True,
) -> History:
    """Train an encoder in place so that both views of a tile are near each other and far from those of other tiles.

    Parameters
    ----------
    encoder
        Encoder on the CPU; it ends on the device of the team, in evaluation mode.
    views
        Two views of each tile.
    params
        All settings.
    team
        Processes that train together; the loss and its gradient are those of one process with the whole batch.
    checkpoint
        File to continue from where it exists, and to write every ``params.checkpoint_interval`` epochs.
    fingerprint
        Names data, parameters and seed; a checkpoint of another run is refused.
    progress
        Whether to show a progress bar.

    Returns
    -------
    Mean loss of each epoch.

    Raises
    ------
    ModelError
        If the checkpoint is of another run or damaged, or if the loss stops being finite.
    """
    encoder.to(team.device).train()
    optimizer = torch.optim.Adam(encoder.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
    history: History = {"loss": []}
    if checkpoint is not None and Path(checkpoint).exists():
        history = resume_training(checkpoint, fingerprint, encoder, optimizer)
    team.wait()
    epochs = epochs_of(len(views.tiles), params)
    step = _Step(encoder, optimizer, params, team, _n_steps(len(views.tiles), params))
    start = len(history["loss"])
    done = start * _batches(len(views.tiles), params)
    plan = _plan(len(views.tiles), params, team, views.seed, range(start, epochs))
    losses: list[float] = []
    loaded = load_views(
        views, [(e, p) for e, p, _ in plan], n_workers=_workers(params, team), pin=team.device.type == "cuda"
    )
    with tqdm(total=epochs, initial=start, disable=not (progress and team.leads), desc="simclr", unit="epoch") as bar:
        for number, ((epoch, _, last), pair) in enumerate(zip(plan, loaded, strict=True)):
            losses.append(step(pair, done + number, epoch))
            if not last:
                continue
            history["loss"].append(float(np.mean(losses)))
            losses.clear()
            bar.update()
            bar.set_postfix(loss=f"{history['loss'][-1]:.4f}", refresh=False)
            if checkpoint is not None and team.leads and (epoch + 1) % params.checkpoint_interval == 0:
                save_training(checkpoint, fingerprint, encoder, optimizer, history)
    team.share_buffers(encoder)
    encoder.eval()
    return history


def epochs_of(n_tiles: int, params: SimCLRParams) -> int:
    """Epochs that ``params`` ask for: more where a slide of few tiles has too few batches in each."""
    return max(params.epochs, math.ceil(params.min_steps / _batches(n_tiles, params)))


def _workers(params: SimCLRParams, team: Team) -> int:
    if params.n_workers is not None:
        return params.n_workers
    return 0 if team.device.type == "cpu" else min(_MOST_WORKERS, max(1, (os.cpu_count() or 1) // team.size - 1))


def _batches(n_tiles: int, params: SimCLRParams) -> int:
    return max(1, round(n_tiles / params.batch_size))


def _n_steps(n_tiles: int, params: SimCLRParams) -> int:
    return epochs_of(n_tiles, params) * _batches(n_tiles, params)


def _plan(
    n_tiles: int, params: SimCLRParams, team: Team, seed: int, epochs: range
) -> list[tuple[int, np.ndarray, bool]]:
    """Epoch, positions of this process and whether the epoch ends, of each step still to do."""
    plan = []
    for epoch in epochs:
        batches = batches_of_epoch(n_tiles, params.batch_size, seed=seed, epoch=epoch)
        for number, batch in enumerate(batches):
            # every process needs as many as the others
            even = batch[: len(batch) // team.size * team.size]
            plan.append((epoch, even[team.rank :: team.size], number == len(batches) - 1))
    return plan


class _Step:
    """One step of the optimiser on one batch."""

    def __init__(
        self, encoder: TileEncoder, optimizer: torch.optim.Optimizer, params: SimCLRParams, team: Team, n_steps: int
    ) -> None:
        self.optimizer, self.params, self.team, self.n_steps = optimizer, params, team, n_steps
        self.module: nn.Module = encoder
        if team.size > 1:
            here = [team.device.index] if team.device.type == "cuda" else None
            # batch normalisation sees the tiles of its own process
            self.module = nn.parallel.DistributedDataParallel(encoder, device_ids=here)
        half = team.device.type == "cuda" and not torch.cuda.is_bf16_supported()
        self.scaler = torch.amp.GradScaler(team.device.type, enabled=half)
        self.dtype = torch.float16 if half else torch.bfloat16

    def __call__(self, pair: tuple[Tensor, Tensor], number: int, epoch: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.params.learning_rate * self._decay(number)
        first, second = (view.to(self.team.device, non_blocking=True) for view in pair)
        with self._precision():
            projected = self.module(torch.cat([first, second])).float()
        z_1, z_2 = (self.team.gather(z) for z in projected.split(len(first)))
        loss = nt_xent(z_1, z_2, self.params.temperature)
        value = loss.item()
        if not math.isfinite(value):
            raise ModelError(
                "stopped being finite",
                key="loss",
                found=f"{value} in epoch {epoch}",
                fix="lower params.learning_rate, or pass another backbone",
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return value

    def _decay(self, number: int) -> float:
        if self.params.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * number / self.n_steps))

    def _precision(self) -> AbstractContextManager[Any]:
        if self.team.device.type != "cuda":
            return nullcontext()
        return torch.autocast("cuda", dtype=self.dtype)
