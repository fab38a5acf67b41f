"""Simulated tissue, and public data fetched on demand."""

from s3rl._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(
    __name__,
    {
        "simulated_cortex": "_simulated_cortex",
        "simulated_tumour": "_simulated_tumour",
        "simulated_tumour_reference": "_simulated_tumour_reference",
        "CortexParams": "_params",
        "fetch_h5ad": "_fetch_h5ad",
        "write_spaceranger": "_write_spaceranger",
    },
)
