"""Transforms of one tile and what belongs to it, composable, with the randomness handed in."""
