"""The training loop: epochs, early stopping, checkpoints."""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from s3rl._random import torch_stream
from s3rl.errors import ModelError
from s3rl.fit.inputs import Slide, Targets
from s3rl.fit.objective import TERMS, Noise, Objective
from s3rl.fit.params import S3RLParams
from s3rl.fit.resume import History, resume_training, save_training
from s3rl.nn import PrototypeHead, SeparableAutoencoder, hyperspherical_prototypes

_AVERAGED_EPOCHS = 10
_IMPROVEMENT = 1e-3


def new_model(n_genes: int, n_domains: int, params: S3RLParams, *, seed: int) -> SeparableAutoencoder:
    """Build an untrained model on the CPU, the same for the same seed."""
    head = PrototypeHead(hyperspherical_prototypes(n_domains, params.n_latent, seed=seed), params.temperature)
    return SeparableAutoencoder(
        n_genes,
        params.n_hidden,
        params.n_latent,
        head=head,
        n_heads=params.n_heads,
        linear_embedding=params.linear_embedding,
        generator=torch_stream(seed, 0),
    )


def train(
    slide: Slide,
    targets: Targets,
    n_domains: int,
    params: S3RLParams,
    weights: Tensor | None = None,
    *,
    seed: int,
    checkpoint: str | os.PathLike[str] | None = None,
    fingerprint: str = "",
    progress: bool = True,
) -> tuple[SeparableAutoencoder, History]:
    """Train a model on one slide.

    Parameters
    ----------
    slide, targets
        What the model reads and what it is trained towards.
    n_domains
        Prototypes c.
    params
        All settings.
    weights
        Gene weights (g,) of the first layer; None weighs all genes alike.
    seed
        Start weights, masks, dropped edges and prototype noise.
    checkpoint
        File to continue from where it exists, and to write every ``params.checkpoint_interval`` epochs.
    fingerprint
        Names data, parameters and seed; a checkpoint of another run is refused.
    progress
        Whether to show a progress bar.

    Returns
    -------
    The model in evaluation mode, and each loss term for each epoch.

    Raises
    ------
    ModelError
        If the checkpoint is of another run or damaged, or if the loss stops being finite.
    """
    device = slide.expression_norm.device
    model = new_model(slide.expression.shape[1], n_domains, params, seed=seed)
    model.expression_encoder.gene_means.copy_(slide.expression.column_means())
    if weights is not None:
        model.expression_encoder.gene_weights.copy_(weights)
    n_anchor = 0 if targets.anchor is None else targets.anchor.shape[1]
    objective = Objective(model, n_anchor, params, seed=seed).to(device)
    optimizer = torch.optim.Adam(objective.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
    history: History = {"loss": []}
    if checkpoint is not None and Path(checkpoint).exists():
        history = resume_training(checkpoint, fingerprint, objective, optimizer)
    bar = tqdm(total=params.max_epochs, initial=len(history["loss"]), disable=not progress, desc="s3rl", unit="epoch")
    with bar:
        while len(history["loss"]) < params.max_epochs and not _has_settled(history["loss"], params.patience):
            losses = _epoch(objective, optimizer, slide, targets, seed=seed, epoch=len(history["loss"]))
            for name, value in losses.items():
                history.setdefault(name, []).append(value)
            bar.update()
            bar.set_postfix({name: f"{value:.4f}" for name, value in losses.items()}, refresh=False)
            if checkpoint is not None and len(history["loss"]) % params.checkpoint_interval == 0:
                save_training(checkpoint, fingerprint, objective, optimizer, history)
    _settle(model, slide)
    return model, history


def _epoch(
    objective: Objective, optimizer: torch.optim.Optimizer, slide: Slide, targets: Targets, *, seed: int, epoch: int
) -> dict[str, float]:
    noise = Noise.draw(slide, objective.model.head.prototypes, objective.params, seed=seed, epoch=epoch)
    terms = objective(slide, targets, noise)
    loss = objective.total(terms)
    values = {"loss": loss.item()} | {name: terms[name].item() for name in TERMS if name in terms}
    if not math.isfinite(values["loss"]):
        raise ModelError(
            "stopped being finite",
            key="loss",
            found=f"{values} in epoch {epoch}",
            fix="lower params.learning_rate, and check the expression for extreme values",
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return values


def _settle(model: SeparableAutoencoder, slide: Slide) -> None:
    """Fix the scale of hidden layer and embedding to the unmasked slide, then switch to evaluation."""
    model.train()
    with torch.no_grad():
        model.encode(slide.expression, slide.graph, slide.diffusion, slices=slide.slices)
    model.eval()


def _has_settled(losses: list[float], patience: int) -> bool:
    """Whether the running mean of the loss has not improved by 0.1 % for ``patience`` epochs."""
    if len(losses) < patience + 2 * _AVERAGED_EPOCHS:
        return False
    means = torch.tensor(losses, dtype=torch.float64).unfold(0, _AVERAGED_EPOCHS, 1).mean(dim=1)
    before, recent = means[:-patience].min(), means[-patience:].min()
    return bool(recent > before - _IMPROVEMENT * before.abs())
