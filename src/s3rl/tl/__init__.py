"""Tools: features of tiles, training, transfer, clusters, labels matched."""

from s3rl._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(
    __name__,
    {
        "s3rl": "_s3rl",
        "S3RLParams": "_s3rl",
        "S3RLResult": "_s3rl",
        "simclr": "_simclr",
        "SimCLRParams": "_simclr",
        "SimCLRResult": "_simclr",
        "embed_tiles": "_embed_tiles",
        "EmbedTilesResult": "_embed_tiles",
        "transfer": "_transfer",
        "TransferResult": "_transfer",
        "cluster": "_cluster",
        "ClusterResult": "_cluster",
        "match_labels": "_match_labels",
        "slice_mixing": "_slice_mixing",
        "SliceMixing": "_slice_mixing",
        "MatchLabelsResult": "_match_labels",
        "distance_gradient": "_distance_gradient",
        "DistanceGradientResult": "_distance_gradient",
        "coexpression": "_coexpression",
        "CoexpressionResult": "_coexpression",
    },
)
