"""The terms of the training objective: pure functions on tensors, each with its equation."""

from s3rl.losses._contrastive import nt_xent
from s3rl.losses._reconstruction import cosine_error, factored_cosine_error
from s3rl.losses._separability import prototype_deviation, separability
from s3rl.losses._topology import topology

__all__ = ["cosine_error", "factored_cosine_error", "nt_xent", "prototype_deviation", "separability", "topology"]
