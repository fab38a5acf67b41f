"""Parameters of the model: one frozen class that checks itself; every default is the one we recommend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from s3rl._params import Parameters, Range, one_of, real, whole
from s3rl.errors import ParameterError

Ablation = Literal["S3RL-1", "S3RL-2", "S3RL-3"]


@dataclass(frozen=True, kw_only=True)
class S3RLParams(Parameters):
    """Parameters of ``s3.tl.s3rl``.

    Parameters
    ----------
    n_hidden, n_latent, n_heads
        Channels of the hidden layers and of the embedding, and attention heads of each layer.
    diffusion
        Smoothing of the first layer over the spatial graph, ``(I + diffusion L)^-1``; 0 leaves it out (the paper).
    cosine_power
        Exponent of the reconstruction error (equation 3).
    topology
        Weight of the signed edges, as a mean over the edges (equation 4).
    separability
        Weight of the hyperspherical regularisation (equation 9).
    size_prior
        ``"estimated"`` expects the domain sizes of the consensus, ``"equal"`` equal ones (the paper).
    temperature
        Softness of the assignment to prototypes (equation 7).
    prototype_noise
        Scale t of the dynamic prototypes (equation 10); 0 keeps them static.
    anchor
        Weight of predicting the diffused principal components from the embedding; 0 leaves it out (the paper).
    anchor_diffusion
        Factor on the smoothing of the principal components behind ``anchor`` and ``consensus``; 0 leaves them as
        measured, for what is not contiguous (:meth:`cell_types`).
    consensus
        Weight of agreeing with the consensus of mixtures on the anchors; 0 leaves it out (the paper).
    n_mixtures
        Gaussian mixtures of the consensus.
    mask_rate, edge_drop_rate
        Share of the spots replaced by the token and of the edges dropped, drawn anew each epoch.
    linear_output
        Whether the last layer has no activation, so that the reconstruction stays factorised; False is the paper's
        ELU, at dense cost in blocks of spots.
    linear_embedding
        Whether the embedding leaves its layer without ELU, each channel at unit variance over the spots, and the
        inner products of the topology are divided by ``n_latent``; False is the paper's ELU and plain inner products,
        with hidden values centred and scaled over all spots and channels together.
    batch
        What is done about differences between slices, where there are several: ``"none"``; ``"center"`` centres every
        gene within its slice; ``"harmony"`` runs Harmony on the components besides; ``"auto"`` centres where
        slices explain more than a third of one of the ten leading components.
    use_image
        Whether similarity edges of other feature spaces than expression take part.
    learning_rate, weight_decay
        Of Adam.
    max_epochs
        All epochs at most.
    patience
        Epochs without an improvement by 0.1 % after which training stops.
    checkpoint_interval
        Epochs between checkpoints.
    denoise
        ``"all"`` reads every gene out of the embedding, shrunk by how much of it is noise, and adds what the spot's
        own counts say; ``"decoder"`` writes the reconstruction of the decoder as the paper does, genes that the model
        did not see by ridge regression from the same factors; ``"none"`` writes no layer.

    Raises
    ------
    ParameterError
        If a value is outside of its range.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from s3rl.tl import S3RLParams
    >>> S3RLParams(max_epochs=300).max_epochs
    300
    >>> replace(S3RLParams.paper("S3RL-1"), max_epochs=500).prototype_noise
    0.0
    """

    n_hidden: int = 64
    n_latent: int = 32
    n_heads: int = 1
    diffusion: float = 1.0
    cosine_power: float = 2.0
    topology: float = 0.1
    separability: float = 0.1
    size_prior: Literal["estimated", "equal"] = "estimated"
    temperature: float = 0.1
    prototype_noise: float = 0.0
    anchor: float = 1.0
    anchor_diffusion: float = 1.0
    consensus: float = 1.0
    n_mixtures: int = 24
    mask_rate: float = 0.1
    edge_drop_rate: float = 0.2
    linear_output: bool = True
    linear_embedding: bool = True
    batch: Literal["auto", "none", "center", "harmony"] = "auto"
    use_image: bool = True
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    max_epochs: int = 200
    patience: int = 50
    checkpoint_interval: int = 25
    denoise: Literal["all", "decoder", "none"] = "all"

    def __post_init__(self) -> None:
        self.check(_RANGES)

    @classmethod
    def paper(cls, ablation: Ablation | None = None) -> Self:
        """Return the form of the paper: equal sizes, dynamic prototypes, ELU on every layer, up to 2,000 epochs.

        Parameters
        ----------
        ablation
            ``"S3RL-1"`` keeps the prototypes static, ``"S3RL-2"`` leaves the image out, ``"S3RL-3"`` does both.
        """
        if ablation not in (None, "S3RL-1", "S3RL-2", "S3RL-3"):
            raise ParameterError(
                "names no ablation",
                key="ablation",
                found=repr(ablation),
                available=["S3RL-1", "S3RL-2", "S3RL-3"],
                fix="S3RLParams.paper('S3RL-1')",
            )
        form: dict[str, Any] = {
            "diffusion": 0.0, "size_prior": "equal", "anchor": 0.0, "consensus": 0.0, "separability": 1.0,
            "topology": 0.4, "mask_rate": 0.5, "linear_output": False, "linear_embedding": False, "max_epochs": 2000,
            "denoise": "decoder",
            "prototype_noise": 0.0 if ablation in ("S3RL-1", "S3RL-3") else 0.1,
            "use_image": ablation not in ("S3RL-2", "S3RL-3"),
        }  # fmt: skip
        return cls(**form)

    @classmethod
    def cell_types(cls) -> Self:
        """Return the form that looks for cell types, which need not be contiguous: nothing is smoothed over neighbours.

        The graph still has its spatial edges, and neighbours still pay attention to each other; what the domains are
        learned from is each spot's own expression. ``s3.tl.contiguity`` says when that is worth a try.

        Examples
        --------
        >>> from s3rl.tl import S3RLParams
        >>> S3RLParams.cell_types().anchor_diffusion
        0.0
        """
        return cls(diffusion=0.0, anchor_diffusion=0.0)


_RANGES: dict[str, Range] = {
    **dict.fromkeys(
        ("n_hidden", "n_latent", "n_heads", "n_mixtures", "max_epochs", "patience", "checkpoint_interval"), whole(1)
    ),
    **dict.fromkeys(
        (
            "diffusion",
            "topology",
            "separability",
            "prototype_noise",
            "anchor",
            "anchor_diffusion",
            "consensus",
            "weight_decay",
        ),
        real(0),
    ),
    "cosine_power": real(1),
    **dict.fromkeys(("temperature", "learning_rate"), real(1e-8)),
    **dict.fromkeys(("mask_rate", "edge_drop_rate"), real(0, 1)),
    **dict.fromkeys(("linear_output", "linear_embedding", "use_image"), one_of(True, False)),
    "size_prior": one_of("estimated", "equal"),
    "batch": one_of("auto", "none", "center", "harmony"),
    "denoise": one_of("all", "decoder", "none"),
}
