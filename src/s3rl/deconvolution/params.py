"""Parameters of deconvolution: one frozen class that checks itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from s3rl._params import Parameters, Range, one_of, real, whole


@dataclass(frozen=True, kw_only=True)
class DeconvolveParams(Parameters):
    """Parameters of ``s3.tl.deconvolve``.

    Parameters
    ----------
    min_cells
        Cells that every type of the reference must have.
    n_genes
        Shared genes to use at most: those whose square-rooted shares differ most between the types.
    gene_effects
        Whether the reference is first multiplied, gene by gene, by the factor that separates the technologies, as
        the best mixture of all spots together shows it.
    unit
        ``"cells"`` divides by the mean total count of each type, so that proportions count cells; it needs a reference
        of raw counts. ``"rna"`` leaves shares of the RNA.
    denoise
        How denoised expression is taken. ``"shares"``: the linear denoiser on the embedding of the model, on shares of
        counts; ``"logarithms"``: the layer itself without its logarithm (the paper), which is worse, since a mean of
        logarithms is far below the logarithm of the mean where counts are few.
    n_metacells
        Groups of alike cells in each type, at least three cells in each; for ``"contrastive"``.
    contrast
        Weight of the contrastive term beside the reconstruction; for ``"contrastive"``.
    temperature
        Of the similarities in the contrastive term; for ``"contrastive"``.
    n_negatives
        Spots that stand for all others in the contrastive term, drawn once; for ``"contrastive"``.
    n_steps, learning_rate
        Steps of Adam on the logits of the mapping, and its first step width, which falls along a cosine; for
        ``"contrastive"``.
    batch_size
        Spots that are optimised at a time; has no influence on the result but through rounding.
    cells_per_type
        Cells of each type that the mapping keeps in each spot; for ``mapping=True``.
    noise
        ``"poisson"``: variance in proportion to the mean, and the same for all genes in ``"gaussian"``, as CARD has it;
        for ``"car"``.
    phi
        Spatial correlation, 0 to less than 1; None takes the likeliest of CARD's grid; for ``"car"``.
    max_iter
        Updates at most; for ``"car"``.

    Raises
    ------
    ParameterError
        If a value is outside of its range.

    Examples
    --------
    >>> from s3rl.tl import DeconvolveParams
    >>> DeconvolveParams(phi=0.9).unit
    'cells'
    """

    min_cells: int = 5
    n_genes: int = 2000
    gene_effects: bool = True
    unit: Literal["cells", "rna"] = "cells"
    denoise: Literal["shares", "logarithms"] = "shares"
    n_metacells: int = 10
    contrast: float = 0.2
    temperature: float = 1.0
    n_negatives: int = 256
    n_steps: int = 100
    learning_rate: float = 0.2
    batch_size: int = 512
    cells_per_type: int = 5
    noise: Literal["poisson", "gaussian"] = "poisson"
    phi: float | None = None
    max_iter: int = 300

    def __post_init__(self) -> None:
        self.check(_RANGES)


def _correlation(value: Any) -> bool:
    return value is None or real(0, 1)[0](value)


_RANGES: dict[str, Range] = {
    **dict.fromkeys(
        ("min_cells", "n_metacells", "n_negatives", "n_steps", "batch_size", "cells_per_type", "max_iter"), whole(1)
    ),
    "n_genes": whole(2),
    "contrast": real(0),
    **dict.fromkeys(("temperature", "learning_rate"), real(1e-8)),
    **dict.fromkeys(("gene_effects",), one_of(True, False)),
    "unit": one_of("cells", "rna"),
    "denoise": one_of("shares", "logarithms"),
    "noise": one_of("poisson", "gaussian"),
    "phi": (_correlation, "None or a number from 0 to less than 1"),
}
