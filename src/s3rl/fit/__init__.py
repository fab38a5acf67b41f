"""Core: parameters, training loop, checkpoints and model folders."""
