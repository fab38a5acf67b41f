"""Hyper-parameters of the simulated tissue."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

from s3rl._params import Parameters
from s3rl.errors import ParameterError

_RANGES: dict[str, tuple[float, float]] = {
    "counts_per_gene": (1e-3, 1e3),
    "library_sigma": (0.0, 2.0),
    "dispersion": (0.0, 10.0),
    "dropout": (0.0, 0.95),
    "marker_share": (0.0, 0.6),
    "marker_fold": (1.0, 100.0),
    "gradient_share": (0.0, 0.3),
    "gradient": (0.0, 4.0),
    "n_pairs": (0, 50),
    "imbalance": (1.0, 100.0),
    "blur": (1e-4, 0.2),
    "curvature": (0.0, 1.0),
    "pixel_size": (0.05, 50.0),
    "image_rotation": (-180.0, 180.0),
}


@dataclass(frozen=True)
class CortexParams(Parameters):
    """Hyper-parameters of :func:`s3rl.datasets.simulated_cortex`, checked when made.

    Parameters
    ----------
    counts_per_gene
        Mean count of a gene in a spot before dropout; a spot holds about ``counts_per_gene * n_genes``.
    library_sigma
        Standard deviation of the log of the library size.
    dispersion
        Negative-binomial dispersion phi: variance = mean + phi * mean**2; 0 gives Poisson counts.
    dropout
        Probability that a count is lost, independent of everything else.
    marker_share
        Share of the genes that are markers of one layer.
    marker_fold
        Median factor by which a marker is raised in its layer.
    gradient_share
        Share of the genes that change smoothly along the depth or along the layers.
    gradient
        Change of the log mean of such a gene from one end of the tissue to the other.
    n_pairs
        Ligand-receptor pairs planted in neighbouring layers; as many pairs without a pattern are added.
    imbalance
        Area of the largest layer over the area of the smallest; 1 makes all equal, 10 and more makes thin layers.
    blur
        Width of the borders between layers, as a share of the depth.
    curvature
        Bending of the layers from 0, straight and parallel, to 1.
    pixel_size
        Microns in a pixel of the image; None is 3 for Visium spots and 0.5 for cells.
    image_rotation
        Degrees by which the pixel frame of the image is turned against the coordinates of the spots.

    Raises
    ------
    ParameterError
        If a value is outside of its range.

    Examples
    --------
    >>> import s3rl as s3
    >>> s3.datasets.CortexParams(imbalance=10.0).imbalance
    10.0
    """

    counts_per_gene: float = 0.4
    library_sigma: float = 0.4
    dispersion: float = 0.5
    dropout: float = 0.1
    marker_share: float = 0.2
    marker_fold: float = 4.5
    gradient_share: float = 0.1
    gradient: float = 1.0
    n_pairs: int = 4
    imbalance: float = 3.0
    blur: float = 0.03
    curvature: float = 1.0
    pixel_size: float | None = None
    image_rotation: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if name == "pixel_size" and value is None:
                continue
            check_number(name, value, low, high, whole=name == "n_pairs")


def check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    """Raise ParameterError unless ``low <= value <= high``, and a whole number where asked."""
    kind = "a whole number" if whole else "a finite number"
    right_type = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    # NaN fails every comparison
    if right_type and low <= float(value) <= high:  # type: ignore[arg-type]
        return
    raise ParameterError(
        f"must be {kind} from {low:g} to {high:g}", key=name, found=repr(value), fix=f"pass {name} in that range"
    )
