"""Default colours of the plots; ``tl`` takes them from ``s3rl._slots.palette``: ``tl`` and ``pl`` are siblings."""

from s3rl._slots.palette import UNLABELLED, domain_colors

__all__ = ["UNLABELLED", "domain_colors"]
