"""The same equations written the straightforward way: dense expression, dense decoder, n x n losses.

Nothing here is shared with the package but parameters and noise, so that equal losses and gradients mean something.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # its import uses torch.jit
    from torch_geometric.nn import TransformerConv

_LAYERS = ("expression_encoder", "encoder", "decoder", "expression_decoder")
_LINEAR = ("query", "key", "value", "skip")


class DenseData:
    """Expression (n, g), edges (2, e) and n x n matrices of one slide, all dense."""

    def __init__(self, x, attraction, repulsion, spatial, targets, *, diffusion):
        self.x = torch.from_numpy(x.toarray())
        rows, columns = attraction.sorted_indices().nonzero()  # the order in which the package drops edges
        self.edges = torch.from_numpy(np.stack([columns, rows]).astype(np.int64))
        self.attracting, self.repelling = (
            torch.from_numpy(np.triu(m.toarray(), k=1) != 0) for m in (attraction, repulsion)
        )
        self.smooth = None
        if diffusion > 0:
            adjacency = spatial.toarray().astype(np.float64)
            laplacian = np.diag(adjacency.sum(axis=1)) - adjacency
            self.smooth = torch.from_numpy(np.linalg.inv(np.eye(len(adjacency)) + diffusion * laplacian)).float()
        self.anchor, self.consensus, self.sizes = targets.anchor, targets.consensus, targets.sizes


class DenseObjective(nn.Module):
    """The model and its loss, with the parameters of an ``s3rl.fit.objective.Objective``."""

    def __init__(self, objective):
        super().__init__()
        model, self.params = objective.model, objective.params
        for name in _LAYERS:
            theirs = getattr(model, name)
            conv = TransformerConv(theirs.n_in, theirs.n_out, heads=theirs.n_heads, concat=False, beta=True)
            with torch.no_grad():
                for key, parameter in _named(conv):
                    parameter.copy_(getattr(theirs, key).reshape(parameter.shape))
            setattr(self, name, conv)
        self.token = _copy(model.expression_encoder.token)
        self.skew = _copy(model.head.skew)
        self.anchor_weight, self.anchor_bias = _copy(objective.anchor_weight), _copy(objective.anchor_bias)
        self.register_buffer("gene_weights", model.expression_encoder.gene_weights.clone())
        self.register_buffer("prototypes", model.head.prototypes.clone())

    def parameters_by_name(self) -> dict[str, Tensor]:
        """Parameters under the names that they have in the package's objective."""
        named = {f"model.{layer}.{key}": p for layer in _LAYERS for key, p in _named(getattr(self, layer))}
        return named | {
            "model.expression_encoder.token": self.token,
            "model.head.skew": self.skew,
            "anchor_weight": self.anchor_weight,
            "anchor_bias": self.anchor_bias,
        }

    def forward(self, data: DenseData, masked: Tensor, kept: Tensor, normal: Tensor) -> Tensor:
        params, edges = self.params, data.edges[:, kept]
        x = torch.where(masked[:, None], self.token[None], data.x) * self.gene_weights
        hidden = self.expression_encoder(x, edges)
        if data.smooth is not None:
            hidden = data.smooth @ hidden
        z = self.encoder(functional.elu(self._standardized(hidden)), edges)
        z = self._standardized(z if params.linear_embedding else functional.elu(z))
        guess = self.expression_decoder(functional.elu(self.decoder(z, edges)), edges)
        if not params.linear_output:
            guess = functional.elu(guess)
        cosine = functional.cosine_similarity(data.x, guess, dim=1)
        loss = ((1 - cosine) ** params.cosine_power)[~masked].mean()
        if params.topology > 0:
            loss = loss + params.topology * self._topology(z, data)
        if params.separability > 0:
            loss = loss + params.separability * self._separability(z, data, normal)
        if params.anchor > 0:
            error = z @ self.anchor_weight.T + self.anchor_bias - data.anchor
            loss = loss + params.anchor * (error**2).mean() / (data.anchor**2).mean()
        if params.consensus > 0:
            log_share = torch.log_softmax(self._logits(z, self.prototypes), dim=1)
            loss = loss - params.consensus * (data.consensus * log_share).sum(dim=1).mean()
        return loss

    def _standardized(self, x: Tensor) -> Tensor:
        dim = (0,) if self.params.linear_embedding else (0, 1)
        return (x - x.mean(dim=dim)) / torch.sqrt(x.var(dim=dim, correction=0) + 1e-5)

    def _topology(self, z: Tensor, data: DenseData) -> Tensor:
        products = z @ z.T / (z.shape[1] if self.params.linear_embedding else 1)
        pull = (functional.softplus(-products) * data.attracting).sum()
        push = (functional.softplus(products) * data.repelling).sum()
        return (pull + push) / (data.attracting.sum() + data.repelling.sum())

    def _logits(self, z: Tensor, points: Tensor) -> Tensor:
        rotation = torch.linalg.matrix_exp(self.skew - self.skew.T)
        return functional.normalize(z, dim=1) @ rotation @ points.T / self.params.temperature

    def _separability(self, z: Tensor, data: DenseData, normal: Tensor) -> Tensor:
        y = torch.softmax(self._logits(z, self.prototypes), dim=1)
        n, c = y.shape
        w = torch.full((c,), 1 / c) if data.sizes is None else data.sizes
        if self.params.prototype_noise > 0:
            spread = torch.stack([self._deviation(y[:, j], w[j]) for j in range(c)])
            move = torch.sqrt((self.params.prototype_noise * spread).clamp_min(1e-8))[:, None] * normal
            y = torch.softmax(self._logits(z, functional.normalize(self.prototypes + move, dim=1)), dim=1)
        return (1 - (torch.sqrt(w / n) * y.norm(dim=0)).sum()) / (1 - torch.sqrt(w).sum() / c)

    @staticmethod
    def _deviation(y: Tensor, w: Tensor) -> Tensor:
        m = max(1, int(float(w) * len(y) + 1e-6))
        ideal = torch.zeros(len(y)).index_fill(0, torch.argsort(y, descending=True)[:m], 1 / m)
        return functional.kl_div(torch.log(y / y.sum()), ideal, reduction="sum")


def _named(conv: TransformerConv):
    for name in _LINEAR:
        linear = getattr(conv, f"lin_{name}")
        yield name, linear.weight
        yield f"{name}_bias", linear.bias
    yield "gate", conv.lin_beta.weight


def _copy(parameter: Tensor) -> nn.Parameter:
    return nn.Parameter(parameter.detach().clone())


def largest_difference(objective, dense: DenseObjective) -> tuple[float, str]:
    """Largest difference of a gradient relative to the largest entry of that parameter's gradient, and its name.

    Gradients that vanish in exact arithmetic (a key's bias shifts all logits of a spot alike) are compared with a
    hundredth of the largest gradient of all.
    """
    named = dense.parameters_by_name()
    pairs = {name: (_gradient(objective.get_parameter(name)), _gradient(theirs)) for name, theirs in named.items()}
    floor = 1e-2 * max(_largest(theirs) for _, theirs in pairs.values())
    worst = (0.0, "")
    for name, (mine, theirs) in pairs.items():
        difference = _largest(mine.reshape(theirs.shape) - theirs)
        worst = max(worst, (difference / max(_largest(theirs), floor), name))
    return worst


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _largest(values: Tensor) -> float:
    return float(values.abs().max()) if values.numel() else 0.0
