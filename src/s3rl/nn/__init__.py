"""Layers, prototypes and the autoencoder; every forward states its shapes."""

from s3rl._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(
    __name__,
    {
        "Neighborhood": "_sparse",
        "SparseMatrix": "_sparse",
        "GraphTransformerLayer": "_graph_transformer",
        "ExpressionEncoderLayer": "_graph_transformer",
        "ExpressionDecoderLayer": "_graph_transformer",
        "edge_products": "_attention",
        "neighbor_attention": "_attention",
        "hyperspherical_prototypes": "_prototypes",
        "PrototypeHead": "_prototypes",
        "Diffusion": "_diffusion",
        "SeparableAutoencoder": "_autoencoder",
    },
)
