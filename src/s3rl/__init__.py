"""Domains and denoised expression from spatial transcriptomics: separable representation learning."""

from s3rl._lazy import attach as _attach

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = _attach(
    __name__,
    {name: name for name in ("pp", "tl", "pl", "datasets", "transforms", "nn", "losses", "errors")},
)
