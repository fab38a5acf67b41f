"""Ligand-receptor statistics on arrays: pairs and complexes, permutations, quadrants."""
