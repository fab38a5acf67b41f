"""Words shared by the signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData
    from spatialdata import SpatialData

    Data: TypeAlias = AnnData | SpatialData
    RNG: TypeAlias = int | np.integer | np.random.Generator | None

Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"] | str
