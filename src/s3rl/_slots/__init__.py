"""Bridge: the only code that knows AnnData and SpatialData objects."""
