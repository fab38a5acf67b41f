"""Pieces of ``benchmarks/domains.py``."""
