"""Core: optimal transport between slices as arrays; knows neither tables nor files."""
