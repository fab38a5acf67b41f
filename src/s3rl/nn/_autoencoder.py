"""The autoencoder: expression and graph in, embedding, affinities and factorised reconstruction out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from s3rl.nn._diffusion import Diffusion
from s3rl.nn._graph_transformer import ExpressionDecoderLayer, ExpressionEncoderLayer, GraphTransformerLayer
from s3rl.nn._prototypes import PrototypeHead
from s3rl.nn._sparse import Neighborhood, SparseMatrix


class Reconstruction(NamedTuple):
    """Factors of the reconstruction ``spots @ genes.T``.

    Parameters
    ----------
    spots
        (n, r).
    genes
        (g, r).

    Examples
    --------
    >>> import torch
    >>> from s3rl.nn import Reconstruction
    >>> factors = Reconstruction(torch.ones(3, 2), torch.ones(4, 2))
    >>> (factors.spots @ factors.genes.T).shape
    torch.Size([3, 4])
    """

    spots: Tensor
    genes: Tensor


class SeparableAutoencoder(nn.Module):
    """Two graph-transformer layers in, two out, with hyperspherical prototypes on the embedding (section 4.4).

    Parameters
    ----------
    n_genes, n_hidden, n_latent
        Channels g, of the hidden layers, and d.
    head
        Prototypes and their rotation.
    n_heads
        Attention heads of each layer, averaged.
    linear_embedding
        Whether the embedding leaves the second layer without ELU and every channel is centred and scaled over all
        spots; otherwise all channels share one centre and one scale.
    generator
        Source of the initial weights; None draws from seed 0.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from s3rl.nn import Neighborhood, PrototypeHead, SeparableAutoencoder, SparseMatrix, hyperspherical_prototypes
    >>> x = SparseMatrix.from_scipy(sp.csr_matrix(np.eye(4, 6)))
    >>> graph = Neighborhood.from_scipy(sp.csr_matrix(np.ones((4, 4))))
    >>> model = SeparableAutoencoder(6, 8, 5, head=PrototypeHead(hyperspherical_prototypes(2, 5)))
    >>> z = model.encode(x, graph)
    >>> z.shape, model.head(z).shape
    (torch.Size([4, 5]), torch.Size([4, 2]))
    """

    def __init__(
        self,
        n_genes: int,
        n_hidden: int,
        n_latent: int,
        *,
        head: PrototypeHead,
        n_heads: int = 1,
        linear_embedding: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        self.linear_embedding = linear_embedding
        self.expression_encoder = ExpressionEncoderLayer(n_genes, n_hidden, n_heads, generator)
        self.encoder = GraphTransformerLayer(n_hidden, n_latent, n_heads, generator)
        self.decoder = GraphTransformerLayer(n_latent, n_hidden, n_heads, generator)
        self.expression_decoder = ExpressionDecoderLayer(n_hidden, n_genes, n_heads, generator)
        self.hidden_scale = _Standardize(n_hidden if linear_embedding else 1)
        self.latent_scale = _Standardize(n_latent if linear_embedding else 1)
        self.head = head

    def encode(
        self,
        x: SparseMatrix,
        graph: Neighborhood,
        diffusion: Diffusion | None = None,
        masked: Tensor | None = None,
        kept: Tensor | None = None,
        slices: Tensor | None = None,
    ) -> Tensor:
        """Embed sparse expression (n, g) as z (n, d).

        Parameters
        ----------
        x
            Expression.
        graph
            Semantic graph E'.
        diffusion
            Smoothing of the hidden layer before its activation; None leaves it out, as in the paper.
        masked
            Boolean (n,): spots replaced by the token.
        kept
            Boolean (e,): edges that take part.
        slices
            Numbers (n,) of the slices within which genes are centred; None centres nothing.
        """
        hidden = self.expression_encoder.attend(self.expression_encoder.project(x, masked, slices), graph, kept)
        if diffusion is not None:
            hidden = diffusion(hidden)
        hidden = functional.elu(self.hidden_scale(hidden))
        z = self.encoder(hidden, graph, kept)
        return self.latent_scale(z if self.linear_embedding else functional.elu(z))

    def decode(self, z: Tensor, graph: Neighborhood, kept: Tensor | None = None) -> Reconstruction:
        """Reconstruct expression from z (n, d) as factors (n, r) and (g, r)."""
        return Reconstruction(
            *self.expression_decoder.factors(functional.elu(self.decoder(z, graph, kept)), graph, kept)
        )


class _Standardize(nn.Module):
    """Centre and scale over all spots, each channel by itself or (one channel) all of them together.

    Training uses the statistics of the call and remembers them; evaluation uses those of the last training call, so
    that a new slice meets the scale that the model was fitted on.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(n_channels, affine=False, momentum=1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.reshape(-1, self.norm.num_features)).reshape(x.shape)
