"""What the tests of the downstream tools share: false discovery rates, permutations, a linear denoiser."""
