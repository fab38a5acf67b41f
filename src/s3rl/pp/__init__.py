"""Preparation: normalise, build the signed graph."""

from s3rl._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, {"normalize": "_normalize", "signed_neighbors": "_signed_neighbors"})
