"""The training objective of one epoch: every term by name, and their weighted sum (equation 11)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from s3rl._random import torch_stream
from s3rl.fit.inputs import Slide, Targets
from s3rl.fit.params import S3RLParams
from s3rl.losses import cosine_error, factored_cosine_error, prototype_deviation, separability, topology
from s3rl.nn import Reconstruction, SeparableAutoencoder, SparseMatrix, edge_products

TERMS = ("reconstruction", "topology", "separability", "anchor", "consensus")
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Noise:
    """What is drawn anew each epoch; the draw depends on seed and epoch alone, so that a run can be resumed anywhere.

    Attributes
    ----------
    masked
        Boolean (n,): spots replaced by the token.
    kept
        Boolean (e,): edges that take part.
    prototypes
        Standard normal (c, d).
    """

    masked: Tensor
    kept: Tensor
    prototypes: Tensor

    @classmethod
    def draw(cls, slide: Slide, prototypes: Tensor, params: S3RLParams, *, seed: int, epoch: int) -> Noise:
        """Draw on the CPU, so that every device sees the same noise."""
        generator = torch_stream(seed, 1, epoch)
        n, device = slide.graph.n_nodes, slide.expression_norm.device
        masked = torch.rand(n, generator=generator) < params.mask_rate
        kept = torch.rand(slide.graph.n_edges, generator=generator) >= params.edge_drop_rate
        normal = torch.randn(prototypes.shape, generator=generator)
        return cls(masked.to(device), kept.to(device), normal.to(device))


class Objective(nn.Module):
    """The model with the small read-out that predicts the anchor; together they are what is optimised."""

    def __init__(self, model: SeparableAutoencoder, n_anchor: int, params: S3RLParams, *, seed: int) -> None:
        super().__init__()
        self.model, self.params = model, params
        n_latent = model.head.prototypes.shape[1]
        start = torch.randn(n_anchor, n_latent, generator=torch_stream(seed, 4)) / n_latent
        self.anchor_weight, self.anchor_bias = nn.Parameter(start), nn.Parameter(torch.zeros(n_anchor))

    def forward(self, slide: Slide, targets: Targets, noise: Noise) -> dict[str, Tensor]:
        """Return each term of ``TERMS`` that takes part, unweighted."""
        params, model = self.params, self.model
        z = model.encode(slide.expression, slide.graph, slide.diffusion, noise.masked, noise.kept, slide.slices)
        terms = {"reconstruction": self._reconstruction(slide, model.decode(z, slide.graph, noise.kept), ~noise.masked)}
        if params.topology > 0:
            terms["topology"] = self._topology(z, targets)
        logits = model.head(z)
        if params.separability > 0:
            terms["separability"] = self._separability(z, logits, targets.sizes, noise.prototypes)
        if params.anchor > 0 and targets.anchor is not None:
            error = z @ self.anchor_weight.T + self.anchor_bias - targets.anchor
            terms["anchor"] = (error**2).mean() / (targets.anchor**2).mean().clamp_min(1e-12)
        if params.consensus > 0 and targets.consensus is not None:
            terms["consensus"] = -(targets.consensus * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()
        return terms

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """Weighted sum of the terms; the reconstruction has weight 1."""
        weights = {"reconstruction": 1.0} | {name: getattr(self.params, name) for name in TERMS[1:]}
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()

    def _reconstruction(self, slide: Slide, factors: Reconstruction, counted: Tensor) -> Tensor:
        power = self.params.cosine_power
        if self.params.linear_output:
            along = slide.expression @ factors.genes
            return factored_cosine_error(
                along, slide.expression_norm, factors.spots, factors.genes, power=power, counted=counted
            )
        sums = []
        for start in range(0, len(counted), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            part = (slide.expression, rows, factors.spots[rows], factors.genes, power, counted[rows])
            sums.append(checkpoint(_elu_error, *part, use_reentrant=False, preserve_rng_state=False))
        return torch.stack(sums).sum() / counted.sum().clamp_min(1)

    def _topology(self, z: Tensor, targets: Targets) -> Tensor:
        if self.params.linear_embedding:
            z = z / z.shape[1] ** 0.5
        return topology(edge_products(z, z, targets.attracting), edge_products(z, z, targets.repelling))

    def _separability(self, z: Tensor, logits: Tensor, sizes: Tensor | None, normal: Tensor) -> Tensor:
        assignment = torch.softmax(logits, dim=1)
        scale = self.params.prototype_noise
        if scale > 0:
            # A floor under the root: its gradient has none where a prototype is already ideal.
            deviation = (scale * prototype_deviation(assignment, sizes)).clamp_min(1e-8)
            assignment = torch.softmax(self.model.head(z, torch.sqrt(deviation)[:, None] * normal), dim=1)
        return separability(assignment, sizes)


def _elu_error(
    expression: SparseMatrix, rows: slice, spots: Tensor, genes: Tensor, power: float, counted: Tensor
) -> Tensor:
    """Sum of the cosine error over the counted rows of one block, with the activation on the output.

    The dense rows are made in here, so that the backward pass makes them again instead of keeping all blocks.
    """
    x = expression.rows(rows).to(spots)
    return cosine_error(x, functional.elu(spots @ genes.T), power=power, counted=counted) * counted.sum()
