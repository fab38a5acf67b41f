"""Graph-transformer layers: the general one, and two forms that never build a spots-by-genes matrix."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from s3rl.nn._attention import neighbor_attention
from s3rl.nn._sparse import Neighborhood, SparseMatrix


class GraphTransformerLayer(nn.Module):
    """One graph-transformer layer with a gated residual (equation 2), without the activation.

    ``beta_i W_1 z_i + (1 - beta_i) mean over heads of sum_j alpha_ij W_2 z_j``, the same function of the same
    parameters as ``torch_geometric.nn.TransformerConv(n_in, n_out, heads, concat=False, beta=True)``.

    Parameters
    ----------
    n_in
        Channels of the input.
    n_out
        Channels of the output.
    n_heads
        Attention heads, averaged.
    generator
        Source of the initial weights; None draws from seed 0.

    Examples
    --------
    >>> import scipy.sparse as sp, torch
    >>> from s3rl.nn import GraphTransformerLayer, Neighborhood
    >>> ring = sp.csr_matrix(([1.0] * 4, ([0, 1, 2, 3], [1, 2, 3, 0])), shape=(4, 4))
    >>> layer = GraphTransformerLayer(3, 2)
    >>> layer(torch.ones(4, 3), Neighborhood.from_scipy(ring)).shape
    torch.Size([4, 2])
    """

    def __init__(self, n_in: int, n_out: int, n_heads: int = 1, generator: torch.Generator | None = None) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        self.n_in, self.n_out, self.n_heads = n_in, n_out, n_heads
        wide = n_heads * n_out
        self.query, self.query_bias = _linear(wide, n_in, generator)
        self.key, self.key_bias = _linear(wide, n_in, generator)
        self.value, self.value_bias = _linear(wide, n_in, generator)
        self.skip, self.skip_bias = _linear(n_out, n_in, generator)
        self.gate = _uniform((3 * n_out,), 3 * n_out, generator)

    @property
    def projection(self) -> Tensor:
        """Weights of query, key, value and skip side by side, (n_in, 3 * n_heads * n_out + n_out)."""
        return torch.cat([self.query, self.key, self.value, self.skip]).T

    @property
    def projection_bias(self) -> Tensor:
        """Biases in the order of ``projection``."""
        return torch.cat([self.query_bias, self.key_bias, self.value_bias, self.skip_bias])

    def forward(self, x: Tensor, graph: Neighborhood, kept: Tensor | None = None) -> Tensor:
        """Map (n, n_in) to (n, n_out); ``kept`` (e,) marks the edges that take part."""
        return self.attend(x @ self.projection + self.projection_bias, graph, kept)

    def attend(self, projected: Tensor, graph: Neighborhood, kept: Tensor | None = None) -> Tensor:
        """Finish the layer from the (n, 3 * n_heads * n_out + n_out) projection."""
        wide = self.n_heads * self.n_out
        query, key, value, own = projected.split([wide, wide, wide, self.n_out], dim=1)
        scale = 1 / math.sqrt(self.n_out)
        parts = (part.chunk(self.n_heads, dim=1) for part in (query, key, value))
        heads = [neighbor_attention(q, k, v, graph, scale, kept) for q, k, v in zip(*parts, strict=True)]
        around = torch.stack(heads).mean(dim=0) if self.n_heads > 1 else heads[0]
        beta = torch.sigmoid(torch.cat([around, own, around - own], dim=1) @ self.gate)[:, None]
        return beta * own + (1 - beta) * around


class ExpressionEncoderLayer(GraphTransformerLayer):
    """Graph-transformer layer on sparse expression (n, g): one sparse product with all the weights.

    A masked spot is replaced by the learnable token after the product, by ``token @ W``; the gene weights scale the
    columns of the input, so that they are never applied to the data itself.

    Parameters
    ----------
    n_in
        Genes g.
    n_out, n_heads, generator
        As in ``GraphTransformerLayer``.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from s3rl.nn import ExpressionEncoderLayer, Neighborhood, SparseMatrix
    >>> x = SparseMatrix.from_scipy(sp.csr_matrix(np.eye(4, 6)))
    >>> pairs = Neighborhood.from_scipy(sp.csr_matrix(np.eye(4)[::-1]))
    >>> layer = ExpressionEncoderLayer(6, 2)
    >>> layer.attend(layer.project(x), pairs).shape
    torch.Size([4, 2])
    """

    def __init__(self, n_in: int, n_out: int, n_heads: int = 1, generator: torch.Generator | None = None) -> None:
        super().__init__(n_in, n_out, n_heads, generator)
        self.token = nn.Parameter(torch.zeros(n_in))
        self.gene_weights: Tensor
        self.gene_means: Tensor
        self.register_buffer("gene_weights", torch.ones(n_in))
        self.register_buffer("gene_means", torch.zeros(n_in))

    def expect(self, missing: Tensor) -> None:
        """Take the mean of the fitted slice for genes that were not measured, boolean (g,), in every later call."""
        absent = self.gene_weights * self.gene_means * missing
        with torch.no_grad():
            for name in ("query", "key", "value", "skip"):
                getattr(self, f"{name}_bias").add_(getattr(self, name) @ absent)

    def project(self, x: SparseMatrix, masked: Tensor | None = None, slices: Tensor | None = None) -> Tensor:
        """Product of the (n, g) expression with ``projection``, tokens put in where ``masked`` (n,) says.

        Where ``slices`` (n,) numbers the slices, every gene is centred within each; the product being linear, that is
        the centre of its rows.
        """
        weights = self.gene_weights[:, None] * self.projection
        projected = x @ weights
        if slices is not None:
            projected = projected - _means_within(projected, slices)[slices]
        if masked is not None:
            projected = torch.where(masked[:, None], (self.token @ weights)[None], projected)
        return projected + self.projection_bias


class ExpressionDecoderLayer(GraphTransformerLayer):
    """Graph-transformer layer from a small space to genes whose output stays factorised.

    With a linear output the reconstruction is ``U V^T``: attention logits collapse to ``h_i^T (W_q^T W_k) h_j``, and
    since attention sums to one, values are averaged before they are mapped to genes. ``U`` is (n, r) and ``V`` (g, r)
    with r = (n_heads + 1) * (n_in + 1).

    Parameters
    ----------
    n_in
        Channels of the input.
    n_out
        Genes g.
    n_heads, generator
        As in ``GraphTransformerLayer``.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp, torch
    >>> from s3rl.nn import ExpressionDecoderLayer, Neighborhood
    >>> pairs = Neighborhood.from_scipy(sp.csr_matrix(np.eye(4)[::-1]))
    >>> layer = ExpressionDecoderLayer(2, 6)
    >>> h = torch.ones(4, 2)
    >>> spots, genes = layer.factors(h, pairs)
    >>> torch.allclose(spots @ genes.T, layer(h, pairs), atol=1e-6)
    True
    """

    def factors(self, h: Tensor, graph: Neighborhood, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return ``U`` (n, r) and ``V`` (g, r) of the reconstruction ``U V^T``."""
        one = h.new_ones(len(h), 1)
        extended = torch.cat([h, one], dim=1)
        skip = torch.cat([self.skip, self.skip_bias[:, None]], dim=1)
        around = [
            neighbor_attention(extended @ mix, extended, extended, graph, 1 / math.sqrt(self.n_out), kept)
            for mix in self._logit_matrices()
        ]
        genes = torch.cat([*self._per_head(self.value, self.value_bias), skip], dim=1)
        n_around = (self.n_in + 1) * self.n_heads
        by_around, by_own, by_difference = self.gate.split(self.n_out)
        pooled = torch.cat(around, dim=1) / self.n_heads
        logit = pooled @ (genes[:, :n_around].T @ (by_around + by_difference)) + extended @ (
            skip.T @ (by_own - by_difference)
        )
        beta = torch.sigmoid(logit)[:, None]
        return torch.cat([(1 - beta) * pooled, beta * extended], dim=1), genes

    def _logit_matrices(self) -> list[Tensor]:
        """``[W_q b_q]^T [W_k b_k]`` of each head, (n_in + 1, n_in + 1)."""
        queries = self._per_head(self.query, self.query_bias)
        keys = self._per_head(self.key, self.key_bias)
        return [q.T @ k for q, k in zip(queries, keys, strict=True)]

    def _per_head(self, weight: Tensor, bias: Tensor) -> list[Tensor]:
        """Weights beside their bias, (n_out, n_in + 1) for each head."""
        return list(torch.cat([weight, bias[:, None]], dim=1).chunk(self.n_heads))


def _means_within(rows: Tensor, groups: Tensor) -> Tensor:
    """Mean row of each group, (b, k), of rows (n, k) numbered by groups (n,)."""
    n_groups = int(groups.max()) + 1
    sums = rows.new_zeros(n_groups, rows.shape[1]).index_add(0, groups, rows)
    return sums / torch.bincount(groups, minlength=n_groups).clamp_min(1)[:, None]


def _uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    bound = 1 / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))


def _linear(n_out: int, n_in: int, generator: torch.Generator) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight (n_out, n_in) and bias (n_out,), both uniform within 1 / sqrt(n_in) as in torch and PyG."""
    return _uniform((n_out, n_in), n_in, generator), _uniform((n_out,), n_in, generator)
