"""Boxes on an image and the pixels in them; numpy and dask only."""
