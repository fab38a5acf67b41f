"""Core: graphs as sparse matrices; knows neither tables nor files."""
