"""The terms of the training objective: pure functions on tensors, each with its equation."""

from s3rl._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(
    __name__,
    {
        "cosine_error": "_reconstruction",
        "factored_cosine_error": "_reconstruction",
        "topology": "_topology",
        "separability": "_separability",
        "prototype_deviation": "_separability",
    },
)
