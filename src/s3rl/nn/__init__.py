"""Layers, prototypes and the autoencoder; every forward states its shapes."""

from s3rl.nn._attention import edge_products, neighbor_attention
from s3rl.nn._autoencoder import Reconstruction, SeparableAutoencoder
from s3rl.nn._diffusion import Diffusion
from s3rl.nn._graph_transformer import ExpressionDecoderLayer, ExpressionEncoderLayer, GraphTransformerLayer
from s3rl.nn._prototypes import PrototypeHead, hyperspherical_prototypes
from s3rl.nn._sparse import Neighborhood, SparseMatrix
from s3rl.nn._tile_encoder import TileEncoder
from s3rl.nn._timm_features import TimmFeatures

__all__ = [
    "Diffusion",
    "ExpressionDecoderLayer",
    "ExpressionEncoderLayer",
    "GraphTransformerLayer",
    "Neighborhood",
    "PrototypeHead",
    "Reconstruction",
    "SeparableAutoencoder",
    "SparseMatrix",
    "TileEncoder",
    "TimmFeatures",
    "edge_products",
    "hyperspherical_prototypes",
    "neighbor_attention",
]
