"""Prototypes spread over a hypersphere, and the head that assigns spots to them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from s3rl._random import torch_stream
from s3rl.nn._sparse import able_device

_STEPS = 600
_SHARPEST = 200.0


def hyperspherical_prototypes(n_domains: int, n_latent: int, *, seed: int = 0) -> Tensor:
    """Spread unit vectors so that the closest two are as far apart as possible (equation 5).

    Minimises ``mean_i max_{j != i} p_i . p_j`` by gradient descent; the maximum is approached through a soft maximum
    that sharpens, since the hard one has a gradient for a single pair at a time.

    Parameters
    ----------
    n_domains
        Number of prototypes c, at least 2.
    n_latent
        Dimensions d.
    seed
        Start of the descent.

    Returns
    -------
    Tensor
        float32 (c, d), unit rows. For c <= d + 1 a regular simplex, all cosines -1 / (c - 1).

    Examples
    --------
    >>> from s3rl.nn import hyperspherical_prototypes
    >>> p = hyperspherical_prototypes(3, 8)
    >>> (p @ p.T).round(decimals=2)[0].tolist()
    [1.0, -0.5, -0.5]
    """
    generator = torch_stream(seed, 5)
    points = torch.randn(n_domains, n_latent, generator=generator, dtype=torch.float64)
    points = functional.normalize(points, dim=1).requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.1)
    itself = torch.eye(n_domains, dtype=torch.bool)
    for step in range(_STEPS):
        done = step / (_STEPS - 1)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - done) + 1e-4
        sharpness = _SHARPEST**done * 2
        unit = functional.normalize(points, dim=1)
        cosines = (unit @ unit.T).masked_fill(itself, -torch.inf)
        loss = torch.logsumexp(sharpness * cosines, dim=1).mean() / sharpness
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return functional.normalize(points.detach(), dim=1).float()


class PrototypeHead(nn.Module):
    """Affinity of spots to prototypes on the unit sphere (equations 6 to 8).

    ``y_ij = softmax_j(zhat_i . R p_j / temperature)`` with ``zhat_i = z_i / |z_i|`` and a learned rotation R, held
    orthogonal as ``exp(S - S^T)``.

    Parameters
    ----------
    prototypes
        float32 (c, d), unit rows.
    temperature
        Softness of the assignment.

    Examples
    --------
    >>> import torch
    >>> from s3rl.nn import PrototypeHead, hyperspherical_prototypes
    >>> head = PrototypeHead(hyperspherical_prototypes(3, 8), temperature=0.1)
    >>> head(head.prototypes).argmax(dim=1).tolist()
    [0, 1, 2]
    """

    def __init__(self, prototypes: Tensor, temperature: float = 0.1) -> None:
        super().__init__()
        n_latent = prototypes.shape[1]
        self.temperature = temperature
        self.prototypes: Tensor
        self.register_buffer("prototypes", prototypes.clone())
        self.skew = nn.Parameter(torch.zeros(n_latent, n_latent))

    @property
    def rotation(self) -> Tensor:
        """Orthogonal R, (d, d)."""
        turn = (self.skew - self.skew.T).to(able_device(self.skew.device))
        return torch.linalg.matrix_exp(turn).to(self.skew.device)

    def forward(self, z: Tensor, noise: Tensor | None = None) -> Tensor:
        """Logits (n, c) of the affinities; ``noise`` (c, d) is added to the prototypes before they are normalised."""
        points = self.prototypes if noise is None else functional.normalize(self.prototypes + noise, dim=1)
        return functional.normalize(z, dim=1) @ (points @ self.rotation.T).T / self.temperature
